"""ArcFace (arXiv 1801.07698) and its kin: a face laid on a five-point template, 112 pixels, to a vector of length one.

Takes InsightFace's recognisers, MobileFaceNet, OpenCV's SFace and every other ONNX file that is made for the same template.
Vectors are compared by their cosine; as all have length one, Euclidean distance orders them equally.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facelib.engines.base import RGB, Chips, Detector, Points, Vectors
from facelib.engines.providers import Session, in_batches
from facelib.engines.session import CURE, Model, Shape, checked, file_digest, five_points, load
from facelib.engines.square import shrink
from facelib.errors import EngineError, WeightsError
from facelib.geometry import clip_box, overlap
from facelib.models import ARCFACE_POINTS, Box

CHIP_SIZE = 112

# Where the eyes, the nose and the corners of the mouth belong in the chip: InsightFace's arcface_dst, left in the picture first.
TEMPLATE = np.array(
    [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)], np.float64
)
# dlib's five points have the same shape but are others: outer and inner corner of the eye on the picture's right, the same
# of the left, below the nose (its mean face, in its own unit: dlib/image_transforms/interpolation.h).
_DLIB_FACE = np.array([(0.860, 0.213), (0.646, 0.229), (0.121, 0.214), (0.334, 0.229), (0.490, 0.628)], np.float64)

# The same five points in fractions of a detector's box: the mean of the 180 faces of our group photographs, made even.
_MEAN_PLACES = np.array([(0.28, 0.40), (0.72, 0.40), (0.50, 0.59), (0.31, 0.74), (0.69, 0.74)], np.float64)
_AROUND = 0.5  # of the box, looked at on each side of it: detectors want to see a head
_SAME_FACE = 0.2  # IoU: Picasa and dlib frame a face otherwise than SCRFD

CHIPS_AT_ONCE = 16  # faces; more gain nothing on a CPU

# Pixels for models that do not bring the normalisation along in their graph: (value - 127.5) / 127.5, RGB, as InsightFace does.
_MEAN, _SCALE = np.float32(127.5), np.float32(1 / 127.5)

Matrix = NDArray[np.float64]


class ArcfaceEncoder:
    """An ArcFace-style recogniser on ONNX Runtime. The model is loaded at first use."""

    landmark_kind = ARCFACE_POINTS

    def __init__(
        self,
        weights: Path,
        *,
        digest: str | None = None,
        dimensions: int | None = None,
        provider: str = "cpu",
    ) -> None:
        """Use the ONNX file `weights`. A pack knows its SHA-256, `digest`, and the length of its vectors, `dimensions`.

        What is not given is read from the file now. Raises WeightsError where the file cannot be used.
        """
        self.weights = weights
        self.digest = digest or file_digest(weights)
        self.provider = provider
        self.name = f"arcface-{self.digest[:12]}"
        self.dimensions = dimensions or vector_length(self.model) or 0

    @cached_property
    def model(self) -> Model:
        """The loaded model."""
        model = load(self.weights, self.digest, self.provider)
        if vector_length(model) is None:
            raise WeightsError(self.weights, "not a recogniser of 112 pixel faces", CURE)
        return model

    @property
    def session(self) -> Session:
        """What computes."""
        return self.model.session

    def align(self, image: RGB, landmarks: Points) -> Chips:
        """The faces of one picture cut out upright: (n, 112, 112, 3). Landmarks, (n, 5, 2), are in InsightFace's order.

        Raises EngineError where they are dlib's five points: without a mouth they do not say how large the face is.
        """
        image, points = checked(image), five_points(landmarks)
        if not len(points):
            return np.zeros((0, CHIP_SIZE, CHIP_SIZE, 3), np.uint8)
        if are_dlibs(points):
            raise EngineError(
                f"{self.name} needs a detector with landmarks (eyes, nose, corners of the mouth), such as SCRFD or YuNet; "
                "dlib's five points cannot take their place"
            )
        return np.stack([_chip(image, face) for face in points])

    def encode(self, chips: Chips) -> Vectors:
        """Encode aligned faces, uint8 (n, 112, 112, 3) RGB; returns (n, dimensions), each row of length one.

        Raises WeightsError where the weights cannot be used, ValueError where the chips are of another type or shape.
        """
        if chips.dtype != np.uint8 or chips.shape[1:] != (CHIP_SIZE, CHIP_SIZE, 3):
            raise ValueError(f"chips must be uint8 (n, {CHIP_SIZE}, {CHIP_SIZE}, 3), not {chips.dtype} {chips.shape}")
        if not len(chips):
            return np.zeros((0, self.dimensions), np.float32)
        vectors: Vectors = in_batches(self._encode, chips, self.model.input_shape[0] or CHIPS_AT_ONCE)
        if vectors.shape != (len(chips), self.dimensions) or not np.isfinite(vectors).all():
            raise WeightsError(self.weights, f"damaged: it does not give {self.dimensions} numbers for each face", CURE)
        unit: Vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-12))
        return unit

    def _encode(self, chips: Chips) -> Vectors:
        """One run; a model with a fixed batch gets black faces where there are too few."""
        model = self.model
        batch = model.input_shape[0]
        pixels = chips.astype(np.float32)
        if not normalises(model):
            pixels -= _MEAN
            pixels *= _SCALE
        if _channels_first(model.input_shape):
            pixels = pixels.transpose(0, 3, 1, 2)
        if batch is not None and len(pixels) < batch:
            pixels = np.concatenate([pixels, np.zeros((batch - len(pixels), *pixels.shape[1:]), np.float32)])
        return model.run(np.ascontiguousarray(pixels))[0][: len(chips)]


class DetectorLandmarks:
    """Finds the five points of faces that were found otherwise, by dlib, Picasa or a person: detects around each box.

    Where the detector sees nothing there, the points lie where they lie in the mean face.
    """

    def __init__(self, detector: Detector) -> None:
        """Use a detector that gives landmarks, such as SCRFD."""
        self._detector = detector

    def locate(self, image: RGB, boxes: Sequence[Box]) -> Points:
        """(len(boxes), 5, 2) in pixels of `image`, in InsightFace's order."""
        return np.array([self._one(checked(image), box) for box in boxes], np.float32).reshape(-1, 5, 2)

    def _one(self, image: RGB, box: Box) -> Matrix:
        rows, columns = image.shape[:2]
        margin = round(max(box.width, box.height) * _AROUND)
        part = clip_box(
            Box(box.left - margin, box.top - margin, box.right + margin, box.bottom + margin), columns, rows
        )
        (found,) = self._detector.detect([image[part.top : part.bottom, part.left : part.right]])
        shifted = Box(box.left - part.left, box.top - part.top, box.right - part.left, box.bottom - part.top)
        best = max(found, key=lambda face: overlap(face.box, shifted), default=None)
        if best is None or best.landmarks is None or overlap(best.box, shifted) < _SAME_FACE:
            return (box.left, box.top) + np.array([box.width, box.height]) * _MEAN_PLACES
        return np.array(best.landmarks, np.float64) + (part.left, part.top)


def normalises(model: Model) -> bool:
    """Whether the graph itself brings 0..255 to what the network wants, as exports from MXNet do (SFace among them)."""
    first = model.first_operators
    return "BatchNormalization" in first or ("Sub" in first and not first.isdisjoint({"Mul", "Div"}))


def vector_length(model: Model) -> int | None:
    """How many numbers a recogniser of 112 pixel faces gives; None for every other kind of model."""
    side = CHIP_SIZE
    if model.input_shape[1:] not in ((3, side, side), (side, side, 3)) or len(model.output_shapes) != 1:
        return None
    batch, *sizes = model.output_shapes[0] or (None,)
    if len(sizes) != 1 or batch != model.input_shape[0]:
        return None
    return sizes[0]


def _channels_first(shape: Shape) -> bool:
    return shape[1] == 3


# ------------------------------------------------------------------------------------------------------------- alignment


def similarity(source: Matrix, target: Matrix) -> tuple[Matrix, float]:
    """The turn, scale and shift, as a (2, 3) matrix, that brings `source` (n, 2) nearest to `target`, and what is left over.

    Least squares without mirroring (Umeyama, IEEE PAMI 13, 1991). In the plane his solution is one division of complex
    numbers. What is left over is the share of the target's spread, 0 for a perfect fit to 1.
    """
    a, b = _complex(source), _complex(target)
    a_centre, b_centre = a.mean(), b.mean()
    a, b = a - a_centre, b - b_centre
    factor = np.vdot(a, b) / max(np.vdot(a, a).real, 1e-12)
    shift = b_centre - factor * a_centre
    left_over = float((np.abs(b - factor * a) ** 2).sum() / (np.abs(b) ** 2).sum())
    matrix = [(factor.real, -factor.imag, shift.real), (factor.imag, factor.real, shift.imag)]
    return np.array(matrix, np.float64), left_over


def are_dlibs(points: Matrix) -> bool:
    """Whether most of the faces (n, 5, 2) look like dlib's five points rather than InsightFace's.

    By which mean face fits better, and twice as well: on our group photographs dlib's points leave at most .18 over on their
    own mean face and at least .53 on the template, SCRFD's at least .43 and at most .38. Most, and not all, because one odd
    face must not end a night.
    """
    votes = [2 * similarity(face, _DLIB_FACE)[1] < similarity(face, TEMPLATE)[1] for face in points]
    return sum(votes) * 2 > len(votes)


def _complex(points: Matrix) -> NDArray[np.complex128]:
    return points[:, 0] + 1j * points[:, 1]


def _chip(image: RGB, face: Matrix) -> RGB:
    """One face, laid on the template; black where the picture ends, as in InsightFace."""
    matrix, _ = similarity(face, TEMPLATE)
    turn, shift = matrix[:, :2], matrix[:, 2]
    scale = float(np.hypot(*turn[:, 0]))  # pixels of the chip for one of the picture
    if scale < 1e-6:
        return np.zeros((CHIP_SIZE, CHIP_SIZE, 3), np.uint8)
    inverse = np.linalg.inv(turn)
    rows, columns = np.mgrid[:CHIP_SIZE, :CHIP_SIZE]
    places = (np.stack([columns, rows], axis=-1) - shift) @ inverse.T  # x, y in the picture for each pixel of the chip
    times = max(int(1 / scale), 1)
    if times > 1:
        image, places = _shrunk_around(image, places, times)
    return _bilinear(image, places)


def _shrunk_around(image: RGB, places: Matrix, times: int) -> tuple[RGB, Matrix]:
    """The part of the picture that `places` lie in, shrunk, and the places in it.

    Bilinear sampling of a face that is much larger than the chip would see a few of its pixels only, and noise as detail.
    """
    height, width = image.shape[:2]
    low = np.floor(places.min(axis=(0, 1))).astype(int) - times
    high = np.ceil(places.max(axis=(0, 1))).astype(int) + 2 * times
    left, top = np.clip(low, 0, (width - 1, height - 1))
    right, bottom = np.clip(high, (left + 1, top + 1), (width, height))
    part = image[top:bottom, left:right]
    down, across = min(times, part.shape[0]), min(times, part.shape[1])
    step = np.array([across, down], np.float64)
    return shrink(part, down, across), (places - (left, top) - (step - 1) / 2) / step


def _bilinear(image: RGB, places: Matrix) -> RGB:
    """The picture at `places` (rows, columns, 2); what lies outside is black."""
    height, width = image.shape[:2]
    corner = np.floor(places)
    x, y = corner[..., 0].astype(np.int64), corner[..., 1].astype(np.int64)
    right, below = np.moveaxis((places - corner).astype(np.float32), -1, 0)
    out = np.zeros((*places.shape[:2], 3), np.float32)
    for dx, dy, weight in (
        (0, 0, (1 - right) * (1 - below)),
        (1, 0, right * (1 - below)),
        (0, 1, (1 - right) * below),
        (1, 1, right * below),
    ):
        inside = (x + dx >= 0) & (x + dx < width) & (y + dy >= 0) & (y + dy < height)
        pixels = image[(y + dy).clip(0, height - 1), (x + dx).clip(0, width - 1)]
        out += np.where(inside, weight, np.float32(0))[..., None] * pixels
    return np.rint(out).astype(np.uint8)
