"""From options to an engine. The names in config.toml are given their meaning here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from facelib.config import DetectOptions
from facelib.errors import EngineError

if TYPE_CHECKING:  # the names of detectors are asked for in nights that need no numpy
    from facelib.engines.base import Detector, Engine


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
    from facelib.engines.dlib_native import FivePointLandmarks, ResnetEncoder

    return Engine(_detector(options), FivePointLandmarks(), ResnetEncoder())


def _detector(options: DetectOptions) -> Detector:
    from facelib.engines.dlib_native import CnnDetector, HogDetector
    from facelib.engines.policy import FirstThatFinds, Merged

    hog, cnn = HogDetector(options.hog_upsample), CnnDetector(options.cnn_upsample)
    policies: dict[str, Detector] = {
        "hog": hog,
        "cnn": cnn,
        "hog+cnn": FirstThatFinds(hog, cnn),
        "thorough": Merged(hog, cnn),
    }
    return policies[options.detector]
