"""From options to an engine. The names in config.toml are given their meaning here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from facelib.config import DetectOptions
from facelib.errors import EngineError

if TYPE_CHECKING:  # the names of detectors are asked for in nights that need no numpy
    from facelib.engines.base import Detector, Encoder, Engine


def detector_key(options: DetectOptions) -> str:
    """What stands in `detection.detector`: photos with a result under this name are not due. Loads no engine.

    The canvas is part of it, because a detector sees other faces on another one.
    """
    hog, cnn = f"hog-1 up={options.hog_upsample}", f"cnn-1 up={options.cnn_upsample}"
    names = {
        "hog": hog,
        "cnn": cnn,
        "hog+cnn": f"{hog}, else {cnn}",
        "thorough": f"{hog} and {cnn}",
        "fake": "fake-1",
    }
    if options.detector not in names:
        raise EngineError(f"there is no detector {options.detector!r}; there are {', '.join(sorted(names))}")
    return f"{names[options.detector]} @{options.canvas}"


def load(options: DetectOptions) -> Engine:
    """The engine that the options ask for; its models load when they are first used."""
    detector_key(options)  # an unknown name is refused with its cure
    from facelib.engines.base import Engine

    if options.detector == "fake":
        from facelib.engines.fake import FakeDetector, FakeEncoder, FakeLandmarks

        return Engine(FakeDetector(), FakeLandmarks(), FakeEncoder())
    from facelib.engines.dlib_native import FivePointLandmarks

    cnn, encoder = _networks(options)
    return Engine(_policy(options, cnn), FivePointLandmarks(), encoder)


def _networks(options: DetectOptions) -> tuple[Detector, Encoder]:
    """The two networks, on what the options say; the results are the same."""
    if options.engine == "dlib":
        from facelib.engines import dlib_native

        return dlib_native.CnnDetector(options.cnn_upsample), dlib_native.ResnetEncoder()
    from facelib.engines import dlib_onnx, weights

    cache = Path(platformdirs.user_cache_dir("facelib", appauthor=False))
    detector = dlib_onnx.CnnDetector(weights.find(weights.MMOD), cache, upsample=options.cnn_upsample)
    return detector, dlib_onnx.ResnetEncoder(weights.find(weights.RESNET), cache, mirror=False)


def _policy(options: DetectOptions, cnn: Detector) -> Detector:
    from facelib.engines.dlib_native import HogDetector
    from facelib.engines.policy import FirstThatFinds, Merged

    hog = HogDetector(options.hog_upsample)
    policies: dict[str, Detector] = {
        "hog": hog,
        "cnn": cnn,
        "hog+cnn": FirstThatFinds(hog, cnn),
        "thorough": Merged(hog, cnn),
    }
    return policies[options.detector]
