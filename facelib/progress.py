"""Telling how far a stage is: silent, a bar on a terminal, plain lines, JSON lines. And when to stop.

A stage is given a `Progress` and a `Stop`; it knows nothing of terminals, signals or clocks.
"""

from __future__ import annotations

import contextlib
import json
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from types import FrameType
from typing import IO, Any, Protocol

PLAIN_INTERVAL = 30.0  # seconds between two plain lines: a night's log stays readable
JSON_INTERVAL = 1.0


class Progress(Protocol):
    """What a stage says while it works."""

    def start(self, stage: str, total: int | None, unit: str) -> None: ...
    def advance(self, amount: int = 1) -> None: ...
    def note(self, message: str) -> None: ...
    def finish(self) -> None: ...


class Silent:
    """Says nothing."""

    def start(self, stage: str, total: int | None, unit: str) -> None: ...
    def advance(self, amount: int = 1) -> None: ...
    def note(self, message: str) -> None: ...
    def finish(self) -> None: ...


class Lines:
    """One line when a stage starts, every half minute, and when it ends: for logs and mail."""

    def __init__(self, stream: IO[str], interval: float = PLAIN_INTERVAL) -> None:
        self._stream = stream
        self._interval = interval
        self._stage, self._unit = "", ""
        self._total: int | None = None
        self._done = 0
        self._began = self._said = 0.0

    def start(self, stage: str, total: int | None, unit: str) -> None:
        self._stage, self._total, self._unit, self._done = stage, total, unit, 0
        self._began = self._said = time.monotonic()

    def advance(self, amount: int = 1) -> None:
        self._done += amount
        now = time.monotonic()
        if now - self._said >= self._interval:
            self._said = now
            self._say()

    def note(self, message: str) -> None:
        print(message, file=self._stream, flush=True)

    def finish(self) -> None:
        if time.monotonic() - self._began >= self._interval:  # shorter stages are in the digest
            self._say()

    def _say(self) -> None:
        seconds = max(time.monotonic() - self._began, 1e-3)
        rate = self._done / seconds
        of, eta = "", ""
        if self._total is not None:
            of = f" of {count(self._total, self._unit)}"
            if rate > 0 and self._done < self._total:
                eta = f", {duration((self._total - self._done) / rate)} left"
        print(
            f"{self._stage}: {count(self._done, self._unit)}{of}, {count(rate, self._unit)}/s{eta}",
            file=self._stream,
            flush=True,
        )


class JsonLines:
    """One JSON object per line: {"event": "progress", "stage", "done", "total", "unit", "seconds"} and {"event": "note"}."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._state: dict[str, Any] = {}
        self._began = self._said = 0.0

    def start(self, stage: str, total: int | None, unit: str) -> None:
        self._state = {"event": "progress", "stage": stage, "done": 0, "total": total, "unit": unit}
        self._began = self._said = time.monotonic()
        self._say()

    def advance(self, amount: int = 1) -> None:
        self._state["done"] += amount
        if time.monotonic() - self._said >= JSON_INTERVAL:
            self._said = time.monotonic()
            self._say()

    def note(self, message: str) -> None:
        self.write({"event": "note", "message": message})

    def finish(self) -> None:
        self._say()

    def write(self, event: dict[str, Any]) -> None:
        """One object as a line; characters outside ASCII, and bytes that are no text, are escaped."""
        print(json.dumps(event), file=self._stream, flush=True)

    def _say(self) -> None:
        self.write({**self._state, "seconds": round(time.monotonic() - self._began, 1)})


class Bar:
    """A bar with rate and time left, on a terminal (tqdm)."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._bar: Any = None

    def start(self, stage: str, total: int | None, unit: str) -> None:
        from tqdm import tqdm  # only where somebody looks

        self._bar = tqdm(
            total=total,
            desc=stage,
            unit=unit if unit == "B" else f" {unit}",
            unit_scale=unit == "B",
            unit_divisor=1000,
            file=self._stream,
            dynamic_ncols=True,
            leave=False,
            smoothing=0.05,
        )

    def advance(self, amount: int = 1) -> None:
        self._bar.update(amount)

    def note(self, message: str) -> None:
        if self._bar is None:
            print(message, file=self._stream, flush=True)
        else:
            self._bar.write(message, file=self._stream)

    def finish(self) -> None:
        self._bar.close()
        self._bar = None


# ------------------------------------------------------------------------------------------------------------ stop


class Stop:
    """Whether to go on: a first Ctrl-C (or SIGTERM) or a deadline asks to finish the batch, a second Ctrl-C ends it."""

    def __init__(self, deadline: float | None = None) -> None:
        self.deadline = deadline  # time.monotonic()
        self.interrupted = False

    @property
    def due(self) -> bool:
        """True when the stage should finish what it holds and return."""
        return self.interrupted or self.out_of_time

    @property
    def out_of_time(self) -> bool:
        return self.deadline is not None and time.monotonic() >= self.deadline

    @contextlib.contextmanager
    def signals(self, progress: Progress) -> Iterator[None]:
        """Listen to Ctrl-C and SIGTERM while the block runs; the second one raises KeyboardInterrupt."""
        if threading.current_thread() is not threading.main_thread():  # only the main thread may listen
            yield
            return

        def handle(_signal: int, _frame: FrameType | None) -> None:
            if self.interrupted:
                raise KeyboardInterrupt
            self.interrupted = True
            progress.note("finishing the photos in work; press Ctrl-C again to stop at once")

        before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def seconds_until(clock: str, now: datetime) -> float:
    """Seconds from now to the next time it is HH:MM. Raises ValueError when `clock` is no time of day.

    >>> seconds_until("06:30", datetime(2026, 1, 31, 23, 30))
    25200.0
    """
    hour, minute = (int(part) for part in clock.split(":"))
    then = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    if then <= now:
        then += timedelta(days=1)
    return then.timestamp() - now.timestamp()  # in seconds that pass: in two nights of the year the clock jumps


def parse_duration(text: str) -> float:
    """Seconds of a duration such as 90s, 45m, 6h or 1h30m. Raises ValueError.

    >>> parse_duration("1h30m")
    5400.0
    """
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    clean = text.strip().lower()
    if not re.fullmatch(r"(\d+(\.\d+)?[smhd])+", clean, re.ASCII):
        raise ValueError(text)
    parts = re.findall(r"([\d.]+)([smhd])", clean)
    seconds = sum(float(number) * units[unit] for number, unit in parts)
    if not 0 < seconds < 366 * 86400:
        raise ValueError(text)
    return seconds


# ----------------------------------------------------------------------------------------------------------- words


def duration(seconds: float) -> str:
    """A duration for a person.

    >>> duration(0.42), duration(75), duration(7260)
    ('0.4 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min {int(seconds % 60)} s"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} min"


_ONE = {"people": "person", "matches": "match"}


def count(number: float, unit: str) -> str:
    """A number with its unit, given in the plural; bytes in decimal multiples.

    >>> count(1234567, "B"), count(1, "photos"), count(1200, "photos"), count(0.5, "photos"), count(1, "people")
    ('1.2 MB', '1 photo', '1,200 photos', '0.5 photos', '1 person')
    """
    if unit != "B":
        if number == 1:
            unit = _ONE.get(unit) or unit.removesuffix("s")
        return f"{number:,.0f} {unit}" if number >= 10 or number == int(number) else f"{number:.1f} {unit}"
    for name in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.1f} {name}" if name != "B" else f"{number:.0f} B"
        number /= 1000
    return f"{number:.1f} TB"


def for_stream(stream: IO[str], *, json_lines: bool, quiet: bool) -> Progress:
    """The progress that suits an output stream."""
    if json_lines:
        return JsonLines(sys.stdout)
    if quiet:
        return Silent()
    return Bar(stream) if stream.isatty() else Lines(stream)
