#!/usr/bin/env python3
"""What others make of the folders of `prepare.py mixed`: PEER.csv into each, answers to hidden.csv. Needs requirements.txt.

Usage: peers.py FOLDER... [--only PEER]
mean        mean, median or most frequent class
mice        multiple imputation by chained equations: scikit-learn's BayesianRidge for numbers, LogisticRegression for classes, twelve
            rounds in each of which gaps are filled with draws; the answer is the mean prediction of the last eight (mean and median are
            one). Filling with predictions in place of draws lets the columns that are mostly gaps talk each other up: 1.07 sd on heart
            disease where draws have 0.93. Not its IterativeImputer on one column a class, which predicts such a column from the others
            of the same class: hidden ones then never leave the most frequent class.
neighbours  scikit-learn's KNNImputer, 15 neighbours
boosted     a HistGradientBoosting a column on all other columns, gaps as they are (it reads them natively): squared error for the mean,
            absolute error for the median, a classifier for classes
All see the columns that our driver sees, on the same scale, and classes of few values as such.
"""
import sys
import time
import warnings

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import KNNImputer
from sklearn.linear_model import BayesianRidge, LogisticRegression

from table import Table, write_answers

# Chosen on the draws of seed 100: with the larger trees 920 rows are learned by heart.
FEW_ROWS = 2000
MICE_ROUNDS, MICE_BURN_IN = 12, 4
MICE_C_FEW, MICE_C_MANY = 0.01, 0.1
BOOSTED_FEW = {"max_iter": 40, "learning_rate": 0.06, "max_leaf_nodes": 6, "random_state": 0}
BOOSTED_MANY = {"max_iter": 100, "learning_rate": 0.06, "max_leaf_nodes": 15, "random_state": 0}


def one_hot(t):
    parts, where, at = [], [], 0
    for j, k in enumerate(t.classes):
        x = t.known[:, j:j + 1]
        parts.append(np.where(np.isfinite(x), x == np.arange(k), np.nan) if k > 2 else x)
        where.append(slice(at, at + parts[-1].shape[1]))
        at += parts[-1].shape[1]
    return np.hstack(parts), where


def from_dense(t, filled, where):
    """Answers from a matrix without gaps; what stands for classes becomes probabilities, at least 0.1 %."""
    value, probabilities = np.full(len(t.row), np.nan), {}
    for j, k in enumerate(t.classes):
        cells = t.asked(j)
        guess = filled[t.row[cells], where[j]]
        if k:
            p = np.column_stack([1 - guess, guess]) if k == 2 else guess
            p = np.clip(p, 0.001, None)
            probabilities[j] = p / p.sum(1, keepdims=True)
        else:
            value[cells] = guess[:, 0]
    return value, value, probabilities


def mean(t):
    low, high, probabilities = np.full(len(t.row), np.nan), np.full(len(t.row), np.nan), {}
    for j, k in enumerate(t.classes):
        cells, x = t.asked(j), t.known[np.isfinite(t.known[:, j]), j]
        if k:
            p = np.bincount(x.astype(int), minlength=k) + 0.5
            probabilities[j] = np.tile(p / p.sum(), (len(cells), 1))
        else:
            low[cells], high[cells] = np.median(x), x.mean()
    return low, high, probabilities


def mice(t):
    x, where = one_hot(t)
    filled = np.where(np.isfinite(x), x, np.nanmean(x, 0))
    variables = sorted((j for j in range(len(t.classes)) if np.isnan(t.known[:, j]).any()), key=lambda j: np.isnan(t.known[:, j]).sum())
    random, total = np.random.default_rng(0), np.zeros(x.shape)
    c = MICE_C_FEW if len(t.known) < FEW_ROWS else MICE_C_MANY
    for turn in range(MICE_ROUNDS):
        for j in variables:
            seen, own = np.isfinite(t.known[:, j]), where[j]
            gap = ~seen
            others = np.delete(filled, np.r_[own], 1)
            others = (others - others.mean(0)) / (others.std(0) + 1e-9)
            if t.classes[j]:
                model = LogisticRegression(C=c, max_iter=200).fit(others[seen], t.known[seen, j])
                p = np.zeros((gap.sum(), t.classes[j]))
                p[:, model.classes_.astype(int)] = model.predict_proba(others[gap])
                drawn = (random.random((len(p), 1)) > p.cumsum(1)).sum(1).clip(max=t.classes[j] - 1)
                hot = np.eye(t.classes[j])[drawn]
                said, filled[gap, own] = (p, hot) if t.classes[j] > 2 else (p[:, 1:], hot[:, 1:])
            else:
                said, sd = BayesianRidge().fit(others[seen], t.known[seen, j]).predict(others[gap], return_std=True)
                filled[gap, own] = random.normal(said, sd)[:, None]
                said = said[:, None]
            if turn >= MICE_BURN_IN:
                total[gap, own] += said / (MICE_ROUNDS - MICE_BURN_IN)
    return from_dense(t, total, where)


def neighbours(t):
    x, where = one_hot(t)
    rows = np.unique(t.row)
    filled = np.zeros(x.shape)
    filled[rows] = KNNImputer(n_neighbors=15).fit(x).transform(x[rows])
    return from_dense(t, filled, where)


def boosted(t):
    median, centre, probabilities = np.full(len(t.row), np.nan), np.full(len(t.row), np.nan), {}
    options = BOOSTED_FEW if len(t.known) < FEW_ROWS else BOOSTED_MANY
    for j, k in enumerate(t.classes):
        cells = t.asked(j)
        if not len(cells):
            continue
        others = [i for i in range(len(t.classes)) if i != j]
        x, y = t.known[:, others], t.known[:, j]
        seen, classes = np.isfinite(y), [t.classes[i] > 2 for i in others]
        if k:
            model = HistGradientBoostingClassifier(categorical_features=classes, **options).fit(x[seen], y[seen])
            p = np.full((len(cells), k), 1e-4)
            p[:, model.classes_.astype(int)] = np.clip(model.predict_proba(x[t.row[cells]]), 1e-4, None)
            probabilities[j] = p / p.sum(1, keepdims=True)
        else:
            for out, loss in ((centre, "squared_error"), (median, "absolute_error")):
                model = HistGradientBoostingRegressor(loss=loss, categorical_features=classes, **options).fit(x[seen], y[seen])
                out[cells] = model.predict(x[t.row[cells]])
    return median, centre, probabilities


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    arguments, chosen = sys.argv[1:], [mean, mice, neighbours, boosted]
    if "--only" in arguments:
        at = arguments.index("--only")
        chosen = [p for p in chosen if p.__name__ == arguments[at + 1]]
        del arguments[at:at + 2]
    for folder in arguments:
        table = Table(folder)
        for peer in chosen:
            start = time.time()
            write_answers(f"{folder}/{peer.__name__}.csv", table, *peer(table))
            print(f"{folder.split('/')[-1]} {peer.__name__}: {time.time() - start:.1f} s", file=sys.stderr, flush=True)
