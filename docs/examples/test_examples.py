#!/usr/bin/env python3
"""The examples on files that are made here: exact values, beside what the plain call of the library makes of the same file.

Usage: test_examples.py [LACUNA]      with the daemon's binary also from the files to what it says of the patient. `test` makes the Python.
"""
import base64
import contextlib
import datetime
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import numpy as np
import pydicom
import pyedflib
import wfdb
from pydicom.pixels import apply_modality_lut, apply_windowing
from wfdb.io.convert.edf import read_edf

import dicom_to_events
import edf_to_events
import payload_events
import wfdb_to_events

NAN = np.nan
START = datetime.datetime(2026, 1, 1, 0, 7)
LACUNA = None


def payload(event):
    """As the daemon decodes it."""
    numbers = np.frombuffer(base64.b64decode(event["payload"]["data"], validate=True), "<f4")
    return numbers.reshape(event["payload"]["shape"])


class Made(unittest.TestCase):
    """A folder for the files of a test, in which the test runs: WFDB names files relative to it."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.enterContext(contextlib.chdir(folder.name))

    def check(self, found, expected, tolerance=0.0):
        np.testing.assert_allclose(found, np.array(expected, float), rtol=0, atol=tolerance or 1e-7, equal_nan=True)

    def refuses(self, what, module, words):
        with self.assertRaisesRegex(SystemExit, what):
            list(module.events(module.arguments(words)))

    def events(self, module, words):
        return list(module.events(module.arguments(words)))


class Wfdb(Made):
    WORDS = ["r", "--patient", "p1", "--zone", "UTC", "--signals"]

    def write(self, name, signals, each, gain=1000.0, units="mV", **more):
        names = ["II", "V"][:len(signals)]
        wfdb.wrsamp(name, fs=125, units=[units] * len(signals), sig_name=names, e_d_signal=[np.array(s) for s in signals],
                    samps_per_frame=each, fmt=["16"] * len(signals), adc_gain=[gain] * len(signals), baseline=[0] * len(signals), **more)

    def edit(self, before, after):
        text = pathlib.Path("r.hea").read_text()
        self.assertIn(before, text)
        pathlib.Path("r.hea").write_text(text.replace(before, after))

    def test_a_missing_sample_of_a_frame_is_left_out_of_its_mean(self):
        self.write("r", [[1000, -32768, 1000, 1000, 1000, 1000, 3000, 3000], [1000, 1000]], [4, 1], base_datetime=START)
        self.check(wfdb.rdrecord("r").p_signal, [[-7.442, 1], [2, 1]])  # -32768 among the four, and -7.4 mV where 1.0 was measured
        event, = self.events(wfdb_to_events, self.WORDS + ["II:mV,V:mV", "--rate", "125", "--length", "3"])
        self.check(payload(event), [[1, 2, NAN], [1, 1, NAN]])
        self.assertEqual((event["time"], event["patient_id"], event["modality"]), ("2026-01-01T00:07:00.024Z", "p1", "ecg"))
        fine = self.events(wfdb_to_events, self.WORDS + ["II:mV", "--rate", "500", "--length", "4"])
        self.check([payload(e) for e in fine], [[[1, NAN, 1, 1]], [[1, 1, 3, 3]]])
        self.assertEqual([e["time"] for e in fine], ["2026-01-01T00:07:00.008Z", "2026-01-01T00:07:00.016Z"])
        self.refuses("II is in mV, not in uV", wfdb_to_events, self.WORDS + ["II:uV", "--rate", "125", "--length", "3"])
        self.refuses("a --rate that divides", wfdb_to_events, self.WORDS + ["II:mV", "--rate", "200", "--length", "3"])

    def test_what_a_skew_leaves_open_is_missing(self):
        self.write("r", [[1000, 1000, 1000, 1000, 2000, 2000, 2000, 2000], [1000, 1000]], [4, 1], base_datetime=START)
        self.edit("16x4 ", "16x4:1 ")
        self.check(wfdb.rdrecord("r", smooth_frames=False).e_p_signal[0], [2, 2, 2, 2, 0, 0, 0, NAN])  # three of four are made up
        event, = self.events(wfdb_to_events, self.WORDS + ["II:mV,V:mV", "--rate", "125", "--length", "2"])
        self.check(payload(event), [[2, NAN], [1, 1]])

    def test_a_signal_without_gain_is_refused(self):
        self.write("r", [[1000, 2000]], [1], base_datetime=START)
        self.edit("1000.0(0)/mV", "0/mV")
        self.check(wfdb.rdrecord("r").p_signal, [[5], [10]])  # as if 200 steps were a millivolt
        self.refuses("not calibrated", wfdb_to_events, self.WORDS + ["II:mV", "--rate", "125", "--length", "2"])

    def test_segments_lie_where_they_were_recorded_and_share_a_unit(self):
        self.write("a", [[1000, 2000]], [1])
        self.write("b", [[3000]], [1], units="uV", gain=1.0)
        pathlib.Path("l.hea").write_text("l 1 125 0\n~ 0 200/mV 0 0 0 0 0 II\n")
        pathlib.Path("r.hea").write_text("r/4 1 125 4 00:07:00 01/01/2026\nl 0\na 2\n~ 1\nb 1\n")
        self.check(wfdb.rdrecord("r").p_signal, [[1], [2], [NAN], [3000]])  # millivolts and microvolts in one signal
        self.refuses("II is in uV, not in mV", wfdb_to_events, self.WORDS + ["II:mV", "--rate", "125", "--length", "4"])
        self.write("b", [[3000]], [1])
        event, = self.events(wfdb_to_events, self.WORDS + ["II:mV", "--rate", "125", "--length", "4"])
        self.check(payload(event), [[1, 2, NAN, 3]])

    def test_a_date_is_not_made_up(self):
        self.write("r", [[1000, 2000]], [1])
        words = self.WORDS + ["II:mV", "--rate", "125", "--length", "2"]
        self.refuses("no date", wfdb_to_events, words)
        event, = self.events(wfdb_to_events, words + ["--start", "2026-01-01T01:00:00+01:00"])
        self.assertEqual(event["time"], "2026-01-01T00:00:00.016Z")


class Edf(Made):
    def write(self, signals, form="", onsets=None, patient="X X X X"):
        """signals: label -> (unit, physical minimum and maximum, digital minimum and maximum, [records, samples])"""
        signals = {label: (*s[:5], np.array(s[5], "<i2")) for label, s in signals.items()}
        if onsets:
            lists = [f"+{onset:g}\x14\x14\0".encode().ljust(20, b"\0") for onset in onsets]
            signals["EDF Annotations"] = ("", -1, 1, -32768, 32767, np.array([np.frombuffer(text, "<i2") for text in lists]))
        count, records = len(signals), len(next(iter(signals.values()))[5])
        fields = [("0", 8), (patient, 80), ("Startdate 01-JAN-2026 X X X", 80), ("01.01.26", 8), ("00.07.00", 8), (256 * (count + 1), 8),
                  (form, 44), (records, 8), (1, 8), (count, 4)]
        fields += [(label, 16) for label in signals] + [("", 80)] * count
        fields += [(s[i], 8) for i in range(5) for s in signals.values()] + [("", 80)] * count
        fields += [(s[5].shape[1], 8) for s in signals.values()] + [("", 32)] * count
        body = [s[5][record].tobytes() for record in range(records) for s in signals.values()]
        pathlib.Path("x.edf").write_bytes(b"".join(str(text).ljust(size).encode() for text, size in fields) + b"".join(body))

    def written_by_pyedflib(self, values, low, high):
        with contextlib.closing(pyedflib.EdfWriter("x.edf", 1, pyedflib.FILETYPE_EDF)) as out:
            out.setStartdatetime(START)
            out.setSignalHeader(0, {"label": "T", "dimension": "Cel", "sample_frequency": 4, "physical_min": low, "physical_max": high,
                                    "digital_min": -32768, "digital_max": 32767, "transducer": "", "prefilter": ""})
            out.writeSamples([np.array(values, float)])

    def by_pyedflib(self, signal, annotations=pyedflib.READ_ALL_ANNOTATIONS):
        with contextlib.closing(pyedflib.EdfReader("x.edf", annotations)) as file:
            return file.readSignal(signal)

    WORDS = ["x.edf", "--zone", "UTC", "--signals"]

    def test_each_signal_has_its_own_range_and_rate(self):
        self.write({"II": ("mV", -5, 5, -1000, 1000, [[200, 200, 400, 400], [-1000, 1000, 0, 0]]),
                    "SpO2": ("%", 0, 100, 0, 1000, [[970], [980]])}, patient="p_1 F X X")
        naive = read_edf("x.edf").p_signal
        self.check(naive[:, 0], [299.995, -0.005])  # II in steps of the converter less a part of one: 1.5 and 0 mV
        self.check(naive[:, 1], [96.9, 97.9])  # each a step too low: 97 and 98 %
        event, = self.events(edf_to_events, self.WORDS + ["II:mV,SpO2:%", "--patient", "p1", "--rate", "1", "--length", "2"])
        self.check(payload(event), [[1.5, 0], [97, 98]], 1e-5)
        self.assertEqual(event["time"], "2026-01-01T00:07:02.000Z")
        event, = self.events(edf_to_events, self.WORDS + ["II:mV", "--patient", "p1", "--rate", "4", "--length", "8"])
        self.check(payload(event), [[1, 1, 2, 2, -5, 5, 0, 0]])
        self.check(payload(event)[0], self.by_pyedflib(0))
        self.refuses("no patient code", edf_to_events, self.WORDS + ["II:mV", "--rate", "1", "--length", "2"])
        self.refuses("not in %", edf_to_events, self.WORDS + ["II:%", "--patient", "p1", "--rate", "1", "--length", "2"])

    def test_gaps_stay_open(self):
        signal = {"II": ("mV", -5, 5, -1000, 1000, [[200, 400], [600, 800]])}
        self.write(signal, "EDF+D", [0.5, 3.5], "p_1 F X X")
        for reader in (read_edf, pyedflib.EdfReader):  # aloud
            with self.assertRaisesRegex(Exception, "interrupted|discontinuous"):
                reader("x.edf")
        event, = self.events(edf_to_events, self.WORDS + ["II:mV", "--rate", "2", "--length", "10"])
        self.check(payload(event), [[NAN, 1, 2, NAN, NAN, NAN, NAN, 3, 4, NAN]])
        self.assertEqual(event["patient_id"], "p 1")  # blanks are written as _
        for form, mode in (("EDF+C", pyedflib.DO_NOT_READ_ANNOTATIONS), ("", pyedflib.READ_ALL_ANNOTATIONS)):
            self.write(signal, form, [0.5, 3.5])  # a header that is wrong: its records are not contiguous
            self.check(self.by_pyedflib(0, mode), [1, 2, 3, 4])  # as if the second record had followed at once
            event, = self.events(edf_to_events, self.WORDS + ["II:mV", "--patient", "p1", "--rate", "2", "--length", "10"])
            self.check(payload(event), [[NAN, 1, 2, NAN, NAN, NAN, NAN, 3, 4, NAN]])
        self.write(signal, "EDF+D", [0, 0.5])
        self.refuses("upon one another", edf_to_events, self.WORDS + ["II:mV", "--patient", "p1", "--rate", "2", "--length", "10"])

    def test_an_annotation_signal_is_no_signal(self):
        self.write({"II": ("mV", -5, 5, -1000, 1000, [[200] * 20, [400] * 20])}, "EDF+C", [0, 1])
        with contextlib.redirect_stdout(io.StringIO()):
            naive = read_edf("x.edf").p_signal
        self.check(naive[::10, 0], [199.995, 399.995])  # its 10 samples a second made the 20 of II the faster rate
        event, = self.events(edf_to_events, self.WORDS + ["II:mV", "--patient", "p1", "--rate", "1", "--length", "2"])
        self.check(payload(event), [[1, 2]])
        words = self.WORDS + ["EDF Annotations:", "--patient", "p1", "--rate", "1", "--length", "2"]
        self.refuses("1 signals EDF Annotations", edf_to_events, words)

    def test_what_a_writer_put_for_nothing_is_missing(self):
        self.written_by_pyedflib([37, NAN, 37, 37, 38, 38], 30, 45)
        step = 15 / 65535
        self.check(self.by_pyedflib(0), [37, 30, 37, 37, 38, 38, 30, 30], step)  # NaN is the minimum; so is the zero that fills up
        words = self.WORDS + ["T:Cel", "--patient", "p1", "--rate", "4", "--length", "8"]
        event, = self.events(edf_to_events, words + ["--seconds", "1.5", "--missing", "-32768"])
        self.check(payload(event), [[37, NAN, 37, 37, 38, 38, NAN, NAN]], step)
        self.written_by_pyedflib([1, 1, 1, 1, 1, 1], -5, 5)
        self.check(self.by_pyedflib(0), [1] * 6 + [0] * 2, 10 / 65535)
        event, = self.events(edf_to_events, words + ["--seconds", "1.5"])
        self.check(payload(event), [[1] * 6 + [NAN] * 2], 10 / 65535)

    def test_a_file_that_was_cut_is_refused(self):
        self.write({"II": ("mV", -5, 5, -1000, 1000, [[200, 400], [600, 800]])})
        pathlib.Path("x.edf").write_bytes(pathlib.Path("x.edf").read_bytes()[:-4])
        self.refuses("not as long", edf_to_events, self.WORDS + ["II:mV", "--patient", "p1", "--rate", "2", "--length", "4"])


class Dicom(Made):
    def write(self, pixels, **attributes):
        pixels = np.array(pixels)
        image = pydicom.Dataset()
        image.file_meta = pydicom.dataset.FileMetaDataset()
        image.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        image.SOPClassUID, image.SOPInstanceUID, image.PatientID = pydicom.uid.SecondaryCaptureImageStorage, "1.2.3", "p1"
        image.AcquisitionDate, image.AcquisitionTime = "20260101", "000900.5"
        image.Rows, image.Columns = pixels.shape[-2:]
        image.SamplesPerPixel, image.PhotometricInterpretation, image.PixelRepresentation = 1, "MONOCHROME2", 0
        image.BitsAllocated, image.BitsStored, image.HighBit = 16, 12, 11
        image.PixelData = pixels.astype("<u2").tobytes()
        for name, value in attributes.items():
            setattr(image, name, value)
        image.save_as("x.dcm", enforce_file_format=True)
        return pydicom.dcmread("x.dcm")

    def one(self, height, width, *more):
        return self.events(dicom_to_events, ["x.dcm", "--height", str(height), "--width", str(width), "--zone", "UTC", *more])[0]

    def test_rescaled_windowed_inverted_and_without_padding(self):
        image = self.write([[0, 100, 200], [300, 400, 4095]], PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=4095,
                           WindowCenter=-624, WindowWidth=800, VOILUTFunction="LINEAR_EXACT", RescaleSlope=2, RescaleIntercept=-1024)
        self.check(image.pixel_array, [[0, 100, 200], [300, 400, 4095]])  # as stored: not rescaled, dark is large, padding is a value
        naive = apply_windowing(apply_modality_lut(image.pixel_array, image), image)
        self.check(naive, [[-1024, 1023.5, 3071], [5118.5, 7166, 7166]])  # in a range of the file's own; dark is large; padding is dark
        event = self.one(2, 3)
        self.check(payload(event), [[[1, 0.75, 0.5], [0.25, 0, NAN]]])
        self.assertEqual((event["time"], event["patient_id"], event["modality"]), ("2026-01-01T00:09:00.500Z", "p1", "chest_film"))
        self.check(payload(self.one(2, 3, "--window", "-824", "400")), [[[1, 0.5, 0], [0, 0, NAN]]])
        self.write([[0, 50, 100]], WindowCenter=50.5, WindowWidth=101)  # LINEAR: half a step less, and one less
        self.check(payload(self.one(1, 3)), [[[0, 0.5, 1]]])

    def test_each_frame_has_its_own_scale(self):
        def item(**attributes):
            made = pydicom.Dataset()
            for name, value in attributes.items():
                setattr(made, name, value)
            return made

        window = item(WindowCenter=500, WindowWidth=1000, VOILUTFunction="LINEAR_EXACT")
        frames = [item(PixelValueTransformationSequence=[item(RescaleSlope=slope, RescaleIntercept=intercept, RescaleType="US")],
                       FrameVOILUTSequence=[window]) for slope, intercept in ((1, 0), (2, 100))]
        image = self.write([[[100]], [[100]]], NumberOfFrames=2, PerFrameFunctionalGroupsSequence=frames)
        naive = apply_windowing(apply_modality_lut(image.pixel_array, image), image)
        self.check(naive.ravel(), [100, 100])  # neither rescaled nor through the windows
        self.check(payload(self.one(1, 1, "--frame", "1")), [[[0.1]]])
        self.check(payload(self.one(1, 1, "--frame", "2")), [[[0.3]]])
        self.refuses("2 frames", dicom_to_events, ["x.dcm", "--height", "1", "--width", "1"])

    def test_an_image_keeps_its_proportions(self):
        window = {"WindowCenter": 50, "WindowWidth": 100, "VOILUTFunction": "LINEAR_EXACT", "PixelPaddingValue": 4095}
        self.write([[0, 20, 40, 60], [20, 40, 60, 4095]], **window)
        self.check(payload(self.one(4, 2)), [[[NAN, NAN], [0.1, 0.5], [0.3, 0.6], [NAN, NAN]]])
        self.write([[0, 20], [20, 40], [40, 60], [60, 4095]], **window)
        self.check(payload(self.one(2, 4)), [[[NAN, 0.1, 0.3, NAN], [NAN, 0.5, 0.6, NAN]]])
        self.write([[0, 30, 90]], **window)
        self.check(payload(self.one(1, 2)), [[[0.1, 0.7]]])  # half of the middle pixel to each side
        self.write([[0, 40], [40, 80]], **window, PixelSpacing=[2, 1])  # each pixel twice as high as wide
        self.check(payload(self.one(4, 2)), [[[0, 0.4], [0, 0.4], [0.4, 0.8], [0.4, 0.8]]])

    def test_neither_time_nor_window_is_made_up(self):
        words = ["x.dcm", "--height", "1", "--width", "1", "--window", "50", "100"]
        self.write([[10]], TimezoneOffsetFromUTC="+0200")
        self.assertEqual(self.events(dicom_to_events, words)[0]["time"], "2025-12-31T22:09:00.500Z")
        self.refuses("no window", dicom_to_events, words[:5])
        self.write([[10]], AcquisitionTime="")
        self.refuses("does not say when", dicom_to_events, words)
        self.write([[10]])
        self.refuses("give --zone", dicom_to_events, words)


CONFIG = """
log: {kind: embedded}
http: {enabled: false}
data_dir: data
schema:
  modalities:
    vitals: {features: {hr: {unit: /min, range: [20, 250]}}}
    ecg: {kind: signal, channels: 2, length: 3}
    eeg: {kind: signal, channels: 1, length: 4}
    chest_film: {kind: image, height: 4, width: 2}
"""


class Daemon(Made):
    """What the scripts print, as the daemon takes it from the embedded log: nothing is refused, and all three payloads are known."""

    def test_the_daemon_takes_what_the_scripts_print(self):
        if not LACUNA:
            self.skipTest("no binary given")
        Wfdb.write(self, "r", [[1000, -32768, 1000, 1000, 1000, 1000, 3000, 3000], [1000, 1000]], [4, 1], base_datetime=START)
        Edf.write(self, {"C4": ("uV", -5, 5, -1000, 1000, [[200, 400], [600, 800]])}, "EDF+D", [0, 2])
        Dicom.write(self, [[0, 20, 40, 60], [20, 40, 60, 4095]], WindowCenter=50, WindowWidth=100, PixelPaddingValue=4095)
        signals = ["--patient", "p1", "--zone", "UTC", "--rate"]
        runs = [["wfdb", "r", *signals, "125", "--length", "3", "--signals", "II:mV,V:mV"],
                ["edf", "x.edf", *signals, "2", "--length", "4", "--signals", "C4:uV", "--modality", "eeg"],
                ["dicom", "x.dcm", "--zone", "UTC", "--height", "4", "--width", "2"]]
        here = pathlib.Path(__file__).resolve().parent
        lines = "".join(self.run_command([sys.executable, here / f"{name}_to_events.py", *words]) for name, *words in runs)
        self.assertEqual(len(lines.splitlines()), 4)  # of the EDF two windows, the second of them half empty
        again = "".join(self.run_command([sys.executable, here / f"{name}_to_events.py", *words]) for name, *words in runs)
        self.assertEqual(lines, again)  # ids too: a second replay changes nothing
        pathlib.Path("events.ndjson").write_text(lines)
        pathlib.Path("lacuna.yaml").write_text(CONFIG)
        config = ["--config", "lacuna.yaml"]
        self.run_command([LACUNA, "replay", *config, "--dry-run", "--strict", "events.ndjson"])
        self.run_command([LACUNA, "replay", *config, "--raw", "events.ndjson"])
        self.run_command([LACUNA, "run", *config, "--until-idle"])
        self.assertEqual(self.run_command([LACUNA, "tail", *config, "dead-letters", "--from", "beginning", "--format", "json"]), "")
        imputation = json.loads(self.run_command([LACUNA, "tail", *config, "imputations", "-n", "1", "--format", "json"]))
        self.assertEqual((imputation["patient_id"], imputation["based_on"]), ("p1", ["ecg", "eeg", "chest_film"]))

    def run_command(self, words):
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout


class Times(unittest.TestCase):
    def test_zones(self):
        night = datetime.datetime(2026, 10, 25, 2, 30)
        self.assertEqual(payload_events.in_utc(START, "Europe/Berlin").isoformat(), "2025-12-31T23:07:00+00:00")
        for time, zone in ((night, "Europe/Berlin"), (START, None)):
            with self.assertRaises(SystemExit):
                payload_events.in_utc(time, zone)


if __name__ == "__main__":
    LACUNA = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else None
    unittest.main()
