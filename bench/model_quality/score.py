#!/usr/bin/env python3
"""The tables of docs/model.md, from what the contestants wrote.

Usage: score.py OUT grid [SPLIT] | mixed [FILTER] | images [SPLIT] | subsets | picture PNG

grid   mean absolute error over all hidden cells of the test stays, in standard deviations of the training stays
mixed  per column and draw of the hidden cells: mean absolute error of the median and root mean square error of the mean in standard
       deviations (numbers), share of wrong classes and log loss (classes). A rank per column and draw, 1 for the best, ties share it;
       `rank` goes by root mean square error and wrong classes, `rank 2` by absolute error and log loss. Columns with fewer than 10
       hidden cells are left out. Variants of ours (ours-...) are ranked one at a time, in the place of ours.
images error of a hidden half's pixels (0 to 1) over the test films. `ridge` is a linear regression on the pixels of the other half, its
       weight chosen on the validation films; `nearest film` copies from the training film whose seen half is nearest.
subsets average precision of a logistic regression on the latent mean, its weight chosen by cross-validation among the training reports
picture truth, seen half, prediction, its standard deviation and the mean image of a few test films
"""
import glob
import os
import re
import struct
import sys
import zlib
from collections import defaultdict

import numpy as np

from table import Table, read_answers


def ranks(scores, names):
    """Among all but the variants of ours; a variant's is what it would be in the place of ours."""
    v, peer = np.array(scores), np.array([not n.startswith("ours") for n in names])
    out = []
    for x, name in zip(v, names):
        among = v[peer | (np.array(names) == ("ours" if not name.startswith("ours") else name))]
        out.append((among < x).sum() + ((among == x).sum() + 1) / 2)
    return out


def column_scores(table, answers):
    """(column, error and wrong classes, absolute error and log loss), each a list over the contestants."""
    for j, k in enumerate(table.classes):
        cells = table.asked(j)
        if len(cells) < 10:
            continue
        truth, first, second = table.truth[cells], [], []
        for median, mean, probabilities in answers:
            if k:
                p, right = probabilities[j], truth.astype(int)
                first.append((p.argmax(1) != right).mean())
                second.append(-np.log(np.clip(p[np.arange(len(right)), right], 1e-6, None)).mean())
            else:
                first.append(np.sqrt(((mean[cells] - truth) ** 2).mean()))
                second.append(np.abs(median[cells] - truth).mean())
        yield j, first, second


def mixed(out, pattern=""):
    groups = defaultdict(list)
    for folder in sorted(glob.glob(f"{out}/mixed/*-*-*")):
        name, seed = re.fullmatch(r"(.*)-(\d+)", os.path.basename(folder)).groups()
        if (int(seed) < 100 and not pattern) or (pattern and re.search(pattern, folder)):
            groups[name if not pattern else name + "-" + seed].append(folder)
    for group, folders in groups.items():
        names = sorted(set.intersection(*({os.path.basename(p)[:-4] for p in glob.glob(f"{f}/*.csv")} for f in folders)) -
                       {"columns", "hidden"})
        total = {n: defaultdict(list) for n in names}
        by_column = defaultdict(list)
        for folder in folders:
            table = Table(folder)
            for j, first, second in column_scores(table, [read_answers(f"{folder}/{n}.csv", table) for n in names]):
                by_column[table.columns[j][0]].append(first)
                for n, a, b, ra, rb in zip(names, first, second, ranks(first, names), ranks(second, names)):
                    kind = ("wrong", "log") if table.classes[j] else ("rmse", "mae")
                    for key, value in (("rank", ra), ("rank2", rb), (kind[0], a), (kind[1], b)):
                        total[n][key].append(value)
        print(f"\n    {f'{group}, {len(folders)} draws':26s}  rank  rank 2    RMSE     MAE   wrong   log loss")
        for n in sorted(names, key=lambda n: np.mean(total[n]["rank"])):
            m = {k: np.mean(v) for k, v in total[n].items()}
            print(f"    {n:26s} {m['rank']:5.2f}   {m['rank2']:5.2f}   {m['rmse']:5.3f}   {m['mae']:5.3f}   {m['wrong']:5.3f}      {m['log']:5.3f}")
        if pattern:
            print("    " + " " * 14 + " ".join(f"{n[:9]:>9s}" for n in names))
            for column, scores in by_column.items():
                print(f"    {column:14s}" + " ".join(f"{x:9.3f}" for x in np.mean(scores, 0)))


def fill(values, role):
    """Last value and linear interpolation (nearest value before the first and after the last), else the mean, from what is known."""
    last, line = np.zeros(values.shape), np.zeros(values.shape)
    hours = np.arange(values.shape[1])
    for i in range(len(values)):
        for f in range(values.shape[2]):
            at = np.flatnonzero(role[i, :, f] == 1)
            if len(at):
                line[i, :, f] = np.interp(hours, at, values[i, at, f])
                before = np.searchsorted(at, hours, side="right") - 1
                last[i, :, f] = np.where(before >= 0, values[i, at[np.maximum(before, 0)], f], 0)
    return last, line


def grid(out, split=2):
    names = [l.split(",")[0] for l in open(f"{out}/grid/columns.csv")]
    values = np.fromfile(f"{out}/grid/values.f32", np.float32).reshape(-1, 48, len(names)).astype(float)
    role = np.fromfile(f"{out}/grid/role.u8", np.uint8).reshape(values.shape)
    part = np.fromfile(f"{out}/grid/split.u8", np.uint8)
    train = values[part == 0].reshape(-1, len(names))
    mean, sd = np.nanmean(train, 0), np.nanstd(train, 0)
    sd[sd == 0] = 1
    scaled, scored = (values - mean) / sd, part == int(split)
    truth, role = scaled[scored], role[scored]
    hidden = role == 2
    last, line = fill(truth, role)
    rows = {"mean": np.zeros(truth.shape), "last value": last, "linear interpolation": line}
    for path in sorted(glob.glob(f"{out}/grid/*.csv")):
        if os.path.basename(path) == "columns.csv":
            continue
        stay, hour, f, median = np.loadtxt(path, delimiter=",", skiprows=1, usecols=(0, 1, 2, 3)).T
        full = np.full(values.shape, np.nan)
        full[stay.astype(int), hour.astype(int), f.astype(int)] = median
        full = ((full - mean) / sd)[scored]
        if np.isfinite(full[hidden]).all():
            rows[os.path.basename(path)[:-4]] = full
    print(f"\n    {hidden.sum()} hidden cells of {scored.sum()} stays     MAE   RMSE   of features, equal weight: MAE")
    for name, guess in rows.items():
        e = np.where(hidden, guess - truth, np.nan)
        print(f"    {name:34s} {np.nanmean(np.abs(e)):5.3f}  {np.sqrt(np.nanmean(e ** 2)):5.3f}  "
              f"{np.nanmean([np.nanmean(np.abs(e[:, :, f])) for f in range(len(names)) if hidden[:, :, f].any()]):5.3f}")


def halves(films):
    return films[:, :, :14].reshape(len(films), -1), films[:, :, 14:].reshape(len(films), -1)


def read_films(out):
    films = np.fromfile(f"{out}/images/films.f32", np.float32).reshape(-1, 28, 28)
    split = np.fromfile(f"{out}/images/split.u8", np.uint8)
    return [halves(films[split == s]) for s in range(3)]


def read_said(path):
    """[films, left or right, mean or sd, pixels]"""
    return np.fromfile(path, np.float32).reshape(-1, 2, 2, 28 * 14)


def ridge(train, validation, scored, side):
    x, y = train[1 - side], train[side]
    mx, my = x.mean(0), y.mean(0)
    gram, product = (x - mx).T @ (x - mx), (x - mx).T @ (y - my)
    best = None
    for weight in (1, 10, 100, 1000):
        w = np.linalg.solve(gram + weight * np.eye(len(gram)), product)
        error = (((validation[1 - side] - mx) @ w + my - validation[side]) ** 2).mean()
        if best is None or error < best[0]:
            best = (error, w)
    return (scored[1 - side] - mx) @ best[1] + my


def nearest(train, scored, side):
    x, q = train[1 - side], scored[1 - side]
    distance = (q ** 2).sum(1)[:, None] - 2 * q @ x.T + (x ** 2).sum(1)
    return train[side][distance.argmin(1)]


def images(out, split=2):
    parts = read_films(out)
    train, validation, scored = parts[0], parts[1], parts[int(split)]
    rows = {"mean image": [np.broadcast_to(train[s].mean(0), scored[s].shape) for s in (0, 1)],
            "nearest film": [nearest(train, scored, s) for s in (0, 1)],
            "ridge": [ridge(train, validation, scored, s) for s in (0, 1)]}
    inside = {}
    for path in sorted(glob.glob(f"{out}/images/*.f32")):
        name, said = os.path.basename(path)[:-4], None
        if name != "films":
            said = read_said(path)
        if said is not None and len(said) == len(scored[0]):
            rows[name] = [said[:, s, 0] for s in (0, 1)]
            inside[name] = np.mean([np.abs(said[:, s, 0] - scored[s]) <= 1.6449 * said[:, s, 1] for s in (0, 1)])
    print(f"\n    {len(scored[0])} films          MAE    less     RMSE    less    within 1.645 sd")
    base = None
    for name, guess in rows.items():
        e = np.array([guess[s] - scored[s] for s in (0, 1)])
        now = np.abs(e).mean(), np.sqrt((e ** 2).mean())
        base = base or now
        tail = f"{inside[name]:8.3f}" if name in inside else ""
        print(f"    {name:16s} {now[0]:7.4f}  {1 - now[0] / base[0]:5.1%}  {now[1]:7.4f}  {1 - now[1] / base[1]:5.1%}  {tail}")


def subsets(out):
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.metrics import average_precision_score
    rows = [line.split("\t")[:2] for line in open(f"{out}/subsets/reports.tsv")]
    test, label = np.array([r[0] == "2" for r in rows]), np.array([int(r[1]) for r in rows])
    names = ["indication", "findings", "impression"]
    print(f"\n    {test.sum()} reports, chance {label[test].mean():.3f}")
    for path in sorted(glob.glob(f"{out}/subsets/*.f32")):
        codes = np.fromfile(path, np.float32).reshape(7, len(rows), -1)
        score = {}
        for seen in range(1, 8):
            x = codes[seen - 1]
            x = (x - x[~test].mean(0)) / (x[~test].std(0) + 1e-6)
            probe = LogisticRegressionCV(Cs=[1e-3, 1e-2, 1e-1, 1], cv=5, scoring="average_precision", max_iter=500).fit(x[~test], label[~test])
            score[seen] = average_precision_score(label[test], probe.decision_function(x[test]))
        worst = max(((score[a] - score[b], a, b) for a in score for b in score if a & b == a and a != b))
        said = lambda s: " + ".join(n for i, n in enumerate(names) if s >> i & 1)
        print(f"    {os.path.basename(path)[:-4]}")
        for seen in sorted(score, key=score.get):
            print(f"      {said(seen):40s} {score[seen]:.3f}")
        print(f"      most that adding a part took away: {worst[0]:+.3f} ({said(worst[1])} -> {said(worst[2])})")


def write_png(path, pixels):
    """8-bit grey."""
    raw = b"".join(b"\0" + row.tobytes() for row in pixels.astype(np.uint8))
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 8, 0, 0, 0, 0)) +
                chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b""))


def picture(out, png, name="ours", zoom=3):
    """A row a film, every second one with its left half hidden; the films are evenly spaced through the test split, not chosen."""
    train, _, test = read_films(out)
    said = read_said(f"{out}/images/{name}.f32")
    rows = []
    for n, i in enumerate(np.linspace(0, len(test[0]) - 1, 10).astype(int)):
        side = n % 2
        true, seen = test[side][i], test[1 - side][i]
        def film(half):
            both = [half.reshape(28, 14), seen.reshape(28, 14)]
            return np.hstack(both if side == 0 else both[::-1])
        tiles = [film(true), film(np.zeros(392)), film(said[i, side, 0]), film(np.clip(4 * said[i, side, 1], 0, 1)), film(train[side].mean(0))]
        rows.append(np.hstack([np.pad(np.clip(t, 0, 1), 1, constant_values=1) for t in tiles]))
    write_png(png, np.kron(np.vstack(rows) * 255, np.ones((zoom, zoom))))


if __name__ == "__main__":
    {"grid": grid, "mixed": mixed, "images": images, "subsets": subsets, "picture": picture}[sys.argv[2]](sys.argv[1], *sys.argv[3:])
