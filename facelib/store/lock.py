"""One writer at a time: a lock file beside the database that says who holds it.

The lock is the operating system's (flock, or LockFile on Windows), so it goes with the process, however that ends;
what stands in the file is only for people.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import sys
from datetime import UTC, datetime
from types import TracebackType

from facelib.errors import DatabaseError, LockedError

if sys.platform == "win32":
    import msvcrt

    # Far beyond the text, because Windows would keep others from reading the locked bytes.
    _OFFSET = 1 << 30

    def _acquire(descriptor: int) -> None:
        os.lseek(descriptor, _OFFSET, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        os.lseek(descriptor, 0, os.SEEK_SET)
else:
    import fcntl

    def _acquire(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class WriterLock:
    """The right to write to one database: ``with WriterLock(db_path, "scan"): ...``

    Raises `LockedError`, naming the holder, when another process has it.
    """

    def __init__(self, database: str, command: str) -> None:
        self.path = database + ".lock"
        self._command = command
        self._descriptor = -1

    def __enter__(self) -> WriterLock:
        try:
            os.makedirs(os.path.dirname(self.path) or ".", mode=0o700, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        except OSError as error:
            raise DatabaseError(f"cannot create {self.path!r}: {error.strerror}") from error
        try:
            _acquire(descriptor)
        except OSError as error:
            holder = os.read(descriptor, 4096)
            os.close(descriptor)
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK):
                raise DatabaseError(
                    f"cannot lock {self.path!r}: {error.strerror}; keep the database on a disk of this machine (--db)"
                ) from error
            raise LockedError(f"another facelib is writing to this database: {_describe(holder)}") from error
        now = datetime.now(UTC).isoformat(timespec="seconds")
        text = json.dumps({"command": self._command, "pid": os.getpid(), "host": socket.gethostname(), "since": now})
        os.ftruncate(descriptor, 0)
        os.write(descriptor, text.encode())
        self._descriptor = descriptor
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The file stays: removing it would let two processes lock two files of one name.
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)


def _describe(holder: bytes) -> str:
    try:
        said = json.loads(holder)
        return f"facelib {said['command']}, process {said['pid']} on {said['host']}, since {said['since']}"
    except (ValueError, KeyError, TypeError):  # the holder has locked the file and not yet written
        return "it has only just started"
