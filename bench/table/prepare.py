#!/usr/bin/env python3
"""Two small tables as streams of events with cells hidden, so that all contestants see and are asked for the same.

Usage: prepare.py DATA OUT      DATA: LACUNA_TEST_DATA. Standard library alone.

support2   9,105 patients, one row each, without identifiers and outcomes. random-1 .. random-5: 15 % of the observed cells hidden. cross:
           a random fifth of the rows is not learned from; there each modality is hidden in turn and predicted from the others.
pbcseq     312 patients, 1,945 visits, the seven laboratory columns. random-1 .. random-5; each visit is predicted from what was known by then.
Written: OUT/TABLE.yaml (the daemon's configuration) and OUT/TABLE-DRAW/ with events.ndjson (what is learned from), test.ndjson (cross:
the rows that are not), cells.csv (row,column,patient,time,feature,hide,truth: time in ms since 1970, hide a modality or nothing) and
table.csv (row,patient,learned, the columns: what is visible).
"""
import csv
import gzip
import io
import json
import os
import random
import sys
import tarfile
from datetime import datetime, timedelta, timezone

START = datetime(2000, 1, 1, tzinfo=timezone.utc)
HIDDEN_SHARE = 0.15
ENROLLED_EVERY_DAYS = 12  # the 312 patients came from 1974 to 1984
SEEDS = [1, 2, 3, 4, 5]
CLASSES = {
    "sex": "female|male", "income": "under $11k|$11-$25k|$25-$50k|>$50k", "race": "white|black|hispanic|other|asian",
    "dzgroup": "ARF/MOSF w/Sepsis|CHF|COPD|Lung Cancer|MOSF w/Malig|Coma|Colon Cancer|Cirrhosis",
    "dzclass": "ARF/MOSF|COPD/CHF/Cirrhosis|Cancer|Coma", "diabetes": "0|1", "dementia": "0|1", "ca": "no|metastatic|yes",
    "sfdm2": "<2 mo. follow-up|no(M2 and SIP pres)|adl>=4 (>=5 if sur)|SIP>=30|Coma or Intub",
}
LOG = set("wblc bili crea glucose bun pafi urine slos hday charges totcst totmcst chol alk.phos ast".split())
SUPPORT = {
    "person": "age sex edu income race", "disease": "dzgroup dzclass num.co diabetes dementia ca", "scores": "scoma avtisst sps aps",
    "vitals": "meanbp hrt resp temp", "blood": "wblc alb bili crea sod glucose bun", "gas": "pafi ph urine",
    "function": "adlp adls adlsc sfdm2", "stay": "slos hday charges totcst totmcst",
}
PBC = {"chemistry": "bili chol albumin alk.phos ast", "haematology": "platelet protime"}


def feature(column):
    return column.lower().replace(".", "_")


def likelihood(column):
    if column in CLASSES:
        return "bernoulli" if CLASSES[column] == "0|1" else "categorical"
    return "log_normal" if column in LOG else "normal"


def parse(column, raw):
    """A number, a class's number, or None."""
    raw = raw.strip()
    if raw in ("", "NA") or (column == "totmcst" and raw.startswith("-")):  # a cost below nothing
        return None
    return CLASSES[column].split("|").index(raw) if column in CLASSES else float(raw)


def read_support(data):
    with gzip.open(f"{data}/support2/support2.csv.gz", "rt") as lines:
        for i, row in enumerate(csv.DictReader(lines)):
            yield f"p{i:05}", START + timedelta(minutes=i), row


def read_pbc(data):
    with tarfile.open(f"{data}/mayo-survival/mayo-survival.tar.xz") as archive:
        text = archive.extractfile("mayo-survival/pbcseq.csv").read().decode()
    for row in csv.DictReader(io.StringIO(text)):
        yield f"p{int(row['id']):03}", START + timedelta(days=int(row["day"]) + ENROLLED_EVERY_DAYS * int(row["id"])), row


def write_configuration(path, modalities):
    with open(path, "w") as out:
        out.write("log: {kind: embedded, partitions: 1}\nhttp: {enabled: false}\nschema:\n  modalities:\n")
        for modality, columns in modalities.items():
            out.write(f"    {modality}:\n      features:\n")
            for c in columns.split():
                kind = likelihood(c)
                names = ", categories: [" + ", ".join(f"c{k}" for k in range(len(CLASSES[c].split("|")))) + "]" if kind == "categorical" else ""
                low = ", range: [0, .inf]" if kind == "log_normal" else ""
                out.write(f"        {feature(c)}: {{likelihood: {kind}{names}{low}}}\n")


def write_events(path, modalities, rows):
    """Each row's modalities as events of one time; rows in the order of their times."""
    with open(path, "w") as out:
        for i, patient, time, cells in sorted(rows, key=lambda r: r[2]):
            for modality, columns in modalities.items():
                values = {feature(c): f"c{cells[c]}" if likelihood(c) == "categorical" else cells[c]
                          for c in columns.split() if cells.get(c) is not None}
                if values:
                    out.write(json.dumps({"schema_version": 1, "event_id": f"{i}-{modality}", "patient_id": patient, "modality": modality,
                                          "time": time.strftime("%Y-%m-%dT%H:%M:%SZ"), "values": values}) + "\n")


def write_draw(folder, modalities, rows, hidden, held_back):
    """`hidden`: {(row, column): modality to hide, or ""}; `held_back`: rows that are not learned from."""
    os.makedirs(folder, exist_ok=True)
    columns = [c for cs in modalities.values() for c in cs.split()]
    seen = [(i, p, t, {c: v for c, v in cells.items() if hidden.get((i, c)) != ""}) for i, p, t, cells in rows]
    write_events(f"{folder}/events.ndjson", modalities, [r for r in seen if r[0] not in held_back])
    write_events(f"{folder}/test.ndjson", modalities, [r for r in seen if r[0] in held_back])
    with open(f"{folder}/cells.csv", "w") as out:
        out.write("row,column,patient,time,feature,hide,truth\n")
        for i, patient, time, cells in rows:
            for j, c in enumerate(columns):
                if (i, c) in hidden:
                    out.write(f"{i},{j},{patient},{int(time.timestamp() * 1000)},{feature(c)},{hidden[i, c]},{cells[c]:.9g}\n")
    with open(f"{folder}/table.csv", "w") as out:
        out.write("row,patient,learned," + ",".join(columns) + "\n")
        for i, patient, _, cells in seen:
            out.write(f"{i},{patient},{int(i not in held_back)},"
                      + ",".join("" if cells.get(c) is None else f"{cells[c]:.9g}" for c in columns) + "\n")
    with open(f"{folder}/columns.csv", "w") as out:
        for m, cs in modalities.items():
            for c in cs.split():
                out.write(f"{c},{m},{likelihood(c)},{len(CLASSES[c].split('|')) if c in CLASSES else 0}\n")


def prepare(name, modalities, source, out):
    columns = [c for cs in modalities.values() for c in cs.split()]
    rows = [(i, p, t, {c: v for c in columns if (v := parse(c, row[c])) is not None}) for i, (p, t, row) in enumerate(source)]
    write_configuration(f"{out}/{name}.yaml", modalities)
    for seed in SEEDS:
        chance = random.Random(seed)
        hidden = {(i, c): "" for i, _, _, cells in rows for c in columns if c in cells and chance.random() < HIDDEN_SHARE}
        write_draw(f"{out}/{name}-random-{seed}", modalities, rows, hidden, set())
    if name == "support2":
        held_back = set(random.Random(0).sample(range(len(rows)), len(rows) // 5))
        hidden = {(i, c): m for i, _, _, cells in rows if i in held_back for m, cs in modalities.items() for c in cs.split() if c in cells}
        write_draw(f"{out}/{name}-cross", modalities, rows, hidden, held_back)


if __name__ == "__main__":
    os.makedirs(sys.argv[2], exist_ok=True)
    prepare("support2", SUPPORT, read_support(sys.argv[1]), sys.argv[2])
    prepare("pbcseq", PBC, read_pbc(sys.argv[1]), sys.argv[2])
