#!/usr/bin/env python3
"""Public tables as pandas writes them with its defaults, read as they are: nothing is lost, and each value is the one that pandas has.

Usage: test_pandas_tables.py LACUNA DATA      the daemon's binary; LACUNA_TEST_DATA. `test` makes the Python.

A column of numbers becomes a feature without limits, any other one a class of its own texts; so what comes out is what was read, and nothing
is refused that pandas takes.
"""
import io
import json
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import unittest

import pandas as pd

LACUNA, DATA = sys.argv[1], pathlib.Path(sys.argv[2])
HEART = "age sex cp trestbps chol fbs restecg thalach exang oldpeak slope ca thal num".split()
SITES = ["hungarian", "switzerland", "va"]


def member(archive, name):
    with tarfile.open(DATA / archive) as tar:
        return io.BytesIO(tar.extractfile(name).read())


def pbcseq():
    return pd.read_csv(member("mayo-survival/mayo-survival.tar.xz", "mayo-survival/pbcseq.csv"))


def support2():
    return pd.read_csv(DATA / "support2/support2.csv.gz")


def heart():
    folder = "heart-disease-uci"
    frames = [pd.read_csv(member(f"{folder}/{folder}.tar.xz", f"{folder}/processed.{site}.data"), names=HEART, na_values="?").assign(site=site)
              for site in SITES]
    cleveland = pd.read_csv(member(f"{folder}/{folder}.tar.xz", f"{folder}/cleveland_target-binarised.csv"), names=HEART, header=0)
    return pd.concat([*frames, cleveland.assign(site="cleveland")], ignore_index=True)


def classes(column):
    """The texts of a column, or None of one that holds numbers."""
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return None
    return sorted(str(v) for v in column.dropna().unique())


class Tables(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def lacuna(self, *words):
        done = subprocess.run([LACUNA, *map(str, words)], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, f"{words}\n{done.stdout}{done.stderr}")
        return done.stdout

    def configuration(self, frame, roles, ignored):
        """`roles`: lines of `input`."""
        features, columns = [], []
        for i, name in enumerate(c for c in frame.columns if c not in ignored):
            texts = classes(frame[name])
            features.append(f"        f{i}: " + ("{likelihood: normal}" if texts is None else
                                                 json.dumps({"likelihood": "categorical", "categories": texts}, ensure_ascii=False)))
            columns.append(f"    {json.dumps(name)}: {{to: table.f{i}}}")
        path = self.folder / "table.yaml"
        path.write_text("\n".join([
            f"data_dir: {self.folder}/data", "log: {kind: embedded, partitions: 1}", "http: {enabled: false}", "logging: {level: warn}",
            "schema:", "  modalities:", "    table:", "      features:", *features,
            "input:", "  format: wide_csv", "  start: 2000-01-01T00:00:00Z", *("  " + r for r in roles),
            f"  ignored: {json.dumps(ignored)}", "  columns:", *columns]) + "\n")
        return path

    def check(self, frame, roles, ignored, place):
        """`place`: a row's patient and time. Reads what pandas wrote, and compares each value."""
        table = self.folder / "table.csv"
        frame.to_csv(table)
        config = self.configuration(frame, roles, ignored)
        self.lacuna("replay", "--config", config, "--strict", "--dry-run", table)
        self.lacuna("replay", "--config", config, "--strict", table)
        found = {}
        for line in self.lacuna("tail", "--config", config, "events", "--from", "beginning", "--format", "json").splitlines():
            event = json.loads(line)
            self.assertNotIn((event["patient_id"], event["time"]), found, "two events of one row")
            found[event["patient_id"], event["time"]] = event["values"]
        names = [c for c in frame.columns if c not in ignored]
        cells = 0
        for index, row in frame.iterrows():
            values = found.pop(place(index, row), {})
            wanted = {f"f{i}": row[name] for i, name in enumerate(names) if not pd.isna(row[name])}
            self.assertEqual(values.keys(), wanted.keys(), f"row {index}")
            for feature, value in wanted.items():
                same = values[feature] == (str(value) if classes(frame[names[int(feature[1:])]]) is not None else float(value))
                self.assertTrue(same, f"row {index}, {names[int(feature[1:])]}: {values[feature]!r} is not {value!r}")
            cells += len(wanted)
        self.assertFalse(found, "events of no row")
        self.assertEqual(cells, int(frame[names].notna().sum().sum()))
        print(f"{len(frame)} rows, {cells} values", file=sys.stderr)

    def test_visits(self):
        frame = pbcseq()
        day = pd.Timestamp("2000-01-01", tz="UTC")
        self.check(frame, ['patient_column: "id"', "time_column: day", "time_form: days"], ["", "id", "day"],
                   lambda _, row: (str(row["id"]), (day + pd.Timedelta(days=int(row["day"]))).strftime("%Y-%m-%dT%H:%M:%SZ")))

    def test_a_row_a_patient(self):
        self.check(support2(), ['patient_column: ""', "time_form: none"], [], lambda index, _: (str(index), "2000-01-01T00:00:00Z"))

    def test_four_hospitals(self):
        frame = heart()
        self.assertEqual(len(frame), 920)
        self.check(frame, ['patient_column: ""', "time_form: none"], [], lambda index, _: (str(index), "2000-01-01T00:00:00Z"))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
