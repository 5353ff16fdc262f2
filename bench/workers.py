"""Two workers against one: wall time of `facelib scan` on the album, with a new database each time.

The whole command is timed, its start and end included; the lowest of several runs in turns. Needs two processors that
nobody else uses: a neighbour's work shows here as facelib's.
"""

from __future__ import annotations

import os

from bench.figures import Figure
from bench.measure import Bench, Used, data

REPEAT, QUICK_REPEAT = 3, 1
QUICK_PHOTOS = 60
MAX_RATIO = 0.6


def figures(bench: Bench) -> list[Figure]:
    """Wall time with two workers, as a share of that with one."""
    repeat = QUICK_REPEAT if bench.quick else REPEAT
    limit = ("--limit", str(QUICK_PHOTOS)) if bench.quick else ()
    bench.say(f"workers: {repeat} times two scans of the album")
    bench.warm_up()
    runs: dict[int, list[Used]] = {1: [], 2: []}
    for _ in range(repeat):
        for count, done in runs.items():
            done.append(bench.fresh_scan("--workers", str(count), *limit, data("album")))
    one, two = (min(runs[count], key=lambda used: used.wall) for count in runs)
    busy = max(used.others / used.wall for done in runs.values() for used in done)
    shares = [used.others / used.wall for used in (two, one)]
    notes = (
        f"wall {two.wall:.2f} s, {one.wall:.2f} s; CPU {two.cpu:.2f} s, {one.cpu:.2f} s; lowest wall of {repeat}",
        f"{os.cpu_count()} processors; others used {shares[0]:.2f}, {shares[1]:.2f} of them, in one run {busy:.2f}",
    )
    return [Figure("workers, wall of 2 / of 1", two.wall / one.wall, MAX_RATIO, notes=notes)]
