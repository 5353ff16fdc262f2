"""Running a program and counting from outside what it used, its processes and their processes included.

facelib's workers are children of a fork server, which outlives the command by a moment and is nobody's child then. So
this process makes itself the reaper of everything below it (Linux: PR_SET_CHILD_SUBREAPER), starts one program at a time
and waits until nothing is left. Each process is reaped once, and the kernel adds to a process what it reaped itself, so the
sum over all is what they used together.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_NOT_OURS = ("FACELIB_DB", "PYTHONDONTWRITEBYTECODE")
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h

DATA = Path(os.environ.get("FACELIB_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")


class BenchError(Exception):
    """A benchmark cannot be run."""


@dataclass(frozen=True, slots=True)
class Used:
    """What one run of a program took."""

    wall: float  # seconds until the program itself ended
    cpu: float  # user and system seconds, of all processes
    own_cpu: float  # of the program itself, without the processes that it did not wait for
    others: float  # CPU seconds that the rest of the machine used meanwhile
    peak_mib: float  # resident memory of the largest process, or of this one if that is larger: Linux hands it on
    own_peak_mib: float  # of the program itself, as seen every few milliseconds
    output: str = field(repr=False)


def reap_all_below() -> None:
    """Make this process the parent of orphans below it. Raises `BenchError` where there is no such thing."""
    if sys.platform != "linux":
        raise BenchError("the benchmarks count the CPU time of all processes by a means that only Linux has")
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise BenchError(f"prctl: {os.strerror(ctypes.get_errno())}")


def run(command: Sequence[str], env: Mapping[str, str], *, keep_output: bool = True) -> Used:
    """Run a program to its end and that of all its processes. Raises `BenchError` when it fails."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        null = os.open(os.devnull, os.O_WRONLY)
        try:
            files = [
                (os.POSIX_SPAWN_DUP2, output.fileno() if keep_output else null, 1),
                (os.POSIX_SPAWN_DUP2, errors.fileno(), 2),
            ]
            busy, began = _busy_seconds(), time.perf_counter()
            pid = os.posix_spawnp(command[0], list(command), dict(env), file_actions=files)
        finally:
            os.close(null)
        wall = own_cpu = cpu = peak = 0.0
        code = 0
        watch = _Watch(pid)
        with contextlib.suppress(ChildProcessError):  # nobody is left
            while True:
                ended, status, usage = os.wait4(-1, 0)
                cpu += usage.ru_utime + usage.ru_stime
                peak = max(peak, usage.ru_maxrss / 1024)  # kibibytes on Linux
                if ended == pid:
                    wall, code = time.perf_counter() - began, os.waitstatus_to_exitcode(status)
                    own_cpu = usage.ru_utime + usage.ru_stime
        own_peak = watch.stop()
        others = max(0.0, _busy_seconds() - busy - cpu)
        output.seek(0)
        if code:
            errors.seek(0)
            said = (errors.read() + output.read()).decode(errors="replace").strip()[-2000:]
            raise BenchError(f"{' '.join(command[:8])} ... ended with {code}: {said}")
        return Used(wall, cpu, own_cpu, others, peak, own_peak, output.read().decode(errors="replace"))


class _Watch:
    """Looks at the high-water mark of a process's memory until it has ended (proc(5), VmHWM)."""

    def __init__(self, pid: int) -> None:
        self._status, self._peak = Path(f"/proc/{pid}/status"), 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._ended.wait(0.005):
            with contextlib.suppress(OSError):
                for line in self._status.read_text(encoding="ascii", errors="replace").splitlines():
                    if line.startswith("VmHWM:"):
                        self._peak = max(self._peak, int(line.split()[1]) / 1024)

    def stop(self) -> float:
        """The highest mark, in MiB."""
        self._ended.set()
        self._thread.join()
        return self._peak


def _busy_seconds() -> float:
    """CPU seconds of the whole machine since it started (proc(5), /proc/stat)."""
    with open("/proc/stat", encoding="ascii") as stream:
        user, nice, system, _idle, _iowait, *interrupts = (int(word) for word in stream.readline().split()[1:9])
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Bench:
    """Where a benchmark works, and how it calls facelib."""

    folder: Path  # may be kept from run to run
    scratch: Path  # new in each run, and removed
    quick: bool

    def env(self) -> dict[str, str]:
        """The environment of facelib: nothing of the user's own is read or written.

        Modules are compiled once, as an installer does it, whatever this environment and a checkout say about that.
        """
        mine = {f"XDG_{kind}_HOME": str(self.scratch / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
        mine["PYTHONPYCACHEPREFIX"] = str(self.scratch / "pycache")
        mine["PYTHONPATH"] = str(Path(__file__).resolve().parents[1])
        return {name: value for name, value in os.environ.items() if name not in _NOT_OURS} | mine

    def scan(self, database: Path, *arguments: str | Path, config: Path | None = None) -> Used:
        """`facelib --json --db DATABASE [--config CONFIG] scan ARGUMENTS`."""
        chosen = [] if config is None else ["--config", str(config)]
        command = [*_facelib(), "--json", "--db", str(database), *chosen, "scan"]
        return run([*command, *map(str, arguments)], self.env())

    def fresh_scan(self, *arguments: str | Path) -> Used:
        """The same into a database that is made for it and removed."""
        with tempfile.TemporaryDirectory(dir=self.scratch) as place:
            return self.scan(Path(place) / "facelib.db", *arguments)

    def warm_up(self) -> None:
        """Make the cache of converted models, by one photo and all engines; read what is read from the disk."""
        self.fresh_scan("--detector", "thorough", "--workers", "1", self._one_photo())

    def _one_photo(self) -> Path:
        place = self.scratch / "one-photo"
        if not place.is_dir():
            source = min(data("group-photos").rglob("*.jpg"))
            place.mkdir()
            (place / source.name).write_bytes(source.read_bytes())
        return place

    def say(self, message: str) -> None:
        """Tell whoever watches what is being done."""
        print(message, file=sys.stderr, flush=True)


def _facelib() -> list[str]:
    """The command as people call it: workers import the script, which `python -m facelib` would spare them."""
    script = Path(sys.executable).with_name("facelib")
    return [str(script)] if script.exists() else [sys.executable, "-m", "facelib"]


def data(name: str) -> Path:
    """A folder of the test data. Raises `BenchError` when it is not there."""
    place = DATA / name
    if not place.is_dir():
        raise BenchError(f"there is no {place}; say with FACELIB_DATA where the test data is")
    return place


def digest(used: Used) -> dict[str, Any]:
    """The digest that a scan printed last."""
    found: dict[str, Any] = json.loads(used.output.splitlines()[-1])
    return found


@contextlib.contextmanager
def bench_in(folder: Path | None, quick: bool) -> Iterator[Bench]:
    """A place to work in; without `folder`, all of it is temporary."""
    with tempfile.TemporaryDirectory(prefix="facelib-bench-", dir=folder) as scratch:
        yield Bench(folder or Path(scratch), Path(scratch), quick)
