"""Recall against CPU time of the detection policies on the group photographs, and what the usual way would have taken.

Each policy looks at the same pictures, in one process with one thread. A face is found when the centre of a detection lies
in the true box; a detection on nothing is extra (faces that the ground truth leaves out are ignored). The usual way is HOG with
one upsampling and dlib's own encoder for each face that it finds.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

import numpy as np

from bench.figures import Figure
from bench.measure import Bench, data
from facelib import images
from facelib.config import DetectOptions, EncodeOptions, EngineOptions, ImageOptions
from facelib.engines import registry
from facelib.engines.base import RGB, Detected, Engine

LEAST_RECALL = 0.96

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
    total = sum(len(photo["faces"]) for photo in truth.values())
    for name, options in POLICIES.items():
        if bench.quick and name not in QUICK:
            continue
        bench.say(f"policies: {name}")
        found, extra, seconds, encoding = 0, 0, 0.0, 0.0
        engine = registry.load(options, EncodeOptions(), EngineOptions())
        with_encoder = _dlib(options) if name == "hog up=1" else engine if options == DetectOptions() else None
        for path, photo in truth.items():
            with images.open_photo(str(folder / path), ImageOptions()) as source:
                picture = source.shrunk(options.canvas, options.min_canvas)
                scale = picture.shape[1] / source.facts.width
            began = time.process_time()
            (faces,) = engine.detector.detect([picture])
            seconds += time.process_time() - began
            right, wrong = score(faces, photo, scale)
            found, extra = found + right, extra + wrong
            if with_encoder is not None and faces:
                encoding += _encode(with_encoder, picture, faces)
        rows[options] = (found, extra, seconds)
        notes.append(f"{name:<48} {found} of {total} ({found / total:.3f}), {extra} extra, {seconds:.1f} CPU-s")
        if with_encoder is not None:
            whole[name] = seconds + encoding
            whose = "dlib's own encoder" if name == "hog up=1" else "the mirrored encoder"
            notes.append(f"{'... with ' + whose:<48} {whole[name]:.1f} CPU-s")
    found = rows[DetectOptions()][0]
    return [
        Figure(
            "policies, recall of the default", found / total, LEAST_RECALL, "{:.3f}", at_least=True, notes=tuple(notes)
        ),
        Figure("policies, default's CPU / the usual way's", whole["cnn up=1, pyramid 4"] / whole["hog up=1"], 1.0),
    ]


def _dlib(options: DetectOptions) -> Engine:
    """The same detector with dlib's own encoder."""
    return registry.load(options, EncodeOptions(mirror=False), EngineOptions("dlib"))


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
