"""From options to an engine. The names in config.toml are given their meaning here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from facelib.config import DETECTORS, MODELS, Config, DetectOptions, EncodeOptions, EngineOptions
from facelib.engines import facenet, packs
from facelib.engines.packs import Pack
from facelib.errors import ConfigError, EngineError, UsageError
from facelib.models import DLIB_POINTS

DLIB, FACENET = MODELS

if TYPE_CHECKING:  # the names of detectors are asked for in nights that need no numpy
    from facelib.engines.arcface import ArcfaceEncoder
    from facelib.engines.base import Detector, Encoder, Engine, Landmarker


def detector_key(options: DetectOptions) -> str:
    """What stands in `detection.detector`: photos with a result under this name are not due. Loads no engine.

    The canvas is part of it, because a detector sees other faces on another one. Raises `ConfigError` for a name that is
    neither a detector nor an installed pack, `WeightsError` for a pack without a detector.
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
        "mtcnn": facenet.detector_name(),
        "fake": "fake-1",
    }
    name = names.get(options.detector) or packs.detector_name(_pack(options.detector, "detector", DETECTORS[:-1]))
    return f"{name} @{options.min_canvas}-{options.canvas}"


def encoder_key(detect: DetectOptions, encode: EncodeOptions) -> str:
    """What stands in `encoding.model`: faces with an encoding under this name are not due. Raises as `detector_key`."""
    if detect.detector == "fake":
        return "fake"
    if encode.model == DLIB:
        return encode.name
    if encode.model == FACENET:
        return facenet.encoder_name(_weights(encode))
    return packs.encoder_name(_pack(encode.model, "model", MODELS))


def with_model(encode: EncodeOptions, name: str) -> EncodeOptions:
    """The options for a model by the name that stands in the database, or that of a pack. Raises as `encoder_key`."""
    if name in (DLIB, f"{DLIB}+mirror"):
        return replace(encode, model=DLIB, mirror=name != DLIB)
    if name != FACENET:
        _pack(name, "model", (DLIB, f"{DLIB}+mirror", FACENET))
    return replace(encode, model=name)


def settled(config: Config) -> Config:
    """The options with what follows from others: dlib's own network has dlib's own pyramid."""
    if config.engine.runtime == "dlib" and "detect.cnn_pyramid" not in config.given:
        return replace(config, detect=replace(config.detect, cnn_pyramid=6))
    return config


def notices(config: Config) -> list[str]:
    """What has to be said to whoever uses these options: licences of packs; and that an installed pack would do better."""
    used = [name for name in (config.detect.detector, config.encode.model) if name not in (*DETECTORS, *MODELS)]
    folder = packs.models_folder()
    said = [notice for name in dict.fromkeys(used) if (notice := packs.open_pack(name, folder).notice)]
    if not used and not config.given & {"detect.detector", "encode.model"}:
        better = [name for name in packs.names(folder) if _is_whole(folder, name)]
        if better:
            said.append(
                f"the pack {better[0]} is installed and not used: it is faster and tells people apart better; to use it, set"
                f' detector = "{better[0]}" in [detect] and model = "{better[0]}" in [encode] of config.toml'
            )
    return said


def load(detect: DetectOptions, encode: EncodeOptions, engine: EngineOptions) -> Engine:
    """The engine that the options ask for; its models load when they are first used.

    Raises `ConfigError` for names that are not known, `EngineError` for what cannot run here.
    """
    detector_key(detect), encoder_key(detect, encode)  # unknown names are refused with their cure
    from facelib.engines.base import Engine

    if detect.detector == "fake":
        from facelib.engines.fake import FakeDetector, FakeEncoder, FakeLandmarks

        return Engine(FakeDetector(), FakeLandmarks(), FakeEncoder(), "fake")
    detector = _detector(detect, engine)
    encoder, says = _encoder(encode, engine)
    return Engine(detector, _landmarker(encoder, detect, encode, engine, detector), encoder, says)


def _detector(detect: DetectOptions, engine: EngineOptions) -> Detector:
    if detect.detector not in DETECTORS:
        pack = _pack(detect.detector, "detector", DETECTORS[:-1])
        return packs.load_detector(pack, provider=engine.provider)
    if detect.detector == "mtcnn":
        return facenet.MtcnnDetector(provider=engine.provider)
    from facelib.engines.dlib_native import HogDetector
    from facelib.engines.policy import FirstThatFinds, Merged

    hog = HogDetector(detect.hog_upsample)
    if detect.detector == "hog":
        return hog
    cnn = _cnn(detect, engine)
    policies: dict[str, Detector] = {"cnn": cnn, "hog+cnn": FirstThatFinds(hog, cnn), "thorough": Merged(hog, cnn)}
    return policies[detect.detector]


def _cnn(detect: DetectOptions, engine: EngineOptions) -> Detector:
    """dlib's detection network on what the options say; the results are the same."""
    if engine.runtime == "dlib":
        from facelib.engines import dlib_native

        if detect.cnn_pyramid != 6 or detect.cnn_threshold:
            raise EngineError("dlib's own network has detect.cnn_pyramid = 6 and cnn_threshold = 0 only; set them so")
        return dlib_native.CnnDetector(detect.cnn_upsample)
    from facelib.engines import dlib_onnx, weights

    return dlib_onnx.CnnDetector(
        weights.find(weights.MMOD),
        _cache(),
        upsample=detect.cnn_upsample,
        threshold=detect.cnn_threshold,
        pyramid=detect.cnn_pyramid,
        provider=engine.provider,
    )


def _encoder(encode: EncodeOptions, engine: EngineOptions) -> tuple[Encoder, str]:
    """The encoder, and what computes. Its session opens now: whether a provider refuses is known only then."""
    if encode.model == FACENET:
        return facenet.FacenetEncoder(_weights(encode), provider=engine.provider), facenet.choose(engine.provider).says
    if encode.model == DLIB and engine.runtime == "dlib":
        from facelib.engines import dlib_native

        return dlib_native.ResnetEncoder(encode.mirror), f"dlib {dlib_native.version()}"
    from facelib.engines import dlib_onnx, providers, weights

    encoder: dlib_onnx.ResnetEncoder | ArcfaceEncoder
    if encode.model == DLIB:
        path = weights.find(weights.RESNET)
        encoder = dlib_onnx.ResnetEncoder(path, _cache(), mirror=encode.mirror, provider=engine.provider)
    else:
        encoder = packs.load_encoder(_pack(encode.model, "model", MODELS), provider=engine.provider)
    used = encoder.session
    says = f"ONNX Runtime {providers.version()}, {used.provider}"
    return encoder, f"{says} ({used.warning})" if used.warning else says


def _landmarker(
    encoder: Encoder, detect: DetectOptions, encode: EncodeOptions, engine: EngineOptions, detector: Detector
) -> Landmarker:
    """What finds the points that the encoder aligns by, in faces that come without them."""
    if encoder.landmark_kind == DLIB_POINTS:
        from facelib.engines.dlib_native import FivePointLandmarks

        return FivePointLandmarks()
    from facelib.engines.arcface import DetectorLandmarks

    if detect.detector not in DETECTORS or detect.detector == "mtcnn":
        return DetectorLandmarks(detector)  # it gives them itself, but not for boxes that somebody drew
    if encode.model == FACENET:
        return DetectorLandmarks(facenet.MtcnnDetector(provider=engine.provider))
    pack = _pack(encode.model, "model", MODELS)
    if pack.detector is None:
        raise EngineError(
            f"the pack {pack.name} has no face detector, and without one its encoder does not know where eyes and mouth are:"
            " add a pack that has both, or choose a detector that gives landmarks"
        )
    return DetectorLandmarks(packs.load_detector(pack, provider=engine.provider))


def _weights(encode: EncodeOptions) -> Path | None:
    return Path(encode.weights).expanduser() if encode.weights else None


def _cache() -> Path:
    return Path(platformdirs.user_cache_dir("facelib", appauthor=False))


def _pack(name: str, kind: str, known: tuple[str, ...]) -> Pack:
    """The installed pack of this name. Raises `ConfigError` naming all that could have been meant."""
    folder = packs.models_folder()
    try:
        return packs.open_pack(name, folder)
    except UsageError as error:
        there = [*known, *packs.names(folder)]
        raise ConfigError(
            f"there is no {kind} {name!r}; there are {', '.join(there)}; packs: facelib models"
        ) from error


def _is_whole(folder: Path, name: str) -> bool:
    pack = packs.open_pack(name, folder)
    return pack.detector is not None and pack.encoder is not None
