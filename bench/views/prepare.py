#!/usr/bin/env python3
"""Real data into the plain files that views_bench reads. Usage: prepare.py DATA OUT

films/{train,validation,test}.u8   28 x 28 bytes a film (PneumoniaMNIST: its own validation and test films; its training films are put
                                   together from two partial copies). No film of the test is in another part, nor one of the validation
                                   in the training part.
reports/{fit,validation,train,test}.tsv   indication, findings and impression of a report, with tabs between; an empty field is missing.
                                   train is fit and validation together, 80 % of the reports; half-a and half-b are the same reports.
reports/{...}.labels               1 where a problem was found, a line a report; views_bench does not read them
"""
import csv
import io
import lzma
import pathlib
import random
import sys

import numpy as np

PARTS = ("indication", "findings", "impression")


def films(data, out):
    full = np.load(data / "pneumoniamnist_varun-train3882.npz")  # every pneumonia film of the training part
    normal = np.load(data / "pneumoniamnist_snn-balanced.npz")  # every normal one
    train = np.concatenate([full["train_images"][full["train_labels"].ravel() == 1], normal["train_images"][normal["train_labels"].ravel() == 0]])
    seen = set()
    for name, images in (("test", full["test_images"]), ("validation", full["val_images"]), ("train", train)):
        kept = []
        for image in images.reshape(len(images), -1).astype(np.uint8):
            if name != "test" and image.tobytes() in seen:
                continue
            kept.append(image)
        seen.update(image.tobytes() for image in kept)
        kept = np.stack(kept)
        if name == "train":  # one class after the other otherwise
            kept = kept[np.random.default_rng(1).permutation(len(kept))]
        kept.tofile(out / f"{name}.u8")
        print(f"films, {name}: {len(kept)} of {len(images)}")


def reports(data, out):
    with lzma.open(data / "indiana_reports.csv.xz", "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(io.StringIO(file.read())))
    kept = []
    for row in rows:
        texts = [" ".join(row[part].split()) for part in PARTS]
        if any(texts):
            kept.append((texts, int(row["Problems"].strip() != "normal")))
    random.Random(1).shuffle(kept)
    n = len(kept)
    halves = kept[: n * 80 // 100]
    random.Random(5).shuffle(halves)
    cut = {"half-a": halves[: len(halves) // 2], "half-b": halves[len(halves) // 2 :], "fit": kept[: n * 64 // 100], "validation": kept[n * 64 // 100 : n * 80 // 100], "train": kept[: n * 80 // 100], "test": kept[n * 80 // 100 :]}
    for name, part in cut.items():
        (out / f"{name}.tsv").write_text("".join("\t".join(texts) + "\n" for texts, _ in part), encoding="utf-8")
        (out / f"{name}.labels").write_text("".join(f"{label}\n" for _, label in part))
        there = [sum(bool(texts[i]) for texts, _ in part) for i in range(3)]
        print(f"reports, {name}: {len(part)}, with {dict(zip(PARTS, there))}, {sum(label for _, label in part) / len(part):.3f} with a problem")


def main():
    data, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    for name, make in (("films", films), ("reports", reports)):
        (out / name).mkdir(parents=True, exist_ok=True)
        make(data / {"films": "pneumoniamnist", "reports": "indiana-reports"}[name], out / name)


main()
