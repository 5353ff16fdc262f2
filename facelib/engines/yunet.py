"""YuNet, OpenCV's face detector (Machine Intelligence Research 20, 2023), on ONNX Runtime: 230 kB, MIT licence.

The file is face_detection_yunet_2023mar.onnx of opencv/opencv_zoo. For each stride it has a class, an object score, a
box and five points for each place; how they are decoded is in OpenCV's modules/objdetect/src/face_detect.cpp.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facelib.engines.base import Detected
from facelib.engines.session import CURE, Floats
from facelib.engines.square import STRIDES, Candidates, Letter, SquareDetector, to_detected
from facelib.errors import WeightsError

THRESHOLD = 0.7  # OpenCV's 0.9 misses a fifth of the faces of our group photographs; see packs.py
NMS_IOU = 0.3  # OpenCV's

_KINDS = ("class", "object", "box", "points")


class YunetDetector(SquareDetector):
    """YuNet. Its landmarks are ARCFACE_POINTS, as SCRFD's."""

    role = "yunet"
    usual_threshold = THRESHOLD

    def _look(self, letter: Letter) -> list[Detected]:
        pixels = letter.pixels[:, :, ::-1].transpose(2, 0, 1).astype(np.float32)  # BGR, 0..255
        try:
            found = decode(self.model.run(pixels[None]), pixels.shape[1], self.threshold)
        except ValueError as error:
            raise WeightsError(self.weights, f"not YuNet ({error})", CURE) from error
        return to_detected(found.best(NMS_IOU), letter, "yunet")


def decode(outputs: Sequence[Floats], size: int, threshold: float) -> Candidates:
    """What the network's outputs say about a picture of `size` pixels.

    Class and object scores have one shape; their product is all that counts, so they need not be told apart. Raises
    ValueError, with the reason, where the outputs are not YuNet's.
    """
    if len(outputs) != len(_KINDS) * len(STRIDES):
        raise ValueError(f"it has {len(outputs)} outputs")
    boxes, scores, landmarks = [], [], []
    for stride in STRIDES:
        side = size // stride
        level = [one.reshape(-1, one.shape[-1]) for one in outputs if one.ndim == 3 and one.shape[1] == side * side]
        level.sort(key=lambda one: one.shape[1])
        if [one.shape[1] for one in level] != [1, 1, 4, 10]:
            raise ValueError(f"the outputs for the stride {stride} have the shapes {[one.shape for one in level]}")
        score = np.sqrt(level[0][:, 0].clip(0, 1) * level[1][:, 0].clip(0, 1))
        sure = np.flatnonzero(score >= threshold)
        places = np.stack([sure % side, sure // side], axis=1).astype(np.float32)
        out = level[2][sure]
        centres, halves = places + out[:, :2], np.exp(out[:, 2:]) / 2
        boxes.append(np.concatenate([centres - halves, centres + halves], axis=1) * np.float32(stride))
        scores.append(score[sure])
        # OpenCV names its points from the person's side ("right eye" first): that is InsightFace's order, in which the eye
        # on the picture's left is first. On our group photographs they lie within 2 px of SCRFD's.
        landmarks.append((level[3][sure].reshape(-1, 5, 2) + places[:, None]) * np.float32(stride))
    return Candidates(np.concatenate(boxes), np.concatenate(scores), np.concatenate(landmarks))
