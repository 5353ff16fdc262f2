"""What an engine is: two protocols, both on batches, and the aligner between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facelib.models import Box

RGB = NDArray[np.uint8]
"""(height, width, 3), red green blue, 0..255, upright."""

Chips = NDArray[np.uint8]
"""(faces, size, size, 3): aligned faces as an encoder wants them."""

Vectors = NDArray[np.float32]
"""(faces, dimensions)."""

Points = NDArray[np.float32]
"""(faces, points, 2): x, y in pixels of the picture they were found in."""


@dataclass(frozen=True, slots=True)
class Detected:
    """A face as a detector sees it, in pixels of the picture it was given; the box may pass the picture's edges."""

    box: Box
    score: float
    detector: str
    landmarks: tuple[tuple[float, float], ...] | None = None  # ARCFACE_POINTS, where the detector gives any


class Detector(Protocol):
    """Finds faces. `name` goes into the database: results of one name are comparable."""

    name: str

    def detect(self, images: Sequence[RGB]) -> list[list[Detected]]:
        """The faces of each picture, surest first."""
        ...


class Landmarker(Protocol):
    """Finds the points by which a face is aligned, where the detector gave none or others than the encoder wants."""

    def locate(self, image: RGB, boxes: Sequence[Box]) -> Points:
        """(len(boxes), points, 2) in pixels of `image`."""
        ...


class Encoder(Protocol):
    """Turns faces into vectors. Only vectors of encoders with one `name` may be compared."""

    name: str
    dimensions: int
    landmark_kind: str  # which points it aligns faces by: facelib.models.DLIB_POINTS, ARCFACE_POINTS

    def align(self, image: RGB, landmarks: Points) -> Chips:
        """The faces of one picture, given by their landmarks in it, cut out upright and of one size."""
        ...

    def encode(self, chips: Chips) -> Vectors:
        """(faces, dimensions) of aligned faces."""
        ...


@dataclass(frozen=True, slots=True)
class Engine:
    """All that a worker needs to go from pixels to encodings."""

    detector: Detector
    landmarker: Landmarker
    encoder: Encoder
    says: str  # what computes, for the digest
    notice: str = ""  # what has to be said to whoever uses it: a licence
