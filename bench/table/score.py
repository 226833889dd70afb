#!/usr/bin/env python3
"""What plain and strong methods make of the folders of prepare.py, and the table of all of them. Needs numpy and scikit-learn.

Usage: score.py peers FOLDER...     writes FOLDER/PEER.csv
       score.py table NAME FOLDER...  prints the mean over these folders

mean         mean of the visible cells, or their most frequent class
last         the last value of the same patient that is visible, else the mean (pbcseq)
chained      scikit-learn's IterativeImputer (BayesianRidge, defaults), a column for each class
visits       the same with what was known by the visit before as further columns (pbcseq): its values, and where it has none earlier ones, which is
             better than its values alone
Errors in standard deviations of the visible cells of the column, log1p where the schema says log_normal: mean absolute error of the median
and root mean square error of the mean, by column and averaged; classes: share wrong and log loss; share of the truths inside the 90 %
interval, of numbers. In cross the peers learn from the rows that ours learns from.
"""
import csv
import os
import sys
import warnings

import numpy as np

FLOOR = 0.001  # of a class's probability


class Table:
    def __init__(self, folder):
        self.folder = folder
        columns = [line.split(",") for line in open(f"{folder}/columns.csv").read().split("\n") if line]
        self.names, self.modality = [c[0] for c in columns], [c[1] for c in columns]
        self.log, self.classes = [c[2] == "log_normal" for c in columns], [int(c[3]) for c in columns]
        rows = list(csv.reader(open(f"{folder}/table.csv")))[1:]
        self.patient, self.learned = [r[1] for r in rows], np.array([r[2] == "1" for r in rows])
        known = np.array([[float(x or "nan") for x in r[3:]] for r in rows])
        self.cells = list(csv.DictReader(open(f"{folder}/cells.csv")))
        self.row, self.column = (np.array([int(c[k]) for c in self.cells]) for k in ("row", "column"))
        self.hide = np.array([c["hide"] for c in self.cells])
        truth = np.array([float(c["truth"]) for c in self.cells])
        for j, log in enumerate(self.log):
            if log:
                known[:, j], truth[self.column == j] = np.log1p(known[:, j]), np.log1p(truth[self.column == j])
        number = np.array(self.classes) == 0
        self.mean = np.where(number, np.nanmean(known[self.learned], 0), 0)
        self.sd = np.where(number, np.nanstd(known[self.learned], 0), 1)
        self.known, self.truth = (known - self.mean) / self.sd, (truth - self.mean[self.column]) / self.sd[self.column]

    def visible(self, modality):
        """The whole table as a contestant sees it that is asked for the cells of `modality` ("": those hidden everywhere)."""
        out = self.known.copy()
        if modality:
            out[np.ix_(~self.learned, [m == modality for m in self.modality])] = np.nan
        return out


def one_hot(t, x):
    parts, where, at = [], [], 0
    for j, k in enumerate(t.classes):
        part = np.where(np.isfinite(x[:, j:j + 1]), x[:, j:j + 1] == np.arange(k), np.nan) if k else x[:, j:j + 1]
        parts.append(part)
        where.append(slice(at, at + part.shape[1]))
        at += part.shape[1]
    return np.hstack(parts), where


def last_known(t, x):
    """Of each row what was known of the same patient by the row before."""
    out, last = np.full(x.shape, np.nan), {}
    for i, patient in enumerate(t.patient):
        now = last.setdefault(patient, np.full(x.shape[1], np.nan))
        out[i] = now
        last[patient] = np.where(np.isfinite(x[i]), x[i], now)
    return out


def chained(t, x, with_visits):
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer
    hot, where = one_hot(t, x)
    width = hot.shape[1]
    if with_visits:
        before = last_known(t, hot)
        hot = np.hstack([hot, before[:, np.isfinite(before[t.learned]).any(0)]])
    model = t.fitted if hasattr(t, "fitted") and not with_visits else IterativeImputer(random_state=0).fit(hot[t.learned])
    if not with_visits:
        t.fitted = model
    return model.transform(hot)[:, :width], where


def answers(t, peer):
    """For each cell: number, or probabilities."""
    said = [None] * len(t.cells)
    for modality in sorted(set(t.hide)):
        asked = np.flatnonzero(t.hide == modality)
        x = t.visible(modality)
        if peer in ("chained", "visits"):
            filled, where = chained(t, x, peer == "visits")
            for i in asked:
                said[i] = filled[t.row[i], where[t.column[i]]]
            continue
        last = last_known(t, x) if peer == "last" else np.full(x.shape, np.nan)
        for i in asked:
            j, k = t.column[i], t.classes[t.column[i]]
            if k:
                seen = t.known[t.learned, j]
                said[i] = np.bincount(seen[np.isfinite(seen)].astype(int), minlength=k).astype(float)
            else:
                said[i] = [last[t.row[i], j] if np.isfinite(last[t.row[i], j]) else 0.0]
    return said


def write(t, peer):
    with open(f"{t.folder}/{peer}.csv", "w") as out:
        out.write("row,column,median,mean,low,high,probabilities\n")
        for i, said in enumerate(answers(t, peer)):
            j = t.column[i]
            if t.classes[j]:
                p = np.clip(said / np.sum(said), FLOOR, None)
                out.write(f"{t.row[i]},{j},,,,,{' '.join(f'{v:.6g}' for v in p / p.sum())}\n")
            else:
                value = said[0] * t.sd[j] + t.mean[j]
                out.write(f"{t.row[i]},{j},{value:.9g},{value:.9g},,,\n")


def figures(t, name):
    lines = list(csv.DictReader(open(f"{t.folder}/{name}.csv")))
    if [(int(l["row"]), int(l["column"])) for l in lines] != list(zip(t.row, t.column)):
        raise SystemExit(f"{t.folder}/{name}.csv: not the cells of cells.csv")
    by = {k: [] for k in ("MAE", "RMSE", "wrong", "log loss", "inside")}
    for j, k in enumerate(t.classes):
        cells = np.flatnonzero(t.column == j)
        if not len(cells):
            continue
        if k:
            p = np.array([[float(v) for v in lines[i]["probabilities"].split()] for i in cells])
            p, truth = np.clip(p, FLOOR, None), t.truth[cells].astype(int)
            p = p / p.sum(1, keepdims=True)
            by["wrong"].append((p.argmax(1) != truth).mean())
            by["log loss"].append(-np.log(p[np.arange(len(cells)), truth]).mean())
            continue
        median, mean, low, high = ((np.array([float(lines[i][c] or "nan") for i in cells]) - t.mean[j]) / t.sd[j]
                                   for c in ("median", "mean", "low", "high"))
        if not np.isfinite(median + mean).all():
            raise SystemExit(f"{t.folder}/{name}.csv: column {j} has an answer that is no number")
        by["MAE"].append(np.abs(median - t.truth[cells]).mean())
        by["RMSE"].append(((mean - t.truth[cells]) ** 2).mean() ** 0.5)
        if np.isfinite(low + high).all():
            by["inside"].append(((low <= t.truth[cells]) & (t.truth[cells] <= high)).mean())
    return {k: np.mean(v) if v else np.nan for k, v in by.items()}


def table(name, folders):
    tables = [Table(f) for f in folders]
    print(f"{name}: {sum(len(t.cells) for t in tables)} cells, {len(tables)} draw{'s' if len(tables) > 1 else ''}")
    print(f"    {'':26}{'MAE':>8}{'RMSE':>8}{'wrong':>8}{'log loss':>10}{'inside 90 %':>13}")
    titles = {"mean": "mean, mode", "last": "last value", "chained": "chained equations", "visits": "the same, visit before",
              "ours": "Lacuna"}
    for answer, title in titles.items():
        if not os.path.exists(f"{folders[0]}/{answer}.csv"):
            continue
        all_draws = [figures(t, answer) for t in tables]
        f = {k: np.mean([d[k] for d in all_draws]) for k in all_draws[0]}
        shown = [f"{f[k]:{w}.3f}" if np.isfinite(f[k]) else "-".rjust(w) for k, w in (("MAE", 8), ("RMSE", 8), ("wrong", 8), ("log loss", 10))]
        inside = f"{100 * f['inside']:11.1f} %" if np.isfinite(f["inside"]) else "-".rjust(13)
        print(f"    {title:26}{''.join(shown)}{inside}")


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    if sys.argv[1] == "peers":
        for folder in sys.argv[2:]:
            t = Table(folder)
            for peer in ["mean", "chained"] + (["last", "visits"] if "pbcseq" in folder else []):
                write(t, peer)
    else:
        table(sys.argv[2], sys.argv[3:])
