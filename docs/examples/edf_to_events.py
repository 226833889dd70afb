#!/usr/bin/env python3
"""Events from an EDF or EDF+ file (C or D), on standard output as NDJSON. Needs numpy, and no library for EDF: none tells when each
record of an EDF+D began.

edf_to_events.py FILE --signals "ECG II:mV,SpO2:%" --rate 1 --length 60 --zone Europe/Berlin [--missing -32768] [--seconds 3605]
"""
import argparse
import datetime
import pathlib
import re

import numpy as np

from payload_events import in_utc, signal_arguments, signal_events, wanted_signals, write

ANNOTATIONS = "EDF Annotations"


class Edf:
    """The header's fields; `samples` [records, samples of all signals in a record], as stored."""

    def __init__(self, path):
        self.raw = pathlib.Path(path).read_bytes()
        if self.raw[:8] != b"0       ":
            raise SystemExit("not an EDF file")
        self.form = self.text(192, 44)[:5]  # EDF+C, EDF+D, or not EDF+
        start = datetime.datetime.strptime(self.text(168, 16), "%d.%m.%y%H.%M.%S")
        self.start = start.replace(year=start.year + 100) if start.year < 1985 else start  # the years are 1985 to 2084
        self.seconds, count = float(self.text(244, 8)), int(self.text(252, 4))
        self.labels, self.units = self.column(count, 0, 16), self.column(count, 96, 8)
        self.ranges = np.array([self.column(count, offset, 8) for offset in (104, 112, 120, 128)], float).T  # physical, digital
        self.sizes = [int(size) for size in self.column(count, 216, 8)]
        body = self.raw[int(self.text(184, 8)):]
        if len(body) % (2 * sum(self.sizes)) or int(self.text(236, 8)) not in (-1, len(body) // (2 * sum(self.sizes))):
            raise SystemExit("the file is not as long as its header says")
        self.samples = np.frombuffer(body, "<i2").reshape(-1, sum(self.sizes))

    def text(self, at, size):
        return self.raw[at:at + size].decode("latin-1").strip()

    def column(self, count, offset, width):
        return [self.text(256 + offset * count + i * width, width) for i in range(count)]

    def stored(self, signal):
        """[records, samples of this signal in a record]"""
        at = sum(self.sizes[:signal])
        return self.samples[:, at:at + self.sizes[signal]]

    def onsets(self):
        """When each record began, in seconds since `start`: what the first annotation of each says, also in EDF+C, where it may be a
        fraction of a second."""
        if self.form != "EDF+D" and ANNOTATIONS not in self.labels:
            return np.arange(len(self.samples)) * self.seconds
        lists = [record.tobytes() for record in self.stored(self.labels.index(ANNOTATIONS))]
        found = [re.match(rb"([+-]\d+(?:\.\d*)?)\x14\x14", text) for text in lists]
        if not all(found):
            raise SystemExit("a record does not say when it began")
        return np.array([float(match.group(1)) for match in found])


def signal(edf, name, unit, args):
    """(samples, rate): physical values by this signal's own ranges, at its own rate, each record where it began; NaN elsewhere."""
    if edf.labels.count(name) != 1 or name == ANNOTATIONS:
        raise SystemExit(f"{edf.labels.count(name)} signals {name}")
    which = edf.labels.index(name)
    if edf.units[which] != unit:
        raise SystemExit(f"signal {name} is in {edf.units[which] or 'no unit'}, not in {unit or 'no unit'}")
    low, high, lowest, highest = edf.ranges[which]
    if low == high or lowest == highest:
        raise SystemExit(f"signal {name} has no range")
    stored = edf.stored(which)
    values = low + (stored - lowest) * (high - low) / (highest - lowest)
    values[np.isin(stored, args.missing)] = np.nan
    size = edf.sizes[which]
    rate, onsets = size / edf.seconds, edf.onsets()
    if (np.diff(onsets) < edf.seconds * (1 - 1e-6)).any() or onsets[0] < 0:
        raise SystemExit("records lie upon one another")
    begins = np.rint(onsets * rate).astype(int)  # to the nearest sample
    out = np.full(begins[-1] + size, np.nan)
    for begin, record in zip(begins, values):
        out[begin:begin + size] = record
    if args.seconds is not None:
        out[int(np.ceil(args.seconds * rate - 1e-6)):] = np.nan  # what fills up the last record
    return out, rate


def events(args):
    edf = Edf(args.file)
    code = edf.text(8, 80).split(" ")[0] if edf.form.startswith("EDF+") else "X"
    patient = args.patient or (None if code == "X" else code.replace("_", " "))
    if not patient:
        raise SystemExit("the file has no patient code: give --patient")
    signals = [signal(edf, name, unit, args) for name, unit in wanted_signals(args).items()]
    return signal_events(args, patient, pathlib.Path(args.file).name, in_utc(args.start or edf.start, args.zone), signals)


def arguments(words=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--missing", type=int, nargs="*", default=[],
                        help="stored values that mean `not measured`, where the writer is known")
    parser.add_argument("--seconds", type=float, help="from the start to the end of the recording, where known: later samples are padding")
    return signal_arguments(parser).parse_args(words)


if __name__ == "__main__":
    write(events(arguments()))
