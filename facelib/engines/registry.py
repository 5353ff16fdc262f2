"""From options to an engine. The names in config.toml are given their meaning here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from facelib.config import DetectOptions, EncodeOptions, EngineOptions
from facelib.errors import EngineError

if TYPE_CHECKING:  # the names of detectors are asked for in nights that need no numpy
    from facelib.engines.base import Detector, Encoder, Engine


def detector_key(options: DetectOptions) -> str:
    """What stands in `detection.detector`: photos with a result under this name are not due. Loads no engine.

    The canvas is part of it, because a detector sees other faces on another one.
    """
    hog, cnn = f"hog-1 up={options.hog_upsample}", f"cnn-1 up={options.cnn_upsample}"
    if options.cnn_pyramid != 6:
        cnn += f" pyramid={options.cnn_pyramid}"
    if options.cnn_threshold:
        cnn += f" over={options.cnn_threshold:g}"
    names = {
        "hog": hog,
        "cnn": cnn,
        "hog+cnn": f"{hog}, else {cnn}",
        "thorough": f"{hog} and {cnn}",
        "fake": "fake-1",
    }
    if options.detector not in names:
        raise EngineError(f"there is no detector {options.detector!r}; there are {', '.join(sorted(names))}")
    return f"{names[options.detector]} @{options.min_canvas}-{options.canvas}"


def encoder_key(detect: DetectOptions, encode: EncodeOptions) -> str:
    """What stands in `encoding.model`: faces with an encoding under this name are not due."""
    return "fake" if detect.detector == "fake" else encode.name


def load(detect: DetectOptions, encode: EncodeOptions, engine: EngineOptions) -> Engine:
    """The engine that the options ask for; its models load when they are first used.

    Raises `EngineError` for names that are not known and providers that are not installed.
    """
    detector_key(detect)  # an unknown name is refused with its cure
    from facelib.engines.base import Engine

    if detect.detector == "fake":
        from facelib.engines.fake import FakeDetector, FakeEncoder, FakeLandmarks

        return Engine(FakeDetector(), FakeLandmarks(), FakeEncoder(), "fake")
    from facelib.engines.dlib_native import FivePointLandmarks

    cnn, encoder, says = _networks(detect, encode, engine)
    return Engine(_policy(detect, cnn), FivePointLandmarks(), encoder, says)


def _networks(detect: DetectOptions, encode: EncodeOptions, engine: EngineOptions) -> tuple[Detector, Encoder, str]:
    """The two networks on what the options say, and what that is; the results are the same."""
    if engine.runtime == "dlib":
        from facelib.engines import dlib_native

        if detect.detector != "hog" and (detect.cnn_pyramid != 6 or detect.cnn_threshold):
            raise EngineError("dlib's own network has detect.cnn_pyramid = 6 and cnn_threshold = 0 only; set them so")
        cnn = dlib_native.CnnDetector(detect.cnn_upsample)
        return cnn, dlib_native.ResnetEncoder(encode.mirror), f"dlib {dlib_native.version()}"
    from facelib.engines import dlib_onnx, providers, weights

    cache = Path(platformdirs.user_cache_dir("facelib", appauthor=False))
    detector = dlib_onnx.CnnDetector(
        weights.find(weights.MMOD),
        cache,
        upsample=detect.cnn_upsample,
        threshold=detect.cnn_threshold,
        pyramid=detect.cnn_pyramid,
        provider=engine.provider,
    )
    encoder = dlib_onnx.ResnetEncoder(
        weights.find(weights.RESNET), cache, mirror=encode.mirror, provider=engine.provider
    )
    # The encoder's session opens now: whether a provider refuses is known only then.
    used = encoder.session
    says = f"ONNX Runtime {providers.version()}, {used.provider}"
    return detector, encoder, f"{says} ({used.warning})" if used.warning else says


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
