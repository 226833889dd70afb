"""How the folders of `prepare.py mixed` are read and answered, for peers.py and score.py alike."""
import csv

import numpy as np


class Table:
    """Continuous columns on the scale that is scored (log1p where the column says so), in standard deviations of the known cells;
    classes by number."""

    def __init__(self, folder):
        self.columns = list(csv.reader(open(f"{folder}/columns.csv")))
        self.classes = [int(c[3]) for c in self.columns]
        self.log = [c[2] == "log_normal" for c in self.columns]
        known = np.fromfile(f"{folder}/known.f32", np.float32).reshape(-1, len(self.columns)).astype(float)
        self.hidden = np.loadtxt(f"{folder}/hidden.csv", delimiter=",", skiprows=1)
        self.row, self.column = self.hidden[:, 0].astype(int), self.hidden[:, 1].astype(int)
        for j, log in enumerate(self.log):
            if log:
                known[:, j] = np.log1p(known[:, j])
        number = np.array([k == 0 for k in self.classes])
        self.mean, self.sd = np.where(number, np.nanmean(known, 0), 0), np.where(number, np.nanstd(known, 0), 1)
        self.known = (known - self.mean) / self.sd
        truth = self.hidden[:, 2].copy()
        for j, log in enumerate(self.log):
            if log:
                truth[self.column == j] = np.log1p(truth[self.column == j])
        self.truth = (truth - self.mean[self.column]) / self.sd[self.column]

    def asked(self, j):
        return np.flatnonzero(self.column == j)


def write_answers(path, table, median, mean, probabilities):
    """`median`, `mean`: an answer a hidden cell, in standard deviations (in the file they are not); `probabilities`: {column: [cells of it, classes]}."""
    median, mean = (v * table.sd[table.column] + table.mean[table.column] for v in (median, mean))
    with open(path, "w") as out:
        out.write("row,column,median,mean,probabilities\n")
        place = {j: iter(p) for j, p in probabilities.items()}
        for i, (row, j) in enumerate(zip(table.row, table.column)):
            p = " ".join(f"{x:.6g}" for x in next(place[j])) if j in place else ""
            out.write(f"{row},{j},{median[i]:.8g},{mean[i]:.8g},{p}\n")


def read_answers(path, table):
    """Median, mean and {column: probabilities}, cell by cell as hidden.csv asks for them. Stops when an answer is not one."""
    lines = list(csv.reader(open(path)))[1:]
    at = np.array([[int(l[0]), int(l[1])] for l in lines])
    if at.shape[0] != len(table.row) or (at[:, 0] != table.row).any() or (at[:, 1] != table.column).any():
        raise SystemExit(f"{path}: not the cells of hidden.csv")
    median, mean = ((np.array([float(l[k] or "nan") for l in lines]) - table.mean[table.column]) / table.sd[table.column] for k in (2, 3))
    probabilities = {}
    for j, k in enumerate(table.classes):
        if k:
            probabilities[j] = np.array([[float(x) for x in lines[i][4].split()] for i in table.asked(j)]).reshape(-1, k)
            if not np.isfinite(probabilities[j]).all():
                raise SystemExit(f"{path}: column {j} has no probabilities")
        elif not np.isfinite(mean[table.asked(j)] + median[table.asked(j)]).all():
            raise SystemExit(f"{path}: column {j} has an answer that is no number")
    return median, mean, probabilities
