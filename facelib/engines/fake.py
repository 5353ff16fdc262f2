"""A deterministic engine without models, for testing the flow: bright patches on a dark ground are faces.

A patch is a connected region brighter than the ground; its mean colour decides its encoding, so that two patches of
one colour are one person.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facelib.engines.base import RGB, Chips, Detected, Points, Vectors
from facelib.models import DLIB_POINTS, Box

_BRIGHT = 96  # of 255, in the strongest channel
_MIN_SIDE = 6  # pixels


class FakeDetector:
    """Finds bright patches."""

    name = "fake-1"

    def detect(self, images: Sequence[RGB]) -> list[list[Detected]]:
        """The patches of each picture, from left to right; the score is the share of the box that is bright."""
        return [self._one(image) for image in images]

    def _one(self, image: RGB) -> list[Detected]:
        from scipy import ndimage  # comes with scikit-learn

        bright = image.max(axis=2) > _BRIGHT
        labels, _ = ndimage.label(bright)
        found = []
        for rows, columns in ndimage.find_objects(labels):
            box = Box(columns.start, rows.start, columns.stop, rows.stop)
            if min(box.width, box.height) >= _MIN_SIDE:
                found.append(Detected(box, float(bright[rows, columns].mean()), "fake"))
        return sorted(found, key=lambda face: (face.box.left, face.box.top))


class FakeLandmarks:
    """Five points at fixed places of the box."""

    _PLACES = np.array([(0.8, 0.35), (0.6, 0.35), (0.2, 0.35), (0.4, 0.35), (0.5, 0.6)], np.float32)

    def locate(self, image: RGB, boxes: Sequence[Box]) -> Points:  # noqa: ARG002 - the protocol's arguments
        """(len(boxes), 5, 2)."""
        corners = np.array([(b.left, b.top) for b in boxes], np.float32).reshape(-1, 1, 2)
        sizes = np.array([(b.width, b.height) for b in boxes], np.float32).reshape(-1, 1, 2)
        return corners + sizes * self._PLACES


class FakeEncoder:
    """A unit vector of 128 numbers that depends on the colour around the nose, in steps of 64."""

    name = "fake"
    dimensions = 128
    landmark_kind = DLIB_POINTS

    def align(self, image: RGB, landmarks: Points) -> Chips:
        """Six by six pixels around each nose."""
        height, width = image.shape[:2]
        padded = np.pad(image, ((3, 3), (3, 3), (0, 0)), mode="edge")
        noses = np.clip(landmarks[:, 4].astype(int), 0, (width - 1, height - 1)) if len(landmarks) else ()
        return np.array([padded[y : y + 6, x : x + 6] for x, y in noses], np.uint8).reshape(-1, 6, 6, 3)

    def encode(self, chips: Chips) -> Vectors:
        """(faces, 128)."""
        rows = []
        for chip in chips:
            colour = (chip.reshape(-1, 3).mean(axis=0) // 64).astype(int)
            vector = np.random.default_rng([int(c) for c in colour]).normal(size=self.dimensions)
            rows.append(vector / np.linalg.norm(vector))
        return np.array(rows, np.float32).reshape(-1, self.dimensions)
