"""How well encoders tell people apart, on the verification pairs of LFW, over the whole path.

Each photo of 250 x 250 pixels is searched whole, the face nearest its centre is aligned and encoded, and a pair is called one
person when the distance is under a threshold. Accuracy as LFW's protocol has it: ten folds, the threshold from the other
nine. Nine in ten of the pairs at hand are of one person, which favours who calls everybody the same; so the accuracy with
both kinds of pairs weighing alike is printed too. A photo in which no face is found counts as far from everything.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.figures import Figure
from bench.measure import Bench, data
from facelib import images
from facelib.config import DetectOptions, EncodeOptions, EngineOptions, ImageOptions
from facelib.engines import packs, registry
from facelib.engines.base import RGB, Detected, Detector, Encoder, Landmarker, Points

FOLDS = 10
LEAST_DLIB, LEAST_PACK = 0.990, 0.994  # what is published of these models on all of LFW is .9938 and .9937
QUICK_PAIRS = 100
_FAR = 10.0  # beyond every distance between encodings

Pair = tuple[Path, Path, bool]
Vectors = dict[Path, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Way:
    """A detector, what gives landmarks where it does not, and the encoders to compare on its faces."""

    detector: Detector
    landmarker: Landmarker | None
    encoders: tuple[Encoder, ...]


def figures(bench: Bench) -> list[Figure]:
    """The accuracy of dlib's encoder, plain and mirrored, and of the pack in the test data."""
    pack, pairs = packs.read(data("models")), read_pairs(data("lfw"))
    if bench.quick:
        pairs = pairs[:: len(pairs) // QUICK_PAIRS]
    photos = sorted({photo for pair in pairs for photo in pair[:2]})
    bench.say(f"pairs: {len(pairs)}, {sum(pair[2] for pair in pairs)} of one person, {len(photos)} photos")
    plain, mirrored = (registry.load(DetectOptions(), EncodeOptions(mirror=m), EngineOptions()) for m in (False, True))
    ways = (
        Way(plain.detector, plain.landmarker, (plain.encoder, mirrored.encoder)),
        Way(packs.load_detector(pack), None, (packs.load_encoder(pack),)),
    )
    measured = []
    for way in ways:
        began = time.process_time()
        vectors = encode_all(way, photos)
        seconds = (time.process_time() - began) / len(photos)
        for encoder, found in zip(way.encoders, vectors, strict=True):
            distances, same = compare(pairs, found)
            mean, spread = accuracy(distances, same, np.ones(len(same)))
            fair, fair_spread = accuracy(distances, same, even(same))
            notes = (
                f"+- {spread:.4f} over {FOLDS} folds; both kinds alike {fair:.4f} +- {fair_spread:.4f}",
                f"{len(photos) - len(found)} of {len(photos)} photos without a face; {seconds * 1000:.0f} CPU-ms a photo",
            )
            least = LEAST_PACK if encoder.name.startswith("arcface") else LEAST_DLIB
            measured.append(Figure(f"pairs of LFW, {encoder.name}", mean, least, "{:.4f}", at_least=True, notes=notes))
    return measured


def read_pairs(folder: Path) -> list[Pair]:
    """The pairs in LFW's own format: name, two numbers; or name, number, name, number."""
    pairs = []
    for line in (folder / "pairs-dev.txt").read_text(encoding="utf-8").splitlines():
        words = line.split()
        one, other = (words[0], words[1]), (words[-2] if len(words) == 4 else words[0], words[-1])
        first, second = (folder / name / f"{name}_{int(number):04}.jpg" for name, number in (one, other))
        pairs.append((first, second, len(words) == 3))
    return pairs


def encode_all(way: Way, photos: Sequence[Path]) -> list[Vectors]:
    """For each encoder the vectors of the photos in which a face was found."""
    vectors: list[Vectors] = [{} for _ in way.encoders]
    for path in photos:
        options = DetectOptions()
        with images.open_photo(str(path), ImageOptions()) as source:
            # dlib's detector wants small photos enlarged; SCRFD does so itself.
            picture = source.shrunk(options.canvas, options.min_canvas if way.landmarker else 1)
        (faces,) = way.detector.detect([picture])
        if not faces:
            continue
        face = min(faces, key=_from_centre(picture))
        points = _points(way, picture, face)
        for encoder, found in zip(way.encoders, vectors, strict=True):
            (found[path],) = encoder.encode(encoder.align(picture, points))
    return vectors


def _from_centre(picture: RGB) -> Callable[[Detected], float]:
    rows, columns = picture.shape[:2]
    return lambda face: float(np.hypot(face.box.center[0] - columns / 2, face.box.center[1] - rows / 2))


def _points(way: Way, picture: RGB, face: Detected) -> Points:
    if way.landmarker is not None:
        return way.landmarker.locate(picture, [face.box])
    return np.array([face.landmarks], np.float32)


def compare(pairs: Sequence[Pair], vectors: Vectors) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Euclidean distances of the pairs (for vectors of length one ordered as their cosines), and which are of one person."""
    distances = [
        float(np.linalg.norm(vectors[one] - vectors[other])) if one in vectors and other in vectors else _FAR
        for one, other, _ in pairs
    ]
    return np.array(distances), np.array([pair[2] for pair in pairs])


def accuracy(
    distances: NDArray[np.float64], same: NDArray[np.bool_], weights: NDArray[np.float64]
) -> tuple[float, float]:
    """What is called rightly, by weight: mean and spread over the folds, each of which has its share of both kinds."""
    fold = np.empty(len(same), int)
    for kind in (True, False):
        fold[same == kind] = np.arange((same == kind).sum()) % FOLDS
    right = []
    for number in range(FOLDS):
        rest, here = fold != number, fold == number
        called = distances[here] < best_threshold(distances[rest], same[rest], weights[rest])
        right.append(np.average(called == same[here], weights=weights[here]))
    return float(np.mean(right)), float(np.std(right))


def best_threshold(distances: NDArray[np.float64], same: NDArray[np.bool_], weights: NDArray[np.float64]) -> float:
    """The distance under which most is called rightly: half-way between two that occur."""
    order = np.argsort(distances)
    ranked = np.concatenate([[0.0], distances[order]])
    right = np.concatenate([[0.0], np.cumsum(np.where(same[order], weights[order], -weights[order]))])
    best = int(right.argmax())
    return float((ranked[best] + ranked[min(best + 1, len(ranked) - 1)]) / 2)


def even(same: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Weights that let both kinds of pairs count alike, however many there are of each."""
    weights: NDArray[np.float64] = np.where(same, 0.5 / same.sum(), 0.5 / (~same).sum())
    return weights
