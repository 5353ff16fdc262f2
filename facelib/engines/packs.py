"""Packs: folders of model files in the user's data folder, what is in them, and under which licence.

A pack is a folder of ONNX files with a list, `pack.json`, of what was put there; a folder without one, such as InsightFace's
own `~/.insightface/models/buffalo_l`, is looked through instead. Files that are known are recognised by their SHA-256, all
others by the shapes of their inputs and outputs.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from facelib.config import DETECTORS as POLICIES
from facelib.config import MODELS
from facelib.engines.unpack import copy_folder, to_disk, told, unpack
from facelib.errors import UsageError, WeightsError

if TYPE_CHECKING:  # packs are listed without numpy and ONNX Runtime
    from facelib.engines.arcface import ArcfaceEncoder
    from facelib.engines.base import Detector
    from facelib.engines.session import Shape

LIST = "pack.json"
_LIST_VERSION = 1

# Two kinds of detector, the better first, the encoder, and what facelib keeps but does not run.
DETECTORS = ("scrfd", "yunet")
ENCODER = "arcface"
EXTRA = "extra"
ROLES = (*DETECTORS, ENCODER, EXTRA)

# What the detectors of packs are run with. Their publishers' own, but for YuNet's score: at OpenCV's 0.9 it finds 143 of the
# 180 faces of our group photographs, at 0.7 178, with no false one; at 0.6 there is one.
_INPUT_SIZE = 640
_THRESHOLDS = {"scrfd": 0.5, "yunet": 0.7}

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_STAGING = ".new-"
_ABANDONED = 86400.0  # seconds

_FREE = ("MIT", "Apache-2.0")
_RESEARCH = "for non-commercial research only (InsightFace's terms for its models)"
NO_LICENCE = "not known to facelib: ask whoever made it"


@dataclass(frozen=True, slots=True)
class Known:
    """A published file."""

    file: str
    role: str
    publisher: str
    licence: str
    what: str
    dimensions: int = 0  # of an encoder's vectors


_INSIGHTFACE = ("InsightFace", _RESEARCH)
_OPENCV = "OpenCV Zoo"

# By SHA-256.
KNOWN: dict[str, Known] = {
    "5e4447f50245bbd7966bd6c0fa52938c61474a04ec7def48753668a9d8b4ea3a": Known(
        "det_500m.onnx", "scrfd", *_INSIGHTFACE, "SCRFD-500MF, detector with landmarks"
    ),
    "5838f7fe053675b1c7a08b633df49e7af5495cee0493c7dcf6697200b85b5b91": Known(
        "det_10g.onnx", "scrfd", *_INSIGHTFACE, "SCRFD-10GF, detector with landmarks"
    ),
    "9cc6e4a75f0e2bf0b1aed94578f144d15175f357bdc05e815e5c4a02b319eb4f": Known(
        "w600k_mbf.onnx", ENCODER, *_INSIGHTFACE, "MobileFaceNet trained on WebFace600K", 512
    ),
    "4c06341c33c2ca1f86781dab0e829f88ad5b64be9fba56e56bc9ebdefc619e43": Known(
        "w600k_r50.onnx", ENCODER, *_INSIGHTFACE, "ResNet-50 trained on WebFace600K", 512
    ),
    "4fde69b1c810857b88c64a335084f1c3fe8f01246c9a191b48c7bb756d6652fb": Known(
        "genderage.onnx", EXTRA, *_INSIGHTFACE, "age and sex"
    ),
    "f001b856447c413801ef5c42091ed0cd516fcd21f2d6b79635b1e733a7109dbf": Known(
        "2d106det.onnx", EXTRA, *_INSIGHTFACE, "106 landmarks"
    ),
    "df5c06b8a0c12e422b2ed8947b8869faa4105387f199c477af038aa01f9a45cc": Known(
        "1k3d68.onnx", EXTRA, *_INSIGHTFACE, "68 landmarks in space"
    ),
    "0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79": Known(
        "face_recognition_sface_2021dec.onnx", ENCODER, _OPENCV, "Apache-2.0", "SFace", 128
    ),
    "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4": Known(
        "face_detection_yunet_2023mar.onnx", "yunet", _OPENCV, "MIT", "YuNet, detector with landmarks"
    ),
    "b7120c095d60094f28a4a54ba6a8bf51b297a6273fb40ef6350dfec1f63d9507": Known(
        "MobileFaceNet.onnx", ENCODER, "publisher not recorded", "Apache-2.0", "MobileFaceNet", 128
    ),
}


@dataclass(frozen=True, slots=True)
class Item:
    """One file of a pack."""

    file: str
    sha256: str
    size: int  # bytes
    role: str
    dimensions: int = 0  # of an encoder's vectors

    @property
    def known(self) -> Known | None:
        """What is known about a file with these bytes."""
        return KNOWN.get(self.sha256)

    @property
    def licence(self) -> str:
        """Under which terms it may be used."""
        return self.known.licence if self.known else NO_LICENCE

    @property
    def what(self) -> str:
        """What it is, for a person."""
        if self.known:
            return f"{self.known.what} ({self.known.publisher})"
        words = {ENCODER: f"encoder, {self.dimensions} numbers", EXTRA: "not used by facelib"}
        return words.get(self.role, f"detector of the kind {self.role}")


@dataclass(frozen=True, slots=True)
class Pack:
    """A folder of model files."""

    name: str
    folder: Path
    items: tuple[Item, ...]

    @property
    def detector(self) -> Item | None:
        """The file that finds faces: SCRFD before YuNet, and the first by name."""
        return next((item for role in DETECTORS for item in self.items if item.role == role), None)

    @property
    def encoder(self) -> Item | None:
        """The file that encodes them."""
        return next((item for item in self.items if item.role == ENCODER), None)

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(item.size for item in self.items)

    @property
    def licences(self) -> dict[str, list[str]]:
        """The files under each licence."""
        found: dict[str, list[str]] = {}
        for item in self.items:
            found.setdefault(item.licence, []).append(item.file)
        return found

    @property
    def free(self) -> bool:
        """Whether everybody may use all of it for everything."""
        return set(self.licences) <= set(_FREE)

    @property
    def notice(self) -> str | None:
        """What has to be said before the pack is used; None where there is nothing to say."""
        bound = [f"{', '.join(files)}: {licence}" for licence, files in self.licences.items() if licence not in _FREE]
        return f"licence of the pack {self.name}: {'; '.join(bound)}" if bound else None


def models_folder() -> Path:
    """Where packs are kept: `models` in the user's data folder."""
    return Path(platformdirs.user_data_dir("facelib", appauthor=False)) / "models"


def names(folder: Path) -> list[str]:
    """The packs below `folder`, sorted."""
    if not folder.is_dir():
        return []
    with told(folder):
        return sorted(entry.name for entry in folder.iterdir() if _NAME.fullmatch(entry.name) and entry.is_dir())


def open_pack(name: str, folder: Path) -> Pack:
    """The pack of this name below `folder`. Reads its list, not its files; raises `UsageError`, `WeightsError`."""
    if name not in names(folder):
        there = ", ".join(names(folder)) or "none yet"
        raise UsageError(f"there is no pack {name!r} in {folder}; there are: {there}")
    return read(folder / name)


def read(folder: Path) -> Pack:
    """The pack in a folder: by its list, else by looking through its ONNX files. Raises `WeightsError`."""
    place = folder / LIST
    try:
        text = place.read_text(encoding="utf-8")
    except FileNotFoundError:
        return examine(folder.name, folder)
    except (OSError, UnicodeDecodeError) as error:
        raise WeightsError(place, f"cannot be read: {error}", _again(folder.name)) from error
    try:
        content = json.loads(text)
        items = tuple(Item(**values) for values in content["files"])
        sound = content["version"] == _LIST_VERSION and all(_is_sound(item) for item in items) and items
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise WeightsError(place, "damaged", _again(folder.name)) from error
    if not sound:
        raise WeightsError(place, "damaged, or from a newer facelib", _again(folder.name))
    return Pack(folder.name, folder, items)


def examine(name: str, folder: Path, pinned: Collection[str] | None = None) -> Pack:
    """What is in a folder of ONNX files. Opens those that are not known; raises `WeightsError` where one is of no use.

    With `pinned`, SHA-256 digests, every file has to have one of them, and none is opened before that is certain.
    """
    with told(folder):
        paths = sorted(entry for entry in folder.iterdir() if entry.suffix.lower() == ".onnx" and entry.is_file())
    items = []
    for path in paths:
        with told(path):
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            size = path.stat().st_size
        if pinned is not None and digest not in pinned:
            raise WeightsError(path, f"its SHA-256, {digest[:12]}..., is not the one that was published", "report it")
        if known := KNOWN.get(digest):
            items.append(Item(path.name, digest, size, known.role, known.dimensions))
        else:
            _must_not_pose(path, digest)
            role, dimensions = _recognise(path, digest)
            items.append(Item(path.name, digest, size, role, dimensions))
    if not any(item.role != EXTRA for item in items):
        cure = "name a folder or zip with *.onnx files of an InsightFace pack, such as buffalo_l"
        raise WeightsError(folder, "there is no face detector and no encoder in it", cure)
    return Pack(name, folder, tuple(items))


def verify(pack: Pack) -> list[WeightsError]:
    """What is wrong with a pack's files: every byte is read and compared with the list."""
    problems = []
    for item in pack.items:
        path = pack.folder / item.file
        try:
            with path.open("rb") as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
                size = stream.tell()
        except FileNotFoundError:
            problems.append(WeightsError(path, "is missing", _again(pack.name)))
        except OSError as error:
            problems.append(WeightsError(path, f"cannot be read: {error.strerror}", _again(pack.name)))
        else:
            if size < item.size:
                problems.append(WeightsError(path, f"cut off: {size} of {item.size} bytes", _again(pack.name)))
            elif found != item.sha256:
                what = f"damaged or another file: its SHA-256 is {found[:12]}..., not {item.sha256[:12]}..."
                problems.append(WeightsError(path, what, _again(pack.name)))
    return problems


def remove(pack: Pack) -> None:
    """Delete a pack's folder with everything in it. It is no pack any more before its first file goes."""
    with told(pack.folder):
        doomed = Path(tempfile.mkdtemp(prefix=_STAGING, dir=pack.folder.parent))
        os.replace(pack.folder, doomed / pack.name)
        shutil.rmtree(doomed)


# ------------------------------------------------------------------------------------------------------------ adding


def check_name(name: str, folder: Path) -> str:
    """The name itself. Raises `UsageError` where a pack cannot have it or one has it already."""
    if name in (*POLICIES, *MODELS):
        raise UsageError(f"{name} is a name of facelib's own; give the pack another one (--name)")
    if not _NAME.fullmatch(name):
        raise UsageError(f"a pack cannot be called {name!r}; use letters, digits, '.', '_' and '-' (--name)")
    if os.path.lexists(folder / name):
        raise UsageError(f"there is a pack {name} in {folder} already; remove it first: facelib models remove {name}")
    return name


def default_name(source: Path) -> str:
    """What a pack from this folder or zip is called unless somebody says otherwise."""
    name = source.resolve().name
    return name[:-4] if name.lower().endswith(".zip") else name


@contextlib.contextmanager
def staged(source: Path, name: str, folder: Path, pinned: Collection[str] | None = None) -> Iterator[Pack]:
    """A copy of the ONNX files in a folder or zip, beside the packs and not yet one; gone after the block unless installed.

    `pinned` is as for `examine`.

    Raises `UsageError` where there is no such source or the name is taken, `WeightsError` naming the file that is wrong.
    """
    check_name(name, folder)
    with told(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        # Hidden, and on the same disk, so that becoming a pack is one rename.
        place = Path(tempfile.mkdtemp(prefix=_STAGING, dir=folder))
    try:
        if source.is_dir():
            copy_folder(source, place)
        elif source.is_file():
            unpack(source, place)
        else:
            raise UsageError(f"{source}: there is no such folder or zip file")
        try:
            pack = examine(name, place, pinned)
        except WeightsError as error:  # the user knows the source, not the copy
            path = source if error.path == place else source / error.path.name
            raise WeightsError(path, *error.args[1:]) from error
        yield pack
    finally:
        shutil.rmtree(place, ignore_errors=True)


def install(pack: Pack, folder: Path) -> Pack:
    """Make a staged pack one of those below `folder`: its list is written, everything is on the disk, then it is renamed."""
    check_name(pack.name, folder)
    content = {"version": _LIST_VERSION, "files": [asdict(item) for item in pack.items]}
    target = folder / pack.name
    with told(target):
        with (pack.folder / LIST).open("w", encoding="utf-8") as stream:
            json.dump(content, stream, indent=1)
            to_disk(stream)
        pack.folder.chmod(0o755)  # temporary folders are their owner's only
        os.rename(pack.folder, target)
        directory = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    return replace(pack, folder=target)


def _sweep(folder: Path) -> None:
    """Delete what a run that was killed left behind: it has been lying there for a day, so nobody is at it."""
    for left in folder.glob(f"{_STAGING}*"):
        if time.time() - left.stat().st_mtime > _ABANDONED:
            shutil.rmtree(left, ignore_errors=True)


# ------------------------------------------------------------------------------------------------ what a file is


def detector_name(pack: Pack, *, size: int | None = None) -> str:
    """The name of what `load_detector` loads, without loading anything; a test holds the two equal."""
    item = _needed(pack, pack.detector, "face detector")
    return f"{item.role}-{item.sha256[:12]} in={size or _INPUT_SIZE} score={_THRESHOLDS[item.role]:g}"


def encoder_name(pack: Pack) -> str:
    """The name of what `load_encoder` loads, likewise."""
    return f"{ENCODER}-{_needed(pack, pack.encoder, 'encoder').sha256[:12]}"


def load_detector(pack: Pack, *, size: int | None = None, provider: str = "cpu") -> Detector:
    """The pack's detector; `size` is the side of the picture it looks at, where that is not the usual one."""
    from facelib.engines.scrfd import ScrfdDetector
    from facelib.engines.yunet import YunetDetector

    item = _needed(pack, pack.detector, "face detector")
    made = ScrfdDetector if item.role == "scrfd" else YunetDetector
    path, threshold = pack.folder / item.file, _THRESHOLDS[item.role]
    return made(path, digest=item.sha256, size=size or _INPUT_SIZE, threshold=threshold, provider=provider)


def load_encoder(pack: Pack, *, provider: str = "cpu") -> ArcfaceEncoder:
    """The pack's encoder."""
    from facelib.engines.arcface import ArcfaceEncoder

    item = _needed(pack, pack.encoder, "encoder")
    path = pack.folder / item.file
    return ArcfaceEncoder(path, digest=item.sha256, dimensions=item.dimensions or None, provider=provider)


def _needed(pack: Pack, item: Item | None, what: str) -> Item:
    if item is None:
        raise WeightsError(pack.folder, f"there is no {what} in it", "choose a pack with one")
    return item


def _recognise(path: Path, digest: str) -> tuple[str, int]:
    """Role and length of the vectors of a file that is not known, by its shapes."""
    from facelib.engines import arcface, session

    model = session.load(path, digest)
    if length := arcface.vector_length(model):
        return ENCODER, length
    role = _role(model.input_shape, model.output_shapes)
    if role is None:
        raise WeightsError(path, "an ONNX model, but none that facelib can use", "leave it out of the pack")
    return role, 0


def _must_not_pose(path: Path, digest: str) -> None:
    """Raise where a file has the name of a published one and other bytes: a flipped bit shows in nothing but the digest."""
    if path.name in {known.file for known in KNOWN.values()}:
        problem = f"cut off, damaged or not the published file of this name: its SHA-256 is {digest[:12]}..."
        raise WeightsError(
            path, problem, "take it from its publisher again; if it is another model, give it another name"
        )


def _role(taken: Shape, given: Sequence[Shape]) -> str | None:
    """What a model is for, that takes and gives tensors of these shapes."""
    if 3 not in (taken[1], taken[3]):
        return None
    last = sorted(shape[-1] or 0 for shape in given if shape)
    if last in ([1] * 3 + [4] * 3, [1] * 3 + [4] * 3 + [10] * 3):
        return "scrfd"
    if last == [1] * 6 + [4] * 3 + [10] * 3:
        return "yunet"
    # Age and sex, 106 and 68 landmarks.
    return EXTRA if (taken[2], last) in ((96, [3]), (192, [212]), (192, [3309])) else None


def _is_sound(item: Item) -> bool:
    """Whether a line of the list is one that facelib writes: it must not lead out of the folder either."""
    plain = item.file == os.path.basename(item.file) and item.file not in ("", ".", "..")
    return plain and item.role in ROLES and bool(re.fullmatch("[0-9a-f]{64}", item.sha256)) and item.size >= 0


def _again(name: str) -> str:
    return f"remove the pack and add it again: facelib models remove {name}, then add or fetch"
