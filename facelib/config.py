"""config.toml as frozen options: one table per stage, every number somebody tuned with the reason beside it.

The same text is `config.example.toml`; a test holds the two together.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from types import UnionType
from typing import Any, get_args, get_type_hints

import platformdirs

from facelib.errors import ConfigError

MODELS = ("dlib-resnet-v1", "facenet")
RUNTIMES = ("onnx", "dlib")
METRICS = ("plda", "covariance", "variance", "deviation", "relative", "cosine", "euclid")
PROVIDERS = ("auto", "cpu", "cuda", "openvino", "directml", "coreml", "migraphx")
DETECTORS = ("cnn", "hog", "hog+cnn", "thorough", "mtcnn", "fake")  # the last is for tests


@dataclass(frozen=True, slots=True)
class WalkOptions:
    """[walk] Which files are looked at."""

    ignore: tuple[
        str, ...
    ] = ()  # globs with the rules of .gitignore, relative to each root; .facelibignore files add to them
    follow_symlinks: bool = False  # a link out of the library would index what the user did not ask for
    max_loss: float = 0.2  # a root that would lose a larger share of its files is reported and left as it was


@dataclass(frozen=True, slots=True)
class ImageOptions:
    """[images] How photographs are opened."""

    # Most pixels held at once, in millions; a JPEG is shrunk while it is decoded and counts as what is left. 128 is 400 MB
    # as RGB, reads every phone and camera there is, and refuses what was made to fill the memory.
    max_megapixels: float = 128.0


@dataclass(frozen=True, slots=True)
class DetectOptions:
    """[detect] How faces are found. Another detector, canvas or upsampling makes all photos due again."""

    # 'cnn'; 'hog'; 'hog+cnn': HOG, and CNN where HOG finds nothing; 'thorough': both, merged. On the 180 faces of our 27
    # group photographs, with these settings (`python -m bench policies`): hog and hog+cnn find 171 in 7 CPU-seconds, cnn
    # 176 in 15, and HOG with dlib's own encoder, the usual way, took 21. So cnn: missed faces cost a person's evenings.
    # Or the name of a pack (`facelib models`): SCRFD-500MF finds 178 in 1 CPU-second. 'mtcnn' (facelib[facenet]): 176 in 9.
    detector: str = "cnn"
    # Longest side, in pixels, of the picture that the detector sees. 1000 finds 161 of these faces, 1400 no more than 1200.
    canvas: int = 1200
    # Photos with a shorter longest side are enlarged to it: their faces may be under 40 px. Finds 178 instead of 176.
    min_canvas: int = 700
    hog_upsample: int = 1  # 0 misses half of the faces in group photographs, for a fifth of the time
    cnn_upsample: int = 1  # 0 sees faces from 80 px on the canvas instead of 40, and finds 90 of the 180
    # How fine the sizes are that the network looks for: each is (N - 1) / N of the one before. 6 is dlib's own and takes 40 %
    # longer than 4, which finds the same 176.
    cnn_pyramid: int = 4
    cnn_threshold: float = 0.0  # score that a face must exceed; dlib's own is 0


@dataclass(frozen=True, slots=True)
class EncodeOptions:
    """[encode] What makes the vector of a face. Faces without one of this model get it in the next scan."""

    model: str = "dlib-resnet-v1"  # 'facenet' (facelib[facenet]); or the name of a pack (`facelib models`)
    weights: str = ""  # the file of facenet's weights, which facelib does not bring along
    # The mean of the encodings of the face and of its mirror image: +5 ms per face, and at 1 % of strangers accepted .893
    # instead of .868 of the known faces are named (LFW). Without it the numbers are face_recognition's own.
    mirror: bool = True
    # A face narrower than this, in pixels of the picture that was searched, is encoded from a larger decode: the encoder's
    # own picture has 150 px, of which the box takes about 80.
    min_face: int = 80
    canvas: int = 4000  # longest side of that larger decode, which bounds its memory

    @property
    def name(self) -> str:
        """What stands in `encoding.model` for dlib's model."""
        return f"{self.model}+mirror" if self.mirror else self.model


@dataclass(frozen=True, slots=True)
class MatchOptions:
    """[match] How names are guessed."""

    # 'plda', 'covariance', 'variance', 'deviation' (standard deviation), 'euclid'; '': the one that does best with the model
    # (`python -m bench matching`), or from 1,000 labelled faces on the one that does best with yours.
    metric: str = ""
    wanted: float = 0.005  # share of strangers who may get a name: 1 in 200, found from your own labels
    suggested: float = 0.05  # share of strangers who may be suggested as somebody: you look at these


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """[engine] What computes the networks. The results are the same."""

    runtime: str = (
        "onnx"  # 'onnx': ONNX Runtime, 1/20 of dlib's CPU time; 'dlib': dlib itself, for those built with CUDA
    )
    provider: str = "auto"  # of ONNX Runtime; 'auto' takes the best that is installed


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """[workers] The processes that decode, detect and encode."""

    workers: int = 0  # 0: one for each processor
    recycle_after: int = (
        500  # photos until a worker is replaced: decoders leak on some files, and a fresh process does not
    )
    photo_timeout: float = (
        300.0  # seconds; a worker that needs longer for one photo is ended, and the photo is an error
    )


@dataclass(frozen=True, slots=True)
class Config:
    """All options. Each table has a class of its own."""

    database: str | None = None  # where the library is kept; --db and $FACELIB_DB go before
    walk: WalkOptions = field(default_factory=WalkOptions)
    images: ImageOptions = field(default_factory=ImageOptions)
    detect: DetectOptions = field(default_factory=DetectOptions)
    encode: EncodeOptions = field(default_factory=EncodeOptions)
    match: MatchOptions = field(default_factory=MatchOptions)
    engine: EngineOptions = field(default_factory=EngineOptions)
    workers: PoolOptions = field(default_factory=PoolOptions)
    # Which keys somebody set, 'detect.detector', whatever their values; no table of the file.
    given: frozenset[str] = field(default=frozenset(), compare=False)

    def database_path(self, option: str | None) -> str:
        """The database to use: --db, then $FACELIB_DB, then the config file, then the user's data folder."""
        chosen = option or os.environ.get("FACELIB_DB") or self.database
        if chosen is None:
            chosen = os.path.join(platformdirs.user_data_dir("facelib", appauthor=False), "facelib.db")
        return os.path.abspath(os.path.expanduser(chosen))


def default_path() -> str:
    """Where the configuration is looked for when --config does not say."""
    return os.path.join(platformdirs.user_config_dir("facelib", appauthor=False), "config.toml")


def load(path: str | None) -> Config:
    """Read the configuration; without a file at the default place, the defaults.

    Raises `ConfigError`, naming file and key, for everything that is not understood.
    """
    chosen = path or default_path()
    try:
        with open(chosen, "rb") as stream:
            text = stream.read().decode()
    except FileNotFoundError as error:
        if path is None:
            return Config()
        raise ConfigError(f"there is no configuration file {path}") from error
    except OSError as error:
        raise ConfigError(f"{chosen}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{chosen}: not UTF-8 at byte {error.start}; save it as UTF-8") from error
    return parse(text, chosen)


def parse(text: str, name: str) -> Config:
    """Options from the text of a config.toml; `name` is what errors call it."""
    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{name}: {error}") from error
    config: Config = _fill(Config(), tables, name, "")
    _check(config, name)
    return replace(config, given=frozenset(_keys(tables)))


def _keys(tables: dict[str, Any], table: str = "") -> Iterator[str]:
    """The keys of a TOML file with the tables that they stand in."""
    for key, value in tables.items():
        if isinstance(value, dict):
            yield from _keys(value, f"{table}{key}.")
        else:
            yield f"{table}{key}"


def _fill(options: Any, values: dict[str, Any], name: str, table: str) -> Any:
    """A copy of a dataclass with the values of a TOML table in it."""
    hints = get_type_hints(type(options))
    known = [one.name for one in fields(options) if one.compare]
    changed: dict[str, Any] = {}
    for key, value in values.items():
        where = f"{name}: {table}{key}"
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {table}{near[0]}?" if near else f"known are {', '.join(known)}"
            raise ConfigError(f"{where} is not known; {hint}")
        current = getattr(options, key)
        if hasattr(current, "__dataclass_fields__"):
            if not isinstance(value, dict):
                raise ConfigError(f"{where} is a table: write [{key}]")
            changed[key] = _fill(current, value, name, f"{key}.")
        else:
            changed[key] = _convert(value, hints[key], where)
    return replace(options, **changed)


def _convert(value: Any, kind: Any, where: str) -> Any:
    if isinstance(kind, UnionType):  # str | None
        kind = next(one for one in get_args(kind) if one is not type(None))
    if kind == tuple[str, ...]:
        if isinstance(value, list) and all(isinstance(one, str) for one in value):
            return tuple(value)
        raise ConfigError(f'{where} wants a list of texts, such as ["*.bak"]')
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        words = {int: "a whole number", float: "a number", bool: "true or false", str: "a text in quotes"}
        raise ConfigError(f"{where} wants {words[kind]}, not {value!r}")
    return value


def _check(config: Config, name: str) -> None:
    """Refuse numbers that make no sense, each by its name."""
    detect = config.detect
    wrong = {
        "walk.max_loss": (0 <= config.walk.max_loss <= 1, "between 0 and 1"),
        "images.max_megapixels": (config.images.max_megapixels >= 1, "at least 1"),
        "detect.detector": (bool(detect.detector), f"one of {', '.join(DETECTORS[:-1])}, or the name of a pack"),
        "detect.canvas": (200 <= detect.canvas <= 10_000, "between 200 and 10000"),
        "detect.min_canvas": (1 <= detect.min_canvas <= detect.canvas, "between 1 and detect.canvas"),
        "detect.hog_upsample": (detect.hog_upsample in (0, 1, 2), "0, 1 or 2"),
        "detect.cnn_upsample": (detect.cnn_upsample in (0, 1), "0 or 1"),
        "detect.cnn_pyramid": (detect.cnn_pyramid in (4, 5, 6), "4, 5 or 6"),
        "detect.cnn_threshold": (-1 <= detect.cnn_threshold <= 2, "between -1 and 2"),
        "encode.model": (bool(config.encode.model), f"{', '.join(MODELS)}, or the name of a pack"),
        "encode.min_face": (0 <= config.encode.min_face <= 500, "between 0 and 500"),
        "encode.canvas": (config.encode.canvas >= detect.canvas, "at least detect.canvas"),
        "match.metric": (config.match.metric in ("", *METRICS), f"one of {', '.join(METRICS)}, or empty"),
        "match.wanted": (0 < config.match.wanted <= 0.5, "more than 0 and at most 0.5"),
        "match.suggested": (config.match.wanted <= config.match.suggested <= 0.9, "between match.wanted and 0.9"),
        "engine.runtime": (config.engine.runtime in RUNTIMES, f"one of {', '.join(RUNTIMES)}"),
        "engine.provider": (config.engine.provider in PROVIDERS, f"one of {', '.join(PROVIDERS)}"),
        "workers.workers": (0 <= config.workers.workers <= 1024, "between 0 (one for each processor) and 1024"),
        "workers.recycle_after": (config.workers.recycle_after >= 1, "at least 1"),
        "workers.photo_timeout": (0 < config.workers.photo_timeout <= 86_400, "more than 0 seconds and at most 86400"),
    }
    for key, (good, words) in wrong.items():
        if not good:
            raise ConfigError(f"{name}: {key} must be {words}")
