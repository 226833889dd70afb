#!/usr/bin/env python3
"""Are the peers in delay.cc what their packages are? Runs river and frouros on streams with a change and holds the outcome at which
they alarm against the same recursions in a few lines, which are those of delay.cc. Needs river and frouros (pip); neither is needed to
build, run or test Lacuna.  Usage: peers.py [SEED]"""
import importlib
import random
import sys


def streams(seed, count=40):
    r = random.Random(seed)
    for i in range(count):
        p, q = r.choice([(0.1, 0.2), (0.02, 0.1), (0.1, 0.15)])
        yield [float(r.random() < (p if t < 2000 else q)) for t in range(20000)]


def first(update, xs):
    for t, x in enumerate(xs):
        if update(x):
            return t
    return None


def own_page_hinkley(delta, threshold, burn_in):
    n = mean = total = least = 0.0

    def update(x):
        nonlocal n, mean, total, least
        n += 1
        mean += (x - mean) / n
        total += x - mean - delta
        least = min(least, total)
        return n >= burn_in and total - least > threshold
    return update


def own_cusum(delta, threshold, burn_in):
    n = mean = total = 0.0

    def update(x):
        nonlocal n, mean, total
        n += 1
        mean += (x - mean) / n
        total = max(0.0, total + x - mean - delta)
        return n >= burn_in and total > threshold
    return update


def own_gma(alpha, threshold, burn_in):
    n = mean = total = 0.0

    def update(x):
        nonlocal n, mean, total
        n += 1
        mean += (x - mean) / n
        total = alpha * total + (1 - alpha) * (x - mean)
        return n >= burn_in and total > threshold
    return update


def report(name, pairs):
    pairs = list(pairs)
    same = sum(a == b for a, b in pairs)
    found = sum(a is not None for a, _ in pairs)
    print(f"{name}: the same outcome in {same} of {len(pairs)} streams ({found} alarmed)")
    return same == len(pairs)


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    ok = True
    try:
        drift = importlib.import_module("river.drift")
        def river_ph(xs):
            d = drift.PageHinkley(min_instances=30, delta=0.01, threshold=20, alpha=1.0, mode="up")
            def update(x):
                d.update(x)
                return d.drift_detected
            return first(update, xs)
        ok &= report("river PageHinkley (alpha 1)", ((river_ph(xs), first(own_page_hinkley(0.01, 20, 30), xs)) for xs in streams(seed)))
        found = []
        for xs in streams(seed):
            d = drift.ADWIN(delta=0.002)
            def update(x):
                d.update(x)
                return d.drift_detected
            found.append(first(update, xs))
        late = [t - 2000 for t in found if t is not None and t >= 2000]
        print(f"river ADWIN (delta 0.002): {len(late)} of {len(found)} changes found, {sum(t is not None and t < 2000 for t in found)} false, "
              f"mean delay {sum(late) / max(1, len(late)):.0f}")
    except ImportError as e:
        print(f"river: not here ({e})")
    try:
        streaming = importlib.import_module("frouros.detectors.concept_drift")
        def frouros(make, config, **settings):
            def run(xs):
                d = make(config=config(min_num_instances=30, **settings))
                def update(x):
                    d.update(value=x)
                    return d.status["drift"]
                return first(update, xs)
            return run
        cusum = frouros(streaming.CUSUM, streaming.CUSUMConfig, delta=0.01, lambda_=20.0)
        ok &= report("frouros CUSUM", ((cusum(xs), first(own_cusum(0.01, 20, 30), xs)) for xs in streams(seed, 10)))
        gma = frouros(streaming.GeometricMovingAverage, streaming.GeometricMovingAverageConfig, alpha=0.98, lambda_=0.08)
        ok &= report("frouros GeometricMovingAverage", ((gma(xs), first(own_gma(0.98, 0.08, 30), xs)) for xs in streams(seed, 10)))
    except ImportError as e:
        print(f"frouros: not here ({e})")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
