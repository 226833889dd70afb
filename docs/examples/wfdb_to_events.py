#!/usr/bin/env python3
"""Events from a WFDB record of one segment or of many, on standard output as NDJSON.

wfdb_to_events.py RECORD --patient ID --signals II:mV,V:mV --rate 125 --length 1250 --zone Europe/Berlin      (RECORD without .hea)
"""
import argparse
import pathlib
import re

import numpy as np
import wfdb

from payload_events import in_utc, signal_arguments, signal_events, wanted_signals, write


def check_gains(path, names, wanted):
    """wfdb reads a gain that is absent or 0, "not calibrated", as 200 a millivolt; only the header's text tells it from a real 200."""
    lines = pathlib.Path(f"{path}.hea").read_text(encoding="utf-8").splitlines()
    lines = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    for name, fields in zip(names, lines[1:]):
        gain = re.match(r"[-+]?[\d.]+(?:[eE][-+]?\d+)?", fields[2]) if len(fields) > 2 else None
        if name in wanted and (gain is None or float(gain.group()) == 0):
            raise SystemExit(f"signal {name} is not calibrated: its gain is not in the header")


def read_signals(path, wanted):
    """The header, and {name: (samples, rate)}; NaN where nothing was measured, and between segments."""
    header = wfdb.rdheader(path)
    several = hasattr(header, "seg_name")
    names, lengths = (header.seg_name, header.seg_len) if several else ([pathlib.Path(path).name], [header.sig_len])
    found, first = {}, 0
    for name, length in zip(names, lengths):
        if name != "~" and length != 0:  # neither a gap nor a layout
            segment = str(pathlib.Path(path).with_name(name))
            # Frames averaged before their missing samples are known would mix these in, and a shift by wfdb makes samples up.
            record = wfdb.rdrecord(segment, smooth_frames=False, ignore_skew=True)
            check_gains(segment, record.sig_name, wanted)
            place(record, first, header.sig_len or record.sig_len, wanted, found)
        first += length or 0
    return header, found


def place(record, first, frames, wanted, found):
    for channel, name in enumerate(record.sig_name):
        if name not in wanted:
            continue
        each, skew = record.samps_per_frame[channel] or 1, record.skew[channel] or 0
        if record.units[channel] != wanted[name]:
            raise SystemExit(f"signal {name} is in {record.units[channel]}, not in {wanted[name] or 'no unit'}")
        samples, rate = found.setdefault(name, (np.full(frames * each, np.nan), record.fs * each))
        if rate != record.fs * each:
            raise SystemExit(f"signal {name} has another rate in another segment")
        shifted = record.e_p_signal[channel][skew * each:]
        samples[first * each:first * each + len(shifted)] = shifted


def events(args):
    wanted = wanted_signals(args)
    header, found = read_signals(args.record, wanted)
    if not args.patient:
        raise SystemExit("a WFDB record has no patient id: give --patient")
    missing = [name for name in wanted if name not in found]
    start = args.start or header.base_datetime
    if missing or start is None:
        raise SystemExit(f"no signal {missing[0]}" if missing else "the header has no date: give --start")
    return signal_events(args, args.patient, header.record_name, in_utc(start, args.zone), [found[name] for name in wanted])


def arguments(words=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record")
    return signal_arguments(parser).parse_args(words)


if __name__ == "__main__":
    write(events(arguments()))
