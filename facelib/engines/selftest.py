"""Whether the engine in use gives dlib's numbers on this machine: a second's worth of comparison for `facelib doctor`.

No photograph is shipped for it. A drawn pattern is no face, but all layers work on it, and their sum shows in the last one:
the encodings must be dlib's to 1e-5. The detector's own scores are compared in the tests, because dlib's take seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import platformdirs

from facelib.engines import dlib_native, dlib_onnx, weights

TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of it."""

    good: bool
    words: str


def compare(provider: str = "auto") -> Comparison:
    """Encode three patterns with dlib and with ONNX Runtime on `provider`. Raises `WeightsError`, `EngineError`."""
    rows, columns = np.mgrid[0:150, 0:150]
    patterns = [(rows * a + columns * b) % 256 for a, b in ((1, 2), (3, 1), (7, 5))]
    chips = np.stack([np.stack([p, p.T, 255 - p], axis=2) for p in patterns]).astype(np.uint8)
    cache = Path(platformdirs.user_cache_dir("facelib", appauthor=False))
    encoder = dlib_onnx.ResnetEncoder(weights.find(weights.RESNET), cache, mirror=False, provider=provider)
    difference = float(np.abs(encoder.encode(chips) - dlib_native.ResnetEncoder().encode(chips)).max())
    used = encoder.session
    words = f"encodings on {used.provider} are dlib's to {difference:.1e}"
    if used.warning:
        words += f" ({used.warning})"
    return Comparison(difference <= TOLERANCE and not used.warning, words)
