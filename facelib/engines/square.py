"""What SCRFD and YuNet have in common: a square picture goes in, and out come boxes with scores and perhaps five points."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np

from facelib.engines.base import RGB, Detected
from facelib.engines.dlib_native import resize
from facelib.engines.session import CURE, Floats, Model, checked, file_digest, load
from facelib.errors import EngineError, WeightsError
from facelib.geometry import overlap
from facelib.models import Box

INPUT_SIZE = 640  # pixels; what both are made for. Faces from 10 to 15 pixels of it are found
STRIDES = (8, 16, 32)  # pixels between two places, finest first
COARSEST = 320  # pixels: at this size even a face that fills the picture is found
LARGE = 64  # pixels: a coarser pass is asked only for faces that are wider in its own picture
MULTIPLE = 32  # the coarsest stride has to divide the side
_SAME_FACE = 0.4  # IoU of a face seen in two passes


class SquareDetector(ABC):
    """A detector on ONNX Runtime that looks at square pictures. The model is loaded at first use."""

    role: ClassVar[str]
    usual_threshold: ClassVar[float]

    def __init__(
        self,
        weights: Path,
        *,
        digest: str | None = None,
        size: int = INPUT_SIZE,
        threshold: float | None = None,
        provider: str = "cpu",
    ) -> None:
        """Use the ONNX file `weights`; `digest` is its SHA-256 where a pack knows it, else it is computed now.

        Pictures are shrunk or enlarged to `size` pixels, a multiple of 32: 640 finds faces of a fiftieth of the picture,
        1280 of a hundredth in four times the time. Raises WeightsError where the file cannot be read.
        """
        if size < MULTIPLE or size % MULTIPLE:
            words = f"give a multiple of {MULTIPLE}, such as {INPUT_SIZE}"
            raise EngineError(f"the picture of a {self.role} detector cannot be {size} pixels: {words}")
        self.weights = weights
        self.digest = digest or file_digest(weights)
        self.size = size
        self.threshold = self.usual_threshold if threshold is None else threshold
        self.provider = provider
        self.name = f"{self.role}-{self.digest[:12]} in={size} score={self.threshold:g}"

    @cached_property
    def model(self) -> Model:
        """The loaded model."""
        model = load(self.weights, self.digest, self.provider)
        check_side(model, self.weights, self.size)
        return model

    def detect(self, images: Sequence[RGB]) -> list[list[Detected]]:
        """The faces of each picture, uint8 (rows, columns, 3) RGB, surest first; with landmarks where the model has them.

        Landmarks are ARCFACE_POINTS. Raises WeightsError where the file is another kind of model, ValueError where a
        picture is of another type or shape.
        """
        return [self._detect(checked(image)) for image in images]

    def _detect(self, image: RGB) -> list[Detected]:
        fixed = self.model.input_shape[2]
        return in_passes(image, self.size, lambda fit: self._look(letterbox(image, fit, fixed or fit)))

    @abstractmethod
    def _look(self, letter: Letter) -> list[Detected]:
        """The faces in one square picture, in pixels of the whole one."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """What a detector sees before overlapping boxes are suppressed, in pixels of the letterboxed picture."""

    boxes: Floats  # (n, 4) left, top, right, bottom
    scores: Floats  # (n,)
    landmarks: Floats | None  # (n, 5, 2)

    def best(self, iou: float) -> Candidates:
        """Without those that overlap a surer one by more than `iou`; surest first."""
        order = np.argsort(-self.scores, kind="stable")
        order = order[suppress(self.boxes[order], iou)]
        points = None if self.landmarks is None else self.landmarks[order]
        return Candidates(self.boxes[order], self.scores[order], points)


def suppress(boxes: Floats, iou: float) -> list[int]:
    """Which of `boxes` (n, 4), surest first, do not overlap a surer one that stays by more than `iou`.

    Right and bottom count as inclusive, as in InsightFace: a pixel of difference for tiny faces only.
    """
    areas = (boxes[:, 2:] - boxes[:, :2] + 1).prod(axis=1)
    left = np.arange(len(boxes))
    kept = []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(int(best))
        one, others = boxes[best], boxes[left]
        shared = (np.minimum(one[2:], others[:, 2:]) - np.maximum(one[:2], others[:, :2]) + 1).clip(0).prod(axis=1)
        left = left[shared <= iou * (areas[best] + areas[left] - shared)]
    return kept


@dataclass(frozen=True, slots=True)
class Letter:
    """A picture in the top left corner of a square, black elsewhere; and the way back, across and down."""

    pixels: RGB
    zoom: tuple[float, float]  # pixels of the picture for one pixel of the square
    origin: tuple[float, float]  # where the square's first pixel lies in the picture


def in_passes(image: RGB, size: int, look: Callable[[int], list[Detected]]) -> list[Detected]:
    """The faces that `look` finds at `size` pixels, and the large ones that it finds only at half of it, a quarter, ...

    A network sees faces up to about half of the side that it was made for. Of 303 portraits cut from LFW so that the face
    fills about 0.6 of the height, det_500m finds 185 at 640 and all at 320; where it fills 0.9, none and all.
    """
    faces: list[Detected] = []
    for fit in passes(size):
        seen = look(fit)
        if fit < size:
            least = LARGE * max(image.shape[:2]) / fit
            seen = [face for face in seen if face.box.width >= least]
        faces += [face for face in seen if all(overlap(face.box, known.box) < _SAME_FACE for known in faces)]
    return sorted(faces, key=lambda face: -face.score)


def passes(size: int) -> list[int]:
    """The sizes at which a picture is looked at: `size`, and half of it again and again down to COARSEST."""
    sizes = [size]
    while sizes[-1] // 2 >= COARSEST:
        sizes.append(sizes[-1] // 2 // MULTIPLE * MULTIPLE)
    return sizes


def letterbox(image: RGB, fit: int, size: int) -> Letter:
    """Shrink or enlarge a picture, its sides in proportion, to `fit` pixels, in a black square of `size` pixels."""
    height, width = image.shape[:2]
    scale = fit / max(height, width)
    columns, rows = max(1, round(width * scale)), max(1, round(height * scale))
    down, across = (min(max(int(1 / scale), 1), side) for side in (height, width))
    small = shrink(image, down, across)
    square = np.zeros((size, size, 3), np.uint8)
    square[:rows, :columns] = resize(small, rows, columns)
    # dlib's resize lays the centres of the corner pixels on each other.
    zoom_x = across * (small.shape[1] - 1) / max(columns - 1, 1)
    zoom_y = down * (small.shape[0] - 1) / max(rows - 1, 1)
    return Letter(square, (zoom_x, zoom_y), ((across - 1) / 2, (down - 1) / 2))


def shrink(image: RGB, down: int, across: int) -> RGB:
    """Each block of `down` x `across` pixels becomes their mean; what is left over at the right and bottom is cut off.

    Bilinear resizing looks at four pixels only. Where it shrinks by more than two, the others would not be seen at all.
    """
    if down == across == 1:
        return image
    rows, columns = image.shape[0] // down, image.shape[1] // across
    total = np.zeros((rows, columns, 3), np.uint32)
    for y in range(down):  # six times as quick as a mean over two axes
        for x in range(across):
            total += image[y : rows * down : down, x : columns * across : across]
    return ((total + down * across // 2) // (down * across)).astype(np.uint8)


def to_detected(found: Candidates, letter: Letter, detector: str) -> list[Detected]:
    """Candidates as faces in the picture that was letterboxed; boxes in whole pixels, at least one wide and high."""
    zoom, origin = np.array(letter.zoom, np.float32), np.array(letter.origin, np.float32)
    boxes = np.rint(found.boxes * np.tile(zoom, 2) + np.tile(origin, 2)).astype(int).tolist()
    points = None if found.landmarks is None else (found.landmarks * zoom + origin).tolist()
    faces = []
    for index, (left, top, right, bottom) in enumerate(boxes):
        box = Box(left, top, max(right, left + 1), max(bottom, top + 1))
        landmarks = None if points is None else tuple((x, y) for x, y in points[index])
        faces.append(Detected(box, float(found.scores[index]), detector, landmarks))
    return faces


def check_side(model: Model, weights: Path, size: int) -> None:
    """Raise where the model does not take colour pictures of `size` pixels, channels first."""
    channels, *sides = model.input_shape[1:]
    if channels != 3 or len(model.output_shapes) < 2 * len(STRIDES):
        raise WeightsError(weights, "an ONNX model, but no face detector", CURE)
    for side in sides:
        if side not in (None, size):
            raise EngineError(f"{weights}: takes pictures of {side} pixels only; set the detector's size to {side}")
