"""Digests: `facelib.stages.hashing.hash_all` against `sha256sum`, on the same files.

2 GiB of random bytes in files of 4 MiB, read before, so that they are in the page cache. Measured: wall time, the lowest
of several runs in turns; facelib's within a process that has been started already, because a scan starts only once.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench.figures import Figure
from bench.measure import Bench, run

FILE_BYTES = 4 << 20
FILES, QUICK_FILES = 512, 64
REPEAT = 5
MIN_SHARE = 0.8  # of the throughput of sha256sum


def figures(bench: Bench) -> list[Figure]:
    """Throughput as a share of that of sha256sum."""
    count = QUICK_FILES if bench.quick else FILES
    folder = bench.folder / f"hash-{count}"
    total = count * FILE_BYTES
    bench.say(f"hash: {count} files, {total / 2**30:.2g} GiB")
    names = [str(path) for path in make_files(folder, count)]
    ways: dict[str, Callable[[], float]] = {
        "sha256sum": lambda: run(["sha256sum", *names], bench.env(), keep_output=False).wall,
        "facelib": lambda: _ours(bench, folder, 0),
        "one thread": lambda: _ours(bench, folder, 1),
    }
    for way in ways.values():  # fills the page cache, and lets every way begin alike
        way()
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(REPEAT):
        for name, way in ways.items():
            best[name] = min(best[name], way())
    speeds = ", ".join(f"{name} {total / seconds / 1e6:,.0f} MB/s" for name, seconds in best.items())
    notes = (
        f"{speeds}; lowest time of {REPEAT}",
        f"with one thread {best['sha256sum'] / best['one thread']:.0%}",
    )
    return [Figure("hash, speed / sha256sum's", best["sha256sum"] / best["facelib"], MIN_SHARE, "{:.0%}", True, notes)]


def make_files(folder: Path, count: int) -> list[Path]:
    """Write the files, those that are not there already."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:04d}.bin" for number in range(count)]
    for path in paths:
        if not path.is_file() or path.stat().st_size != FILE_BYTES:
            path.write_bytes(os.urandom(FILE_BYTES))
    return paths


def _ours(bench: Bench, folder: Path, threads: int) -> float:
    return float(run([sys.executable, "-m", "bench.hashing", str(folder), str(threads)], bench.env()).output)


def _hash_all(folder: Path, threads: int) -> float:
    """Seconds that facelib needs for the files of a folder; 0 threads are as many as it takes by itself."""
    from facelib.models import Stat  # only in the process that is measured
    from facelib.stages.hashing import THREADS, hash_all

    items = []
    for path in sorted(folder.iterdir()):
        status = path.stat()
        items.append((str(path), Stat(status.st_size, status.st_mtime_ns, status.st_ino)))
    began = time.perf_counter()
    for _, hashed in hash_all(items, lambda item: item, threads or THREADS):
        if hashed.sha256 is None:
            raise OSError(hashed.error)
    return time.perf_counter() - began


if __name__ == "__main__":
    print(_hash_all(Path(sys.argv[1]), int(sys.argv[2])))
