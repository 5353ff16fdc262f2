"""Recall against CPU time of the detection policies on the group photographs, and what the usual way would have taken.

Each policy looks at the same pictures, in one process with one thread. A face is found when the centre of a detection lies
in the true box; a detection on nothing is extra (faces that the ground truth leaves out are ignored). The usual way is HOG with
one upsampling and dlib's own encoder for each face that it finds.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.figures import Figure
from bench.measure import Bench, data
from facelib import images
from facelib.config import DetectOptions, EncodeOptions, EngineOptions, ImageOptions
from facelib.engines import packs, registry
from facelib.engines.base import RGB, Detected, Detector, Engine

LEAST_RECALL = 0.96

Truth = dict[str, Any]  # gt.json's photos

POLICIES = {
    "hog up=0": DetectOptions("hog", hog_upsample=0),
    "hog up=1": DetectOptions("hog"),
    "cnn up=0, pyramid 6": DetectOptions("cnn", cnn_upsample=0, cnn_pyramid=6),
    "cnn up=1, pyramid 6": DetectOptions("cnn", cnn_pyramid=6),
    "cnn up=1, pyramid 5": DetectOptions("cnn", cnn_pyramid=5),
    "cnn up=1, pyramid 4": DetectOptions("cnn", cnn_pyramid=4),
    "cnn up=1, pyramid 4, small photos not enlarged": DetectOptions("cnn", cnn_pyramid=4, min_canvas=1),
    "hog+cnn up=1, pyramid 4": DetectOptions("hog+cnn", cnn_pyramid=4),
    "thorough, up=1, pyramid 4": DetectOptions("thorough", cnn_pyramid=4),
}
QUICK = ("hog up=1", "cnn up=1, pyramid 4")


def figures(bench: Bench) -> list[Figure]:
    """The default's recall, and its CPU time as a share of the usual way's."""
    folder = data("group-photos")
    truth = json.loads((folder / "gt.json").read_text(encoding="utf-8"))["photos"]
    rows: dict[DetectOptions, tuple[int, int, float]] = {}
    notes = []
    whole: dict[str, float] = {}
    usual, default = EncodeOptions(mirror=False), EncodeOptions()
    total = sum(len(photo["faces"]) for photo in truth.values())
    for name, options in POLICIES.items():
        if bench.quick and name not in QUICK:
            continue
        bench.say(f"policies: {name}")
        engine = registry.load(options, default, EngineOptions())
        with_encoder = None
        if name == "hog up=1":
            with_encoder = registry.load(options, usual, EngineOptions("dlib"))
        elif options == DetectOptions():
            with_encoder = engine
        found, extra, seconds, encoding = _search(folder, truth, options, engine.detector, with_encoder)
        rows[options] = (found, extra, seconds)
        notes.append(_row(name, found, total, extra, seconds))
        if with_encoder is not None:
            whole[name] = seconds + encoding
            whose = "dlib's own encoder" if name == "hog up=1" else "the mirrored encoder"
            notes.append(f"{'... with ' + whose:<48} {whole[name]:.1f} CPU-s")
    notes += _packs(folder, truth, total, bench)
    found = rows[DetectOptions()][0]
    return [
        Figure(
            "policies, recall of the default", found / total, LEAST_RECALL, "{:.3f}", at_least=True, notes=tuple(notes)
        ),
        Figure("policies, default's CPU / the usual way's", whole["cnn up=1, pyramid 4"] / whole["hog up=1"], 1.0),
    ]


def _search(
    folder: Path, truth: Truth, options: DetectOptions, detector: Detector, with_encoder: Engine | None
) -> tuple[int, int, float, float]:
    """Over all photos: faces found, detections on nothing, CPU seconds of detecting, and of encoding where asked for."""
    found, extra, seconds, encoding = 0, 0, 0.0, 0.0
    for path, photo in truth.items():
        with images.open_photo(str(folder / path), ImageOptions()) as source:
            picture = source.shrunk(options.canvas, options.min_canvas)
            scale = picture.shape[1] / source.facts.width
        began = time.process_time()
        (faces,) = detector.detect([picture])
        seconds += time.process_time() - began
        right, wrong = score(faces, photo, scale)
        found, extra = found + right, extra + wrong
        if with_encoder is not None and faces:
            encoding += _encode(with_encoder, picture, faces)
    return found, extra, seconds, encoding


def _packs(folder: Path, truth: Truth, total: int, bench: Bench) -> list[str]:
    """The detectors in the test data's folder of models."""
    pack, notes = packs.read(data("models")), []
    for role in packs.DETECTORS:
        for item in (one for one in pack.items if one.role == role):
            bench.say(f"policies: {item.file}")
            detector = packs.load_detector(replace(pack, items=(item,)))
            detector.detect([np.zeros((64, 64, 3), np.uint8)])  # load
            found, extra, seconds, _ = _search(folder, truth, DetectOptions(), detector, None)
            notes.append(_row(f"pack, {item.file}", found, total, extra, seconds))
    return notes


def _row(name: str, found: int, total: int, extra: int, seconds: float) -> str:
    return f"{name:<48} {found} of {total} ({found / total:.3f}), {extra} extra, {seconds:.1f} CPU-s"


def _encode(engine: Engine, picture: RGB, faces: Sequence[Detected]) -> float:
    """CPU seconds that landmarks and encoding take, the model being loaded."""
    engine.encoder.encode(np.zeros((1, 150, 150, 3), np.uint8))
    began = time.process_time()
    landmarks = engine.landmarker.locate(picture, [face.box for face in faces])
    engine.encoder.encode(engine.encoder.align(picture, landmarks))
    return time.process_time() - began


def score(faces: Sequence[Detected], photo: dict[str, list[dict[str, list[float]]]], scale: float) -> tuple[int, int]:
    """How many true faces were found, and how many detections lie on nothing."""
    centres = [tuple(side / scale for side in face.box.center) for face in faces]
    free = set(range(len(centres)))
    found = 0
    for true in photo["faces"]:
        hit = next((i for i in sorted(free) if _inside(centres[i], true["box"])), None)
        if hit is not None:
            free.discard(hit)
            found += 1
    ignored = photo.get("ignore", [])
    return found, sum(not any(_inside(centres[i], box) for box in ignored) for i in free)  # type: ignore[arg-type]


def _inside(point: tuple[float, ...], box: Sequence[float]) -> bool:
    return box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3]
