#!/usr/bin/env python3
"""The tables of docs/model.md, from what the contestants wrote.

Usage: score.py OUT grid [SPLIT] | mixed [FILTER]

grid   mean absolute error over all hidden cells of the test stays, in standard deviations of the training stays
mixed  per column and draw of the hidden cells: mean absolute error of the median and root mean square error of the mean in standard
       deviations (numbers), share of wrong classes and log loss (classes). A rank per column and draw, 1 for the best, ties share it;
       `rank` goes by root mean square error and wrong classes, `rank 2` by absolute error and log loss. Columns with fewer than 10
       hidden cells are left out. Variants of ours (ours-...) are ranked one at a time, in the place of ours.
"""
import glob
import os
import re
import sys
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


if __name__ == "__main__":
    {"grid": grid, "mixed": mixed}[sys.argv[2]](sys.argv[1], *sys.argv[3:])
