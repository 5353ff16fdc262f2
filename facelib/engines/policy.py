"""Detectors made of detectors: look again where nothing was found, or look twice and merge."""

from __future__ import annotations

from collections.abc import Sequence

from facelib.engines.base import RGB, Detected, Detector
from facelib.geometry import overlap

# Two detectors frame one face with an IoU of 0.4 and more (dlib's own threshold for training truth is 0.5); neighbours in a
# crowd stay under 0.2.
_SAME_FACE = 0.4


class FirstThatFinds:
    """One detector, and a second one for the pictures in which it finds nothing."""

    def __init__(self, first: Detector, second: Detector) -> None:
        self.name = f"{first.name}, else {second.name}"
        self._first, self._second = first, second

    def detect(self, images: Sequence[RGB]) -> list[list[Detected]]:
        """The faces of each picture, surest first."""
        found = self._first.detect(images)
        empty = [index for index, faces in enumerate(found) if not faces]
        for index, faces in zip(empty, self._second.detect([images[index] for index in empty]), strict=True):
            found[index] = faces
        return found


class Merged:
    """Both detectors on every picture; a face that both find keeps the box of the first."""

    def __init__(self, first: Detector, second: Detector) -> None:
        self.name = f"{first.name} and {second.name}"
        self._first, self._second = first, second

    def detect(self, images: Sequence[RGB]) -> list[list[Detected]]:
        """The faces of each picture: those of the first detector, then what only the second one saw."""
        return [
            [*one, *(face for face in other if all(overlap(face.box, known.box) < _SAME_FACE for known in one))]
            for one, other in zip(self._first.detect(images), self._second.detect(images), strict=True)
        ]
