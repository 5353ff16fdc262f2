"""What facelib itself takes of a scan: all CPU time that is not decoding, detecting, finding landmarks or encoding.

`facelib scan` of the group photographs, with the default configuration, two workers and a new database. The whole is
counted from outside, over all processes, and includes Python's start and its imports, walking, hashing, the pool, and the
writing; the four phases are what the workers report in the digest. The median of several runs, by its share.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.figures import Figure
from bench.measure import Bench, Used, data, digest

PHASES = ("decode", "detect", "landmarks", "encode")
REPEAT, QUICK_REPEAT = 7, 1
MAX_SHARE = 0.05
MAX_MIB = 800.0


@dataclass(frozen=True, slots=True)
class _Parts:
    """CPU seconds of one scan."""

    whole: float
    phases: dict[str, float]
    parent: float  # the command itself
    workers_rest: float  # in the workers, around the phases: facts, EXIF, pickling
    peak_mib: float  # of the largest process
    pool_rest: float  # the fork server with what it loads, the resource tracker, workers before and after their tasks

    @property
    def overhead(self) -> float:
        return self.whole - sum(self.phases.values())

    @property
    def share(self) -> float:
        return self.overhead / self.whole


def figures(bench: Bench) -> list[Figure]:
    """The share of facelib itself."""
    repeat = QUICK_REPEAT if bench.quick else REPEAT
    bench.say(f"overhead: {repeat} scans of the group photographs")
    bench.warm_up()
    photos = data("group-photos")
    runs = sorted((_parts(bench.fresh_scan("--workers", "2", photos)) for _ in range(repeat)), key=lambda p: p.share)
    middle = runs[len(runs) // 2]
    phases = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in middle.phases.items())
    notes = (
        f"{middle.overhead:.2f} s of {middle.whole:.2f} s; {repeat} runs, {runs[0].share:.1%} to {runs[-1].share:.1%}",
        phases,
        f"parent {middle.parent:.2f} s, workers around the phases {middle.workers_rest:.2f} s",
        f"fork server, start and end of workers {middle.pool_rest:.2f} s",
    )
    peak = max(parts.peak_mib for parts in runs)
    return [
        Figure("overhead, share of CPU", middle.share, MAX_SHARE, "{:.1%}", notes=notes),
        Figure("memory of the largest worker", peak, MAX_MIB, "{:.0f} MiB"),
    ]


def _parts(used: Used) -> _Parts:
    detect = digest(used)["detect"]
    phases = {name: float(detect["cpu_seconds"].get(name, 0.0)) for name in PHASES}
    workers = float(detect["worker_seconds"])
    return _Parts(
        whole=used.cpu,
        phases=phases,
        parent=used.own_cpu,
        workers_rest=workers - sum(phases.values()),
        peak_mib=used.peak_mib,
        pool_rest=used.cpu - used.own_cpu - workers,
    )
