"""SCRFD, InsightFace's face detector (arXiv 2105.04714), from any of its ONNX files, with or without landmarks.

The network looks at a square picture with three strides; at each place it has two anchors, and says for each a score,
the distances from the place to the four sides, and perhaps five points. The three kinds of output are told apart by their
shapes, because each export has names of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facelib.engines.base import Detected
from facelib.engines.session import CURE, Floats
from facelib.engines.square import STRIDES, Candidates, Letter, SquareDetector, to_detected
from facelib.errors import WeightsError

THRESHOLD = 0.5  # InsightFace's
NMS_IOU = 0.4  # InsightFace's

# How the network wants its pixels: (value - 127.5) / 128, RGB.
_MEAN, _SCALE = np.float32(127.5), np.float32(1 / 128)


class ScrfdDetector(SquareDetector):
    """SCRFD, whose files may or may not give landmarks."""

    role = "scrfd"
    usual_threshold = THRESHOLD

    def _look(self, letter: Letter) -> list[Detected]:
        pixels = letter.pixels.transpose(2, 0, 1).astype(np.float32)
        pixels -= _MEAN
        pixels *= _SCALE
        try:
            found = decode(self.model.run(pixels[None]), pixels.shape[1], self.threshold)
        except ValueError as error:
            raise WeightsError(self.weights, f"not an SCRFD detector ({error})", CURE) from error
        return to_detected(found.best(NMS_IOU), letter, "scrfd")


def decode(outputs: Sequence[Floats], size: int, threshold: float) -> Candidates:
    """What the network's outputs say about a picture of `size` pixels.

    Raises ValueError, with the reason, where the outputs are not SCRFD's.
    """
    levels: dict[int, list[Floats]] = {1: [], 4: [], 10: []}
    for output in outputs:
        if output.ndim not in (2, 3) or output.shape[-1] not in levels:
            raise ValueError(f"an output has the shape {output.shape}")
        levels[output.shape[-1]].append(output.reshape(-1, output.shape[-1]))
    for kind in levels.values():
        kind.sort(key=len, reverse=True)  # the finest stride has most places
    if len(levels[1]) != len(STRIDES) or len(levels[4]) != len(STRIDES) or len(levels[10]) not in (0, len(STRIDES)):
        raise ValueError(f"it has {len(outputs)} outputs")
    boxes, scores, landmarks = [], [], []
    for level, stride in enumerate(STRIDES):
        score, distances = levels[1][level][:, 0], levels[4][level]
        side = size // stride
        anchors, rest = divmod(len(score), side * side)
        if rest or not anchors or any(len(kind[level]) != len(score) for kind in levels.values() if kind):
            raise ValueError(f"it has {len(score)} places with the stride {stride}")
        sure = np.flatnonzero(score >= threshold)
        place = sure // anchors
        centres = np.stack([place % side, place // side], axis=1).astype(np.float32) * stride
        out = distances[sure] * np.float32(stride)
        boxes.append(np.concatenate([centres - out[:, :2], centres + out[:, 2:]], axis=1))
        scores.append(score[sure])
        if levels[10]:
            points = levels[10][level][sure].reshape(-1, 5, 2) * np.float32(stride)
            landmarks.append(points + centres[:, None])
    return Candidates(np.concatenate(boxes), np.concatenate(scores), np.concatenate(landmarks) if landmarks else None)
