"""A night in which nothing changed: `facelib scan` over a known tree, against `find` that prints the same facts.

Both do one stat per file and read nothing else, so the CPU time of `find` is the floor. The tree is 200,000 PNG files of
some 70 bytes, all different, 200 to a folder; the database is filled by the fake detector before, and everything is in the
page cache. Measured: user and system time of each, the lowest of several runs in turns, and the largest resident
memory of the rescan.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from bench.figures import Figure
from bench.measure import Bench, BenchError, Used, digest, run

FILES, QUICK_FILES = 200_000, 20_000
PER_FOLDER = 200
REPEAT = 7
MAX_RATIO = 4.0  # times the CPU time of find
MAX_MIB = 300.0


def figures(bench: Bench) -> list[Figure]:
    """CPU time as a multiple of find's, and peak memory."""
    count = QUICK_FILES if bench.quick else FILES
    place = bench.folder / f"rescan-{count}"
    tree, database, config = place / "tree", place / "facelib.db", place / "config.toml"
    bench.say(f"rescan: {count:,} files" + ("" if database.exists() else ", their first scan takes some minutes"))
    make_tree(tree, count)
    config.write_text('[detect]\ndetector = "fake"\n', encoding="utf-8")
    bench.scan(database, tree, config=config)
    finds: list[Used] = []
    scans: list[Used] = []
    for _ in range(REPEAT):
        command = ["find", str(tree), "-type", "f", "-printf", r"%s %T@ %i %p\n"]
        finds.append(run(command, bench.env(), keep_output=False))
        scans.append(bench.scan(database, tree, config=config))
        unchanged = digest(scans[-1])["scan"]["unchanged"]
        if unchanged != count:
            raise BenchError(f"rescan: {unchanged:,} files were unchanged, not {count:,}")
    find, scan = min(used.cpu for used in finds), min(used.cpu for used in scans)
    pairs = sorted(b.cpu / a.cpu for a, b in zip(finds, scans, strict=True))
    walls = min(used.wall for used in finds), min(used.wall for used in scans)
    peak = max(used.peak_mib for used in scans)
    notes = (
        f"{count:,} files: CPU {scan:.2f} s, find {find:.2f} s; wall {walls[1]:.2f} s, {walls[0]:.2f} s",
        f"lowest of {REPEAT}; pair by pair {pairs[0]:.2f} to {pairs[-1]:.2f}, median {pairs[len(pairs) // 2]:.2f}",
    )
    return [
        Figure("rescan, CPU / find's", scan / find, MAX_RATIO, notes=notes),
        Figure("rescan, peak memory", peak, MAX_MIB, "{:.0f} MiB"),
    ]


def make_tree(top: Path, count: int) -> None:
    """Write the tree, unless it is there already."""
    done = top.parent / "tree-is-complete"
    if done.exists():
        return
    for first in range(0, count, PER_FOLDER):
        folder = top / f"{first // PER_FOLDER // 100:03d}" / f"{first // PER_FOLDER:05d}"
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(first, min(first + PER_FOLDER, count)):
            (folder / f"IMG_{number:06d}.png").write_bytes(png(number))
    done.touch()


def png(number: int) -> bytes:
    """A picture of one to four pixels a side whose first pixel is `number`, so that no two are the same.

    >>> png(1)[:8], png(1) == png(2)
    (b'\\x89PNG\\r\\n\\x1a\\n', False)
    """
    side = 1 + number % 4
    rows = bytearray((b"\0" + bytes(3 * side)) * side)  # each row begins with its filter
    rows[1:4] = number.to_bytes(3, "big")
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)  # 8 bits, RGB
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        _chunk(kind, body) for kind, body in ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    )


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
