#!/usr/bin/env python3
"""The two halves of `holes`: takes cells out of a public table, and says how far from them each method's answers are.

Usage: holes.py punch DATA WORK TABLE SEED       writes WORK/TABLE-holes.csv (physionet: a folder) and WORK/TABLE-truth.csv
       holes.py score WORK TABLE                 prints the methods' errors
       holes.py score-long WORK TABLE NAME...    the same of a value a row, for each NAME.out.csv; cells that all answer

Cells of a column are taken out one by one, a tenth of them; of physionet a tenth of the panels, as configs/physionet2012.yaml groups them, whole.
Errors are absolute, in standard deviations of what is left of the column; log(1 + x) where `lacuna init` said log_normal (that is in everybody's
favour: scikit-learn is given these columns on that scale). IterativeImputer (BayesianRidge, its defaults) gets every column of the file but ids: numbers
as they are, words one-hot, and with several rows a patient also each column's last value by the row before. It is not asked for classes: of one-hot
columns each is predicted from the others, which in the row that is asked for are as unknown.
"""
import csv
import gzip
import io
import lzma
import math
import os
import random
import sys
import tarfile

MISSING = {"", "NA", "?", "nan"}
PATIENT = {"pbcseq": "id", "eicu": "stay_id", "support2": "", "heart": ""}


def number(text):
    try:
        value = float(text)
        return value if math.isfinite(value) else None
    except ValueError:
        return None


def published(data, table):
    def member(archive, name):
        with tarfile.open(f"{data}/{archive}") as tar:
            return list(csv.reader(io.StringIO(tar.extractfile(name).read().decode())))

    if table == "support2":
        return list(csv.reader(gzip.open(f"{data}/support2/support2.csv.gz", "rt")))
    if table == "pbcseq":
        return member("mayo-survival/mayo-survival.tar.xz", "mayo-survival/pbcseq.csv")
    if table == "eicu":
        return list(csv.reader(lzma.open(f"{data}/icu-demo/eicu-dyn.csv.xz", "rt")))
    rows = [["", *"age sex cp trestbps chol fbs restecg thalach exang oldpeak slope ca thal num site".split()]]
    for site in ("cleveland", "hungarian", "switzerland", "va"):
        name = "cleveland_target-binarised.csv" if site == "cleveland" else f"processed.{site}.data"
        lines = member("heart-disease-uci/heart-disease-uci.tar.xz", f"heart-disease-uci/{name}")
        for line in lines[1:] if site == "cleveland" else lines:
            rows.append([str(len(rows) - 1), *("" if c == "?" else c for c in line), site])
    return rows


def constant_columns(rows, patient):
    """What is the same in all rows of a patient is no gap that anybody fills; of one row a patient, no column is."""
    header, body = rows[0], rows[1:]
    if len({r[patient] for r in body}) == len(body):
        return set()
    seen, changing = {}, set()
    for row in body:
        for j, cell in enumerate(row):
            if cell not in MISSING and seen.setdefault((row[patient], j), cell) != cell:
                changing.add(j)
    return set(range(len(header))) - changing


def punch(data, work, table, seed):
    chance = random.Random(seed)
    if table == "physionet":
        return punch_physionet(data, work, chance)
    rows = published(data, table)
    patient = rows[0].index(PATIENT[table])
    times = {j for j, name in enumerate(rows[0]) if name in ("day", "rownames", "time", "charttime", "observation_offset", "hour")}
    kept = constant_columns(rows, patient) | times | {patient}
    with open(f"{work}/{table}-truth.csv", "w") as out:
        truth = csv.writer(out, lineterminator="\n")
        truth.writerow(["row", "column", "value"])
        for i, row in enumerate(rows[1:]):
            for j, cell in enumerate(row):
                if j not in kept and cell not in MISSING and chance.random() < 0.1:
                    truth.writerow([i, rows[0][j], cell])
                    row[j] = ""
    with open(f"{work}/{table}-holes.csv", "w") as out:
        csv.writer(out, lineterminator="\n").writerows(rows)


def punch_physionet(data, work, chance):
    import yaml
    config = yaml.safe_load(open("configs/physionet2012.yaml"))
    panel = {name: c["to"].split(".")[0] for name, c in config["input"]["columns"].items() if "." in str(c.get("to", ""))}
    folder = f"{work}/physionet-holes"
    os.makedirs(folder, exist_ok=True)
    with tarfile.open(f"{data}/physionet2012/physionet2012-ab.tar.xz") as tar, open(f"{work}/physionet-truth.csv", "w") as out:
        truth = csv.writer(out, lineterminator="\n")
        truth.writerow(["patient", "time", "column", "value"])
        for entry in tar:
            if not (entry.isfile() and entry.name.startswith("set-a/")):
                continue
            stay = os.path.basename(entry.name)
            lines = tar.extractfile(entry).read().decode().splitlines()
            hidden = {}
            with open(f"{folder}/{stay}", "w") as left:
                left.write(lines[0] + "\n")
                for line in lines[1:]:
                    time, name, value = line.split(",")
                    key = (time, panel.get(name))
                    if name in panel and hidden.setdefault(key, chance.random() < 0.1):
                        if float(value) != -1:
                            truth.writerow([stay.removesuffix(".txt"), time, name, value])
                    else:
                        left.write(line + "\n")


def log_columns(config):
    import yaml
    read = yaml.safe_load(open(config))
    features = {f"{m}.{f}": v or {} for m, mod in read["schema"]["modalities"].items() for f, v in (mod.get("features") or {}).items()}
    to = {name: str((c or {}).get("to", "")) for name, c in read["input"]["columns"].items()}
    return {name for name, target in to.items() if features.get(target, {}).get("likelihood") == "log_normal"}, to


class Errors:
    """Absolute errors and what was inside the interval, by column; means weigh columns alike."""

    def __init__(self):
        self.by = {}

    def add(self, column, error, inside=None):
        self.by.setdefault(column, []).append((error, inside))

    def line(self, title, mean=None):
        columns = {c: v for c, v in self.by.items() if len(v) >= 20}
        mae = sum(sum(e for e, _ in v) / len(v) for v in columns.values()) / len(columns)
        known = [i for v in columns.values() for _, i in v if i is not None]
        inside = f"{100 * sum(known) / len(known):11.1f} %" if known else " " * 13
        below = f"{100 * (1 - mae / mean):9.1f} %" if mean else " " * 11
        print(f"    {title:36}{mae:8.3f}{below}{inside}{sum(map(len, columns.values())):9} cells, {len(columns)} columns")
        return mae


def scaler(log, values):
    shape = (lambda x: math.log1p(max(x, 0))) if log else (lambda x: x)
    shaped = [shape(v) for v in values]
    mean = sum(shaped) / len(shaped)
    sd = math.sqrt(sum((v - mean) ** 2 for v in shaped) / len(shaped)) or 1
    return lambda x: (shape(x) - mean) / sd


def chained(rows, body, patient, log):
    import numpy as np
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer
    columns, of = [], {}
    for j, name in enumerate(rows[0]):
        cells = [r[j] for r in body]
        filled = [c for c in cells if c not in MISSING]
        if j == patient or not filled or name == "rownames":
            continue
        if all(number(c) is not None for c in filled):
            of[name] = len(columns)
            columns.append([math.log1p(max(float(c), 0)) if c not in MISSING and name in log else float(c) if c not in MISSING else math.nan
                            for c in cells])
        else:
            classes = sorted(set(filled))
            if len(classes) > 20:
                continue
            of[name] = (len(columns), classes)
            for k in classes:
                columns.append([math.nan if c in MISSING else float(c == k) for c in cells])
    x = np.array(columns).T
    means, sds = np.nanmean(x, 0), np.where(np.nanstd(x, 0) > 0, np.nanstd(x, 0), 1)
    x = (x - means) / sds
    width = x.shape[1]
    if len({r[patient] for r in body}) < len(body):
        before, last = np.full(x.shape, np.nan), {}
        for i, row in enumerate(body):
            now = last.setdefault(row[patient], np.full(width, np.nan))
            before[i] = now
            last[row[patient]] = np.where(np.isfinite(x[i]), x[i], now)
        x = np.hstack([x, before[:, np.isfinite(before).any(0)]])
    import time
    import warnings
    begin = time.time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        filled = IterativeImputer(random_state=0).fit_transform(x)
    return of, filled[:, :width], time.time() - begin


def score(work, table):
    rows = list(csv.reader(open(f"{work}/{table}-holes.csv")))
    body = rows[1:]
    patient = rows[0].index(PATIENT[table])
    log, _ = log_columns(f"{work}/{table}.yaml")
    ours = list(csv.DictReader(open(f"{work}/{table}.out.csv")))
    of, filled, seconds = chained(rows, body, patient, log)
    scales, last, previous = {}, {}, []
    for row in body:
        now = last.setdefault(row[patient], {})
        previous.append(dict(now))
        now.update({rows[0][j]: c for j, c in enumerate(row) if number(c) is not None})
    methods = {name: Errors() for name in ("mean", "last", "chained", "ours")}
    classes = {name: Errors() for name in ("mode", "ours")}
    unanswered = 0
    for cell in csv.DictReader(open(f"{work}/{table}-truth.csv")):
        i, column = int(cell["row"]), cell["column"]
        j = rows[0].index(column)
        out = ours[i]
        if f"{column}_likeliest" in out:
            left = [r[j] for r in body if r[j] not in MISSING]
            if not out[f"{column}_likeliest"]:
                unanswered += 1
                continue
            classes["ours"].add(column, float(out[f"{column}_likeliest"] != cell["value"]))
            classes["mode"].add(column, float(max(set(left), key=left.count) != cell["value"]))
            continue
        if f"{column}_median" not in out or number(cell["value"]) is None:
            continue
        if column not in scales:
            scales[column] = scaler(column in log, [float(r[j]) for r in body if number(r[j]) is not None])
        median, low, high = (number(out[f"{column}_{k}"]) for k in ("median", "low", "high"))
        if median is None:
            unanswered += 1
            continue
        scale, truth = scales[column], scales[column](float(cell["value"]))
        methods["ours"].add(column, abs(scale(median) - truth), low <= float(cell["value"]) <= high if low is not None else None)
        methods["mean"].add(column, abs(truth))
        before = previous[i].get(column)
        methods["last"].add(column, abs(scale(float(before)) - truth) if before is not None else abs(truth))
        methods["chained"].add(column, abs(filled[i, of[column]] - truth))
    took = open(f"{work}/{table}.seconds").read().strip()
    print(f"{table}: {unanswered} cells were not answered; init and impute {took} s, IterativeImputer {seconds:.0f} s")
    print(f"    {'':36}{'error':>8}{'below mean':>11}{'inside 90 %':>13}")
    mean = methods["mean"].line("mean")
    if any(p for p in previous):
        methods["last"].line("patient's value before, else mean", mean)
    methods["chained"].line("IterativeImputer", mean)
    methods["ours"].line("init, impute", mean)
    if any(len(v) >= 20 for v in classes["ours"].by.values()):
        print("    classes, share wrong")
        for name, title in (("mode", "most frequent"), ("ours", "init, impute")):
            classes[name].line(title)


def score_long(work, table, names):
    log, to = log_columns(f"{work}/{table}.yaml")
    truth = list(csv.DictReader(open(f"{work}/{table}-truth.csv")))
    config = {n: (f"{work}/{n}.yaml" if os.path.exists(f"{work}/{n}.yaml") else f"configs/{n}") for n in [table, *names]}
    answers, seen = {}, {}
    for name, path in config.items():
        _, feature = log_columns(path)
        wanted = {}
        for line in csv.DictReader(open(f"{work}/{name}.out.csv")):
            if line["median"]:
                wanted[line["patient"], line["time"], line["feature"]] = tuple(number(line[k]) for k in ("median", "low", "high"))
        answers[name] = (feature, wanted)
    for stay in os.listdir(f"{work}/{table}-holes"):
        for line in csv.DictReader(open(f"{work}/{table}-holes/{stay}")):
            if float(line["Value"]) != -1:
                seen.setdefault(line["Parameter"], []).append(float(line["Value"]))
    scales = {c: scaler(c in log, v) for c, v in seen.items()}
    methods, mean = {n: Errors() for n in answers}, Errors()
    dropped = 0
    for cell in truth:
        column = cell["column"]
        found = {n: wanted.get((cell["patient"], cell["time"], feature.get(column))) for n, (feature, wanted) in answers.items()}
        if None in found.values():
            dropped += 1
            continue
        value = scales[column](float(cell["value"]))
        mean.add(column, abs(value))
        for n, (median, low, high) in found.items():
            methods[n].add(column, abs(scales[column](median) - value), low <= float(cell["value"]) <= high if low is not None else None)
    print(f"{table}: {dropped} of {len(truth)} cells were not answered by all")
    print(f"    {'':36}{'error':>8}{'below mean':>11}{'inside 90 %':>13}")
    of_mean = mean.line("mean")
    for n, errors in methods.items():
        errors.line(f"{n}, {open(f'{work}/{n}.seconds').read().strip()} s", of_mean)


if __name__ == "__main__":
    what, *rest = sys.argv[1:]
    if what == "punch":
        punch(rest[0], rest[1], rest[2], int(rest[3]))
    elif what == "score":
        score(*rest)
    else:
        score_long(rest[0], rest[1], rest[2:])
