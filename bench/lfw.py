"""The faces of LFW in the test data as encodings: made once over the whole path, kept in the bench's folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.measure import Bench, data
from facelib import images
from facelib.config import DetectOptions, EncodeOptions, EngineOptions, ImageOptions
from facelib.engines import packs, quality, registry
from facelib.engines.base import RGB, Detected
from facelib.engines.dlib_native import HogDetector

MODELS = ("dlib-resnet-v1", "dlib-resnet-v1+mirror", "arcface")


@dataclass(frozen=True, slots=True)
class Faces:
    """One face per photograph, the one nearest the middle."""

    names: NDArray[np.str_]  # (n,) who it shows
    numbers: NDArray[np.int64]  # (n,) which of this person's photographs
    quality: NDArray[np.float32]  # (n,) 0..1
    vectors: dict[str, NDArray[np.float32]]  # by model: (n, dimensions)


def faces(bench: Bench) -> Faces:
    """All faces of the folder, by name and number; some ten minutes on one core when they are not kept yet."""
    kept = bench.folder / "lfw.npz"
    if not kept.exists():
        photos = sorted(data("lfw").glob("*/*.jpg"))
        bench.say(f"lfw: encoding {len(photos)} photos, once")
        with ProcessPoolExecutor(max_workers=2) as pool:
            rows = [row for row in pool.map(_encode, photos, chunksize=50) if row is not None]
        names, numbers, qualities, *columns = zip(*rows, strict=True)
        arrays: dict[str, Any] = {f"v{i}": np.array(column, np.float32) for i, column in enumerate(columns)}
        arrays |= {"names": np.array(names), "numbers": np.array(numbers), "quality": np.array(qualities, np.float32)}
        new = kept.with_suffix(".new.npz")
        np.savez(new, **arrays)
        os.replace(new, kept)
    with np.load(kept) as found:
        vectors = {model: found[f"v{i}"] for i, model in enumerate(MODELS)}
        return Faces(found["names"], found["numbers"], found["quality"], vectors)


Row = tuple[str, int, float, NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]


def _encode(photo: Path) -> Row | None:
    """The face of a photograph. dlib's encoder gets HOG's box (the network's where HOG finds nothing), the pack its own."""
    hog, cnn, scrfd, arcface, landmarker, plain, mirrored = _engines()
    options = DetectOptions()
    with images.open_photo(str(photo), ImageOptions()) as source:
        picture = source.shrunk(options.canvas, options.min_canvas)
    boxes, own = hog.detect([picture])[0] or cnn.detect([picture])[0], scrfd.detect([picture])[0]
    if not boxes or not own:
        return None
    face, same = _central(picture, boxes), _central(picture, own)
    points = landmarker.locate(picture, [face.box])
    chips = plain.align(picture, points)
    good = quality.measure(chips[0], points[0], plain.landmark_kind, face.box.width * 250 / picture.shape[1])
    (vector,) = arcface.encode(arcface.align(picture, np.array([same.landmarks], np.float32)))
    name, number = photo.stem.rsplit("_", 1)
    return name, int(number), good.combined, plain.encode(chips)[0], mirrored.encode(chips)[0], vector


def _central(picture: RGB, faces: Sequence[Detected]) -> Detected:
    rows, columns = picture.shape[:2]
    return min(faces, key=lambda face: np.hypot(face.box.center[0] - columns / 2, face.box.center[1] - rows / 2))


@cache
def _engines():  # type: ignore[no-untyped-def]  # seven, each with a protocol of its own
    pack = packs.read(data("models"))
    plain, mirrored = (registry.load(DetectOptions(), EncodeOptions(mirror=m), EngineOptions()) for m in (False, True))
    hog = HogDetector(0)  # the faces fill half of the picture
    detector, encoder = packs.load_detector(pack), packs.load_encoder(pack)
    return hog, plain.detector, detector, encoder, plain.landmarker, plain.encoder, mirrored.encoder
