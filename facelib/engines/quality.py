"""How good a face is for recognition: size, sharpness, how frontal, exposure; each 0..1.

Measured on the aligned chip, so that faces of all sizes and turns are judged alike. It weighs centroids and orders
portraits; it never hides a face.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from facelib.engines.base import RGB
from facelib.models import DLIB_POINTS, Quality

# Width of a face, in pixels of the full-size photo, from which more pixels do not help: the encoder's chip shows the box
# in about 80 of its 150 pixels. Below a quarter of it nothing can be recognised.
_ENOUGH_PIXELS = 80.0
_TOO_FEW_PIXELS = 20.0
# Variance of the Laplacian at which a face is half sharp, on chips that show it in as many pixels as dlib's do. LFW's faces,
# from small JPEGs, have a median of 35 there, and of 128 on ArcFace's chips, which show the same in 112 pixels.
_HALF_SHARP = 60.0
_SHARPER = {112: 3.65}  # chip size -> how much larger the variance of the same face is
# Nose off the middle between the eyes, in distances between them, at which a face is half in profile.
_HALF_PROFILE = 0.35


def measure(chip: RGB, landmarks: NDArray[np.float32], kind: str, width: float) -> Quality:
    """Judge one face by its aligned chip, its landmarks of this kind (in any frame) and its width in the full-size photo."""
    grey = chip.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    return Quality(
        size=_unit((width - _TOO_FEW_PIXELS) / (_ENOUGH_PIXELS - _TOO_FEW_PIXELS)),
        sharpness=_sharpness(grey),
        frontal=_frontal(landmarks, kind),
        exposure=_exposure(grey),
    )


def unseen(quality: Quality) -> Quality:
    """The same for a face that no detector sees: whatever the chip shows, it says little about who it is."""
    return replace(quality, sharpness=0.01, frontal=0.01)


def _unit(value: float) -> float:
    """Clipped to 0.01..1, so that one bad part does not erase the order of the others in the product."""
    return float(min(max(value, 0.01), 1.0))


def _sharpness(grey: NDArray[np.float32]) -> float:
    """Variance of the Laplacian (Pech-Pacheco et al., ICPR 2000), squashed to 0..1."""
    laplacian = grey[1:-1, :-2] + grey[1:-1, 2:] + grey[:-2, 1:-1] + grey[2:, 1:-1] - 4 * grey[1:-1, 1:-1]
    variance = float(laplacian.var()) / _SHARPER.get(grey.shape[0], 1.0)
    return _unit(variance / (variance + _HALF_SHARP))


def _frontal(landmarks: NDArray[np.float32], kind: str) -> float:
    """1 when the nose is in the middle between the eyes, along the line through them; falls off to both profiles."""
    if kind == DLIB_POINTS:
        one, other, nose = landmarks[0:2].mean(axis=0), landmarks[2:4].mean(axis=0), landmarks[4]
    else:
        one, other, nose = landmarks[0:3]
    eyes = other - one
    distance = float(np.hypot(*eyes))
    if distance < 1e-6:
        return 0.01
    along = float((nose - (one + other) / 2) @ eyes) / distance**2
    return _unit(1.0 / (1.0 + (along / _HALF_PROFILE) ** 2))


def _exposure(grey: NDArray[np.float32]) -> float:
    """1 for a mid-grey face with contrast and nothing burnt or drowned."""
    face = grey[grey.shape[0] // 6 : -grey.shape[0] // 6 or None, grey.shape[1] // 6 : -grey.shape[1] // 6 or None]
    brightness = 1.0 - abs(float(face.mean()) - 127.5) / 127.5
    contrast = min(float(face.std()) / 40.0, 1.0)  # 40 grey levels: the median face of LFW
    lost = float(((face < 4) | (face > 251)).mean())
    return _unit(min(brightness * 2, 1.0) * contrast * (1.0 - lost))
