"""What the examples share: a file's clock, a signal's grid, and the event of docs/messages.md. Needs numpy."""
import base64
import datetime
import hashlib
import json
import zoneinfo

import numpy as np


def in_utc(time, zone):
    """A file's time in UTC. Where the file does not say in which zone its clock stood, `zone` does, by its IANA name."""
    if time.tzinfo is None:
        if zone is None:
            raise SystemExit("the file does not say in which time zone its clock stood: give --zone, such as Europe/Berlin")
        time = time.replace(tzinfo=zoneinfo.ZoneInfo(zone))
        if time.utcoffset() != time.replace(fold=1).utcoffset():
            raise SystemExit("a clock of this zone shows this time twice, or never: give the offset, such as --zone Etc/GMT-2 for +02:00")
    return time.astimezone(datetime.timezone.utc)


def at_rate(samples, own, wanted):
    """From `own` to `wanted` samples a second: means of what was measured in each interval, NaN where nothing was."""
    each = round(own / wanted)
    if each < 1 or abs(own / wanted - each) > 1e-9 * each:
        raise SystemExit(f"a signal of {own:g} Hz cannot be averaged to {wanted:g} Hz: give a --rate that divides it")
    frames = np.full((-(-len(samples) // each), each), np.nan)
    frames.reshape(-1)[:len(samples)] = samples
    seen = ~np.isnan(frames)
    count = seen.sum(axis=1)
    return np.divide(np.where(seen, frames, 0).sum(axis=1), count, out=np.full(len(frames), np.nan), where=count > 0)


def event(patient, modality, time, source, values):
    """The event, or None where nothing was observed, which would be refused. The id binds source and content: reading again gives the
    same id, a file whose content was put right gives another."""
    values = np.ascontiguousarray(values, "<f4")
    if np.isnan(values).all():
        return None
    time = time.astimezone(datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    bound = json.dumps([source, modality, time, values.shape]).encode() + values.tobytes()
    return {"schema_version": 1, "event_id": hashlib.sha256(bound).hexdigest()[:32], "patient_id": patient, "modality": modality,
            "time": time, "payload": {"dtype": "float32", "shape": list(values.shape), "data": base64.b64encode(values.tobytes()).decode()}}


def signal_arguments(parser):
    parser.add_argument("--patient", help="patient id")
    parser.add_argument("--modality", default="ecg", help="of the schema, of kind signal (ecg)")
    parser.add_argument("--signals", required=True, help="which, in the order of the schema's channels, with the unit: II:mV,V:mV")
    parser.add_argument("--rate", type=float, required=True, help="samples a second of the payload; it divides that of each signal")
    parser.add_argument("--length", type=int, required=True, help="samples of a channel, as the schema has it")
    parser.add_argument("--start", type=datetime.datetime.fromisoformat, help="time of the first sample, where the file does not have it")
    parser.add_argument("--zone", help="of a time without one")
    return parser


def wanted_signals(args):
    """{name: unit} of --signals."""
    return dict(pair.rsplit(":", 1) if ":" in pair else (pair, "") for pair in args.signals.split(","))


def signal_events(args, patient, source, start, signals):
    """An event for each `length` samples of `signals`, [(samples, own rate)]; NaN fills up the last. Its time is the window's end, when
    all of it was measured."""
    signals = [at_rate(samples, own, args.rate) for samples, own in signals]
    windows = -(-max(map(len, signals)) // args.length)
    grid = np.full((len(signals), windows * args.length), np.nan)
    for channel, samples in zip(grid, signals):
        channel[:len(samples)] = samples
    for window in range(windows):
        end = start + datetime.timedelta(seconds=(window + 1) * args.length / args.rate)
        made = event(patient, args.modality, end, source, grid[:, window * args.length:(window + 1) * args.length])
        if made:
            yield made


def write(events):
    for made in events:
        print(json.dumps(made, separators=(",", ":")))
