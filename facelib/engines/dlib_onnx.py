"""dlib's CNN face detector and face encoder on ONNX Runtime: the same boxes and numbers in a fraction of the time.

The networks run on ONNX Runtime; dlib itself still resizes, because a pixel that differs in its last bit moves the
scores, and cuts out the face chips. Sources: dlib/dnn/input.h (input_rgb_image_pyramid), dlib/dnn/loss.h (loss_mmod_),
dlib/image_transforms/image_pyramid.h, tools/python/src/cnn_face_detector.cpp and face_recognition.cpp.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facelib.engines.base import RGB, Chips, Detected, Points, Vectors
from facelib.engines.dlib_graphs import DetectorGeometry, detector_model, encoder_model
from facelib.engines.dlib_native import face_chips, resize
from facelib.engines.providers import Session, in_batches
from facelib.engines.session import checked
from facelib.errors import DeviceMemoryError
from facelib.models import DLIB_POINTS, Box

MIN_SIDE = 32  # pixels; dlib itself raises on images smaller still

# The detector takes 12 bytes of memory per pixel of the tiled pyramid and 40 per pixel of the band that it is at. Bands
# overlap by some 180 pixels, computed twice, so small ones cost time: 128 rows of scores 5 %, half of that 10 %.
BAND_PIXELS = 2_500_000
MIN_BAND_ROWS = 32  # rows of scores, however wide the picture is

CHIPS_AT_ONCE = 16  # faces; more gain nothing on a CPU and take 4 MB each

PYRAMID = 6  # dlib's own: input_rgb_image_pyramid<pyramid_down<6>>, each level 5/6 of the one before
PYRAMIDS = (4, 5, 6)  # those of dlib's pyramid_down<N> that are one and the same template
_MIN_LEVEL_ROWS = 5


class CnnDetector:
    """dlib's cnn_face_detection_model_v1. The model is loaded at first use."""

    def __init__(
        self,
        weights: Path,
        cache: Path,
        *,
        upsample: int = 0,
        threshold: float = 0.0,
        pyramid: int = PYRAMID,
        provider: str = "cpu",
    ) -> None:
        """Use `weights`, which is mmod_human_face_detector.dat; `cache` is a folder for the converted model.

        `upsample` doubles the image that many times before: 0 finds faces of 75 pixels and more, 1 of 37.
        `threshold` is the score that a face must exceed, dlib's adjust_threshold. `pyramid` 4 makes each level 3/4 of the
        one before instead of 5/6: fewer sizes are looked at, for two thirds of the time; only 6 is equal to dlib.
        """
        if pyramid not in PYRAMIDS:
            raise ValueError(f"pyramid must be one of {PYRAMIDS}")
        if upsample < 0:
            raise ValueError("upsample must not be negative")
        self.name = f"cnn-1 up={upsample}"
        self.name += f" pyramid={pyramid}" if pyramid != PYRAMID else ""
        self.name += f" over={threshold:g}" if threshold else ""
        self.pyramid = pyramid
        self.weights = weights
        self.cache = cache
        self.upsample = upsample
        self.threshold = threshold
        self.provider = provider

    @cached_property
    def _loaded(self) -> tuple[Session, DetectorGeometry]:
        session = Session(detector_model(self.weights, self.cache), self.provider)
        return session, DetectorGeometry.from_metadata(session.metadata)

    def detect(self, images: Sequence[RGB]) -> list[list[Detected]]:
        """Find the faces of each image, uint8 (rows, columns, 3) RGB; the surest face first.

        Boxes are in pixels of the image given. Images with a side under MIN_SIDE have no faces. Raises WeightsError
        where the weights cannot be used, ValueError where an image is of another type or shape.
        """
        return [self._detect(checked(image)) if image.size else [] for image in images]

    def _detect(self, image: RGB) -> list[Detected]:
        if min(image.shape[:2]) < MIN_SIDE:
            return []
        _, geometry = self._loaded
        for _ in range(self.upsample):
            # pyramid_up with pyramid_down<2>; not an even doubling, but it is what dlib does.
            image = resize(image, 2 * image.shape[0] + 1, 2 * image.shape[1] + 2)
        tiles = lay_out(image.shape[0], image.shape[1], geometry, self.pyramid)
        pixels = tiled_pyramid(image, tiles, geometry)
        try:
            scores = self.scores(pixels)
        except DeviceMemoryError:  # of a GPU: once more in half of it
            scores = self.scores(pixels, MIN_BAND_ROWS)
        found = np.argwhere(scores > self.threshold)
        values = scores[found[:, 0], found[:, 1]]
        order = np.argsort(-values, kind="stable")
        boxes = _round(to_image(found[order], tiles, geometry, self.pyramid))
        kept = suppress(boxes, geometry.nms_iou, geometry.nms_covered)
        corners = boxes[kept].astype(np.float64)
        for _ in range(self.upsample):
            # pyramid_down<2>::point_down, for both corners
            corners = corners / 2 - (1.25, 0.75, 1.25, 0.75)
        return [
            Detected(Box(left, top, right + 1, bottom + 1), float(score), "cnn")
            for (left, top, right, bottom), score in zip(
                _round(corners).tolist(), values[order][kept].tolist(), strict=True
            )
        ]

    def scores(self, pixels: NDArray[np.float32], band: int | None = None) -> NDArray[np.float32]:
        """Run the network over `pixels` (3, rows, columns), (RGB - average) / 256; returns (rows', columns').

        The image is run in bands of `band` rows of scores (by default as many as BAND_PIXELS allow), each with as
        much above and below it as a score sees, so that the result is to the bit that of a single run while the
        memory is that of one band.
        """
        session, geometry = self._loaded
        rows = 1 + (pixels.shape[1] - geometry.field) // geometry.stride
        if band is None:
            most = BAND_PIXELS // (pixels.shape[2] * geometry.stride) - 2 * geometry.halo
            count = -(-rows // max(most, MIN_BAND_ROWS))
            band = -(-rows // count)  # all of one height, so that memory of one band fits the next
        parts = []
        for top in range(0, rows, band):
            bottom = min(top + band, rows)
            first, last = max(top - geometry.halo, 0), min(bottom + geometry.halo, rows) - 1
            start, stop = first * geometry.stride, last * geometry.stride + geometry.field
            (out,) = session.run(pixels=pixels[None, :, start:stop])
            parts.append(out[0, 0, top - first : bottom - first])
        return np.concatenate(parts)


class ResnetEncoder:
    """dlib's face_recognition_model_v1: 128 numbers for each face. The model is loaded at first use."""

    dimensions = 128
    landmark_kind = DLIB_POINTS

    def __init__(self, weights: Path, cache: Path, *, mirror: bool = True, provider: str = "cpu") -> None:
        """Use `weights`, which is dlib_face_recognition_resnet_model_v1.dat; `cache` is as for CnnDetector.

        `mirror` averages the encodings of a face and of its mirror image, which tells people apart better; without
        it the numbers are those of dlib and face_recognition. The two are not comparable, and `name` says which.
        """
        self.weights = weights
        self.cache = cache
        self.mirror = mirror
        self.provider = provider
        self.name = "dlib-resnet-v1+mirror" if mirror else "dlib-resnet-v1"

    @cached_property
    def session(self) -> Session:
        """The loaded model."""
        return Session(encoder_model(self.weights, self.cache), self.provider)

    def align(self, image: RGB, landmarks: Points) -> Chips:
        """The aligned faces, (n, 150, 150, 3), as dlib's own encoder cuts them out."""
        return face_chips(checked(image), landmarks)

    def encode(self, chips: Chips) -> Vectors:
        """Encode aligned faces, uint8 (n, 150, 150, 3) RGB; returns (n, 128), a row per face.

        Raises WeightsError where the weights cannot be used, ValueError where the chips are of another type or shape.
        """
        if not len(chips):
            return np.zeros((0, self.dimensions), np.float32)
        return in_batches(self._encode, chips, CHIPS_AT_ONCE)

    def _encode(self, chips: Chips) -> Vectors:
        """A chip and its mirror image are neighbours in the batch."""
        if self.mirror:
            chips = np.stack([chips, chips[:, :, ::-1]], axis=1).reshape(-1, *chips.shape[1:])
        encodings: Vectors = self.session.run(chips=np.ascontiguousarray(chips))[0]
        if self.mirror:
            encodings = encodings.reshape(-1, 2, self.dimensions).mean(axis=1, dtype=np.float32)
        return encodings


@dataclass(frozen=True)
class Tiles:
    """Where the levels of an image's pyramid lie in one large picture (compute_tiled_image_pyramid_details)."""

    places: tuple[tuple[int, int, int, int], ...]  # left, top, right, bottom of each level, right and bottom exclusive
    rows: int  # of the large picture
    columns: int


def lay_out(rows: int, columns: int, geometry: DetectorGeometry, pyramid: int = PYRAMID) -> Tiles:
    """Place the pyramid of an image of `rows` and `columns` as dlib does.

    The levels go down in a first column until the next one fits beside the last; the rest climb up along the right
    edge. A face near a level's edge sees into the neighbouring level, so all of this is part of the scores.
    """
    sizes = [(rows, columns)]
    rate = (pyramid - 1.0) / pyramid
    while True:
        # in floating point, and rounded down, as find_pyramid_down_output_image_size does
        height, width = (int(rate * side) for side in sizes[-1])
        if height < _MIN_LEVEL_ROWS or width == 0:
            break
        sizes.append((height, width))
    gap, outer = geometry.padding, geometry.outer_padding
    total = sum(height + gap for height, _ in sizes) - 2 * gap
    used, before, first = 0, 0, 0
    for height, width in sizes:
        if width <= columns - before - gap and (used - rows) * 2 >= total - rows:
            break
        used += height + gap
        before = width
        first += 1
    used -= gap
    places = []
    y = outer
    for height, width in sizes[:first]:
        places.append((outer, y, outer + width, y + height))
        y += height + gap
    y -= gap
    right = outer + columns
    for height, width in sizes[first:]:
        if y - height < places[0][3]:
            break  # it would lie over the first level
        places.append((right - width, y - height, right, y))
        y -= height + gap
    return Tiles(tuple(places), used + 2 * outer, columns + 2 * outer)


def tiled_pyramid(image: RGB, tiles: Tiles, geometry: DetectorGeometry) -> NDArray[np.float32]:
    """Draw the pyramid: float32 (3, rows, columns), (RGB - average) / 256, zero between the levels.

    Each level is made from the one before it, by dlib's own bilinear resize for one float channel.
    """
    picture = np.zeros((3, tiles.rows, tiles.columns), np.float32)
    for channel, average in enumerate(geometry.average):
        level = np.subtract(image[:, :, channel], np.float32(average), dtype=np.float32)
        level /= np.float32(256)
        for number, (left, top, right, bottom) in enumerate(tiles.places):
            if number:
                level = resize(level, bottom - top, right - left)
            picture[channel, top:bottom, left:right] = level
    return picture


def to_image(
    found: NDArray[np.int64], tiles: Tiles, geometry: DetectorGeometry, pyramid: int = PYRAMID
) -> NDArray[np.float64]:
    """Boxes in the image, (n, 4) left, top, right, bottom, of scores at `found` (n, 2) row, column.

    As tiled_pyramid_to_image: a box belongs to the level that has its centre, or is nearest to it.
    """
    centres = found[:, ::-1] * geometry.stride + geometry.centre
    places = np.array(tiles.places)
    low, high = places[:, :2], places[:, 2:] - 1
    outside = centres[:, None] - np.clip(centres[:, None], low, high)
    levels = np.argmin((outside**2).sum(axis=2), axis=1)  # the first of equals, as nearest_rect
    half = (np.array(geometry.window) - 1) / 2
    corners: NDArray[np.float64] = np.concatenate([centres - half, centres + half], axis=1) - np.tile(low[levels], 2)
    ratio = pyramid / (pyramid - 1.0)
    for level in range(1, len(places)):
        # pyramid_down::point_up, once for each level above
        above = levels >= level
        corners[above] = corners[above] * ratio + 0.3
    return corners


def suppress(boxes: NDArray[np.int64], iou: float, covered: float) -> list[int]:
    """Which of `boxes` (n, 4), surest first and right and bottom inclusive, are not suppressed by a surer one.

    As test_box_overlap: the intersection is measured against the rectangle around both boxes, not their union, and
    against each box.
    """
    areas = (boxes[:, 2:] - boxes[:, :2] + 1).prod(axis=1)
    left = np.arange(len(boxes))
    kept = []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(int(best))
        one, others = boxes[best], boxes[left]
        inner = (np.minimum(one[2:], others[:, 2:]) - np.maximum(one[:2], others[:, :2]) + 1).clip(0).prod(axis=1)
        outer = (np.maximum(one[2:], others[:, 2:]) - np.minimum(one[:2], others[:, :2]) + 1).prod(axis=1)
        smaller = np.minimum(areas[best], areas[left])
        left = left[(inner / outer <= iou) & (inner / smaller <= covered)]
    return kept


def _round(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Round halves away from zero, as std::lround in drectangle's conversion; numpy rounds them to even."""
    return np.copysign(np.floor(np.abs(values) + 0.5), values).astype(np.int64)
