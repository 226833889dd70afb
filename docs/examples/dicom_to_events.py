#!/usr/bin/env python3
"""An event from one frame of a grey DICOM image, on standard output as NDJSON: values from 0, black, to 1, white.

dicom_to_events.py FILE --modality chest_film --height 64 --width 64 [--frame 1] [--window CENTER WIDTH] [--zone Europe/Berlin]
"""
import argparse
import datetime
import re

import numpy as np
import pydicom

from payload_events import event, in_utc, write


def layers(image, frame):
    """Where an attribute is looked for: what is said of the frame, of all frames, of the file."""
    groups = image.get("PerFrameFunctionalGroupsSequence"), image.get("SharedFunctionalGroupsSequence")
    return ([groups[0][frame]] if groups[0] else []) + ([groups[1][0]] if groups[1] else []) + [image]


def attribute(places, name, group=None):
    """The first value of `name`: in the functional group `group` of a frame, else in the file itself."""
    for place in places:
        inside = place.get(group) if group else None
        for holder in (inside[0] if inside else None, place):
            if holder is not None and holder.get(name) is not None:
                return holder.get(name)
    return None


def taken_at(image, places, zone):
    """When the frame was taken; neither an absent hour nor a zone is made up."""
    texts = [attribute(places, "FrameAcquisitionDateTime", "FrameContentSequence"), image.get("AcquisitionDateTime")]
    texts += [str(image.get(f"{kind}Date", "")) + str(image.get(f"{kind}Time", "")) for kind in ("Acquisition", "Content")]
    for text in texts:
        match = re.fullmatch(r"(\d{12})(\d\d)?(?:\.(\d{1,6}))?([+-]\d{4})?", str(text or ""))
        if match:
            minute, second, fraction, offset = match.groups()
            offset = offset or image.get("TimezoneOffsetFromUTC")
            plain = minute + (second or "00") + (fraction or "0").ljust(6, "0")
            form = "%Y%m%d%H%M%S%f" + ("%z" if offset else "")
            return in_utc(datetime.datetime.strptime(plain + (offset or ""), form), zone)
    raise SystemExit("the file does not say when the image was taken")


def shades(stored, image, places, window):
    """0 to 1 from stored values: padding to NaN, rescaled, through the window, MONOCHROME1 inverted."""
    values = stored.astype(float)
    padding = attribute(places, "PixelPaddingValue")
    if padding is not None:
        limit = attribute(places, "PixelPaddingRangeLimit")
        low, high = sorted((padding, padding if limit is None else limit))
        values[(stored >= low) & (stored <= high)] = np.nan
    if image.get("ModalityLUTSequence") or (image.get("VOILUTSequence") and not window):
        raise SystemExit("values through a table (LUT) are not read here: pydicom.pixels.apply_modality_lut, apply_voi")
    slope = attribute(places, "RescaleSlope", "PixelValueTransformationSequence")
    if slope is not None:
        values = values * float(slope) + float(attribute(places, "RescaleIntercept", "PixelValueTransformationSequence"))
    function = attribute(places, "VOILUTFunction", "FrameVOILUTSequence") or "LINEAR"
    if window:
        function = "LINEAR_EXACT"
    else:
        window = [attribute(places, name, "FrameVOILUTSequence") for name in ("WindowCenter", "WindowWidth")]
        if None in window:
            raise SystemExit("the file has no window: give --window CENTER WIDTH")
        window = [float(np.atleast_1d(number)[0]) for number in window]  # the first, where there are several
    center, width = window
    if function == "LINEAR":
        center, width = center - 0.5, width - 1
    if function not in ("LINEAR", "LINEAR_EXACT") or width <= 0:
        raise SystemExit(f"a window {function} of width {width:g} is not read here: give --window CENTER WIDTH")
    values = np.clip((values - center) / width + 0.5, 0, 1)
    return 1 - values if image.PhotometricInterpretation == "MONOCHROME1" else values


def overlaps(size, begin, step, count):
    """[count, size]: how much of each of `size` pixels lies in each of `count` intervals of `step` pixels from `begin` on."""
    low = begin + step * np.arange(count)[:, None]
    pixel = np.arange(size)
    return np.clip(np.minimum(low + step, pixel + 1) - np.maximum(low, pixel), 0, None)


def resized(values, height, width, aspect):
    """Means by area of what was observed; the whole image in its proportions, NaN beside it. aspect: a pixel's height by its width."""
    rows, columns = values.shape
    step = max(rows * aspect / height, columns / width)  # columns of the image that one pixel of the payload spans
    down = overlaps(rows, (rows - step / aspect * height) / 2, step / aspect, height)
    across = overlaps(columns, (columns - step * width) / 2, step, width)
    seen = down @ ~np.isnan(values) @ across.T
    total = down @ np.nan_to_num(values) @ across.T
    return np.divide(total, seen, out=np.full(seen.shape, np.nan), where=seen > 1e-9)


def events(args):
    image = pydicom.dcmread(args.file)
    if image.get("PhotometricInterpretation") not in ("MONOCHROME1", "MONOCHROME2"):
        raise SystemExit("not a grey image")
    count = int(image.get("NumberOfFrames") or 1)
    if not 1 <= (args.frame or count) <= count or (count > 1 and not args.frame):
        raise SystemExit(f"the file has {count} frames: give --frame")
    frame = (args.frame or 1) - 1
    places = layers(image, frame)
    stored = image.pixel_array.reshape(count, image.Rows, image.Columns)[frame]
    spacing = attribute(places, "PixelSpacing", "PixelMeasuresSequence") or image.get("ImagerPixelSpacing") or image.get("PixelAspectRatio")
    aspect = float(spacing[0]) / float(spacing[1]) if spacing else 1.0
    values = resized(shades(stored, image, places, args.window), args.height, args.width, aspect)
    patient = args.patient or image.get("PatientID")
    if not patient:
        raise SystemExit("the file has no patient id: give --patient")
    made = event(str(patient), args.modality, taken_at(image, places, args.zone), f"{image.SOPInstanceUID}/{frame + 1}", values[None])
    return [made] if made else []


def arguments(words=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--patient", help="patient id, in place of the file's")
    parser.add_argument("--modality", default="chest_film", help="of the schema, of kind image (chest_film)")
    parser.add_argument("--height", type=int, required=True)
    parser.add_argument("--width", type=int, required=True)
    parser.add_argument("--frame", type=int, help="which, from 1, where there are several")
    parser.add_argument("--window", type=float, nargs=2, metavar=("CENTER", "WIDTH"), help="in rescaled values, in place of the file's")
    parser.add_argument("--zone", help="of a time without one")
    return parser.parse_args(words)


if __name__ == "__main__":
    write(events(arguments()))
