"""Digests: SHA-256 of files, several at a time, in the order they were asked for."""

from __future__ import annotations

import hashlib
import os
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from facelib.models import Path, Stat

Item = TypeVar("Item")

# hashlib releases the lock of the interpreter for anything but small pieces, so threads are enough; on one spinning disk
# more readers only make it seek.
THREADS = 2
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Hashed:
    """The digest of a file and what it was like while it was read; or why there is none."""

    stat: Stat
    sha256: str | None = None
    error: str | None = None  # it cannot be read
    unsettled: bool = False  # it changed while it was read, or is no regular file any more: left for the next run


def hash_file(path: Path, expected: Stat) -> Hashed:
    """Stat, read, stat: the digest counts only when size and mtime are the same before and after."""
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)  # a pipe would wait for ever
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        return Hashed(expected, unsettled=True)
    except OSError as error:
        return Hashed(expected, error=f"the file cannot be read: {error.strerror}")
    with open(descriptor, "rb", buffering=0) as stream:
        try:
            before = os.fstat(descriptor)
            digest = hashlib.sha256()
            buffer = memoryview(bytearray(min(_BLOCK, max(before.st_size, 1))))
            while count := stream.readinto(buffer):
                digest.update(buffer[:count])
            after = os.fstat(descriptor)
        except OSError as error:
            return Hashed(expected, error=f"the file cannot be read: {error.strerror}")
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or not stat.S_ISREG(after.st_mode):
        return Hashed(expected, unsettled=True)
    return Hashed(Stat(after.st_size, after.st_mtime_ns, expected.inode), digest.hexdigest())


def hash_all(
    items: Iterable[Item], path_and_stat: Callable[[Item], tuple[Path, Stat]], threads: int = THREADS
) -> Iterator[tuple[Item, Hashed]]:
    """Each item with its digest, in order; a few files are read ahead."""
    window: deque[tuple[Item, Future[Hashed]]] = deque()
    with ThreadPoolExecutor(threads, "facelib-hash") as pool:
        try:
            for item in items:
                window.append((item, pool.submit(hash_file, *path_and_stat(item))))
                if len(window) > 4 * threads:
                    first, future = window.popleft()
                    yield first, future.result()
            while window:
                first, future = window.popleft()
                yield first, future.result()
        finally:
            for _, future in window:
                future.cancel()
