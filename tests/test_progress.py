"""What progress promises: words for a person, JSON for a program, and an end when one is asked for."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facelib import progress
from facelib.progress import (
    Bar,
    JsonLines,
    Lines,
    Silent,
    Stop,
    count,
    duration,
    for_stream,
    parse_duration,
    seconds_until,
)


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(progress.time, "monotonic", made)
    return made


# ---- durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("45m", 2700),
        ("6h", 21600),
        ("1h30m", 5400),
        ("1d", 86400),
        ("1d2h3m4s", 93784),
        (" 6H ", 21600),
        ("1.5h", 5400),
        ("0.5s", 0.5),
        ("365d", 31536000),
    ],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "6",
        "h",
        "6x",
        "1h30",
        "h30m",
        "-1h",
        "0s",
        "0h0m",
        "infs",
        "nans",
        "367d",
        "1e9d",
        "6 hours",
        "06:30",
        "1,5h",
        "٦",
    ],
)
def test_durations_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the command says it in its own words
        parse_duration(text)


@given(st.text("0123456789.smhd -+einfa", max_size=9) | st.text(max_size=5))
def test_whatever_is_written_is_a_duration_of_less_than_a_year_or_refused(text: str) -> None:
    try:
        seconds = parse_duration(text)
    except ValueError:
        return
    assert 0 < seconds < 366 * 86400


@given(st.integers(0, 300), st.integers(0, 23), st.integers(0, 59), st.integers(1, 59))
def test_a_duration_is_the_sum_of_its_parts(days: int, hours: int, minutes: int, seconds: int) -> None:
    whole = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds).total_seconds()
    assert parse_duration(f"{days}d{hours}h{minutes}m{seconds}s") == whole


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0.0 s"), (0.42, "0.4 s"), (9.9, "9.9 s"), (10, "10 s"), (59, "59 s"), (60, "1 min 0 s"), (75, "1 min 15 s"),
     (3599, "59 min 59 s"), (3600, "1 h 0 min"), (7260, "2 h 1 min"), (90000, "25 h 0 min")],
)  # fmt: skip
def test_durations_are_told(seconds: float, words: str) -> None:
    assert duration(seconds) == words


# ---- until


NIGHT = datetime(2026, 1, 31, 23, 30, 15, 500_000)


@pytest.mark.parametrize(
    ("clock_time", "seconds"),
    [
        ("06:30", 7 * 3600 - 15.5),
        ("23:31", 44.5),
        ("23:30", 86400 - 15.5),
        ("23:29", 86400 - 75.5),
        ("00:00", 1784.5),
        ("6:5", 23684.5),
    ],
)
def test_until_is_the_next_time_it_is_so_late(clock_time: str, seconds: float) -> None:
    assert seconds_until(clock_time, NIGHT) == seconds


@pytest.mark.parametrize("text", ["", "6", "24:00", "06:60", "-1:30", "06:30:00", "6h", "half past six", ":", "06.30"])
def test_a_time_of_day_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the command says it in its own words
        seconds_until(text, NIGHT)


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)), st.integers(0, 23), st.integers(0, 59))
def test_until_is_within_a_day_and_at_that_time(now: datetime, hour: int, minute: int) -> None:
    seconds = seconds_until(f"{hour:02}:{minute:02}", now)
    assert 0 < seconds <= 86400
    then = now + timedelta(seconds=seconds)
    assert abs(then - then.replace(hour=hour, minute=minute, second=0, microsecond=0)) < timedelta(milliseconds=1)


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")  # written out, so that no table of zones is needed
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("evening", "hours"), [(datetime(2026, 3, 28, 23, 30), 6), (datetime(2026, 10, 24, 23, 30), 8)]
)
def test_until_holds_in_the_nights_in_which_the_clocks_change(berlin: None, evening: datetime, hours: int) -> None:
    assert seconds_until("06:30", evening) == hours * 3600


# ---- numbers


@pytest.mark.parametrize(
    ("number", "unit", "words"),
    [
        (0, "photos", "0 photos"),
        (1, "photos", "1 photo"),
        (1, "files", "1 file"),
        (2, "photos", "2 photos"),
        (1, "B", "1 B"),
        (0.5, "photos", "0.5 photos"),
        (12.3, "photos", "12 photos"),
        (1234567, "files", "1,234,567 files"),
        (0, "B", "0 B"),
        (999, "B", "999 B"),
        (1000, "B", "1.0 kB"),
        (1234567, "B", "1.2 MB"),
        (5e9, "B", "5.0 GB"),
        (5e12, "B", "5.0 TB"),
        (5e15, "B", "5000.0 TB"),
    ],
)
def test_numbers_are_told_with_their_unit(number: float, unit: str, words: str) -> None:
    assert count(number, unit) == words


# ---- lines


def test_a_stage_of_less_than_half_a_minute_says_nothing(clock: Clock) -> None:
    stream = io.StringIO()
    lines = Lines(stream)
    lines.start("detecting", 100, "photos")
    clock.now += 29.9
    lines.advance(100)
    lines.finish()
    assert stream.getvalue() == ""


def test_a_line_every_half_minute_with_rate_and_time_left(clock: Clock) -> None:
    stream = io.StringIO()
    lines = Lines(stream)
    lines.start("detecting", 1200, "photos")
    for _ in range(60):
        clock.now += 1
        lines.advance(5)
    assert stream.getvalue().splitlines() == [
        "detecting: 150 photos of 1,200 photos, 5 photos/s, 3 min 30 s left",
        "detecting: 300 photos of 1,200 photos, 5 photos/s, 3 min 0 s left",
    ]
    lines.finish()
    assert stream.getvalue().count("\n") == 3


def test_a_stage_that_is_done_has_no_time_left(clock: Clock) -> None:
    stream = io.StringIO()
    lines = Lines(stream)
    lines.start("hashing", 4_000_000, "B")
    clock.now += 40
    lines.advance(4_000_000)
    assert stream.getvalue() == "hashing: 4.0 MB of 4.0 MB, 100.0 kB/s\n"


def test_a_stage_without_a_total_tells_what_is_done(clock: Clock) -> None:
    stream = io.StringIO()
    lines = Lines(stream)
    lines.start("walking", None, "files")
    clock.now += 30
    lines.advance(3000)
    assert stream.getvalue() == "walking: 3,000 files, 100 files/s\n"


def test_a_second_stage_begins_at_nothing(clock: Clock) -> None:
    stream = io.StringIO()
    lines = Lines(stream)
    lines.start("walking", None, "files")
    clock.now += 20
    lines.advance(10)
    lines.finish()
    lines.start("hashing", None, "files")
    clock.now += 30
    lines.advance(60)
    assert stream.getvalue() == "hashing: 60 files, 2 files/s\n"


def test_notes_are_lines_of_their_own() -> None:
    stream = io.StringIO()
    Lines(stream).note("the disk is full")
    assert stream.getvalue() == "the disk is full\n"


# ---- JSON


def test_json_is_one_object_a_line_at_start_each_second_and_end(clock: Clock) -> None:
    stream = io.StringIO()
    lines = JsonLines(stream)
    lines.start("hashing", 40, "B")
    for _ in range(8):
        clock.now += 0.25
        lines.advance(5)
    lines.finish()
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    common = {"event": "progress", "stage": "hashing", "total": 40, "unit": "B"}
    assert events == [
        {**common, "done": 0, "seconds": 0.0},
        {**common, "done": 20, "seconds": 1.0},
        {**common, "done": 40, "seconds": 2.0},
        {**common, "done": 40, "seconds": 2.0},
    ]


def test_json_escapes_what_is_no_text(clock: Clock) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")  # as strict as a stream can be
    lines = JsonLines(stream)
    path = os.fsdecode(b"caf\xe9\n\xf0\x9f\x8e\x82.jpg")
    lines.note(path)
    lines.write({"event": "digest", "path": path, "total": None})
    stream.flush()
    first, second = raw.getvalue().splitlines()
    assert json.loads(first) == {"event": "note", "message": path}
    assert json.loads(second) == {"event": "digest", "path": path, "total": None}


# ---- the bar, and which one it is


def test_the_bar_draws_and_goes_away() -> None:
    stream = io.StringIO()
    bar = Bar(stream)
    bar.note("before")
    bar.start("hashing", 1000, "B")
    bar.advance(1000)
    bar.note("the disk is full")
    bar.finish()
    bar.note("after")
    text = stream.getvalue()
    assert text.startswith("before\n")
    assert "hashing" in text
    assert "the disk is full\n" in text
    assert text.endswith("after\n")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_each_stream_has_its_progress() -> None:
    assert isinstance(for_stream(io.StringIO(), json_lines=False, quiet=False), Lines)
    assert isinstance(for_stream(Terminal(), json_lines=False, quiet=False), Bar)
    assert isinstance(for_stream(Terminal(), json_lines=False, quiet=True), Silent)
    assert isinstance(for_stream(Terminal(), json_lines=True, quiet=True), JsonLines)


def test_json_goes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    for_stream(sys.stderr, json_lines=True, quiet=False).note("hello")
    assert capsys.readouterr() == ('{"event": "note", "message": "hello"}\n', "")


def test_silent_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    silent = Silent()
    silent.start("walking", None, "files")
    silent.advance()
    silent.note("hello")
    silent.finish()
    assert capsys.readouterr() == ("", "")


# ---- stop


class Notes(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, message: str) -> None:
        self.said.append(message)


def test_nobody_asks_to_stop() -> None:
    stop = Stop()
    assert not stop.due
    assert not stop.out_of_time
    assert not stop.interrupted


def test_a_deadline_is_due_when_it_is_reached_and_is_no_interruption(clock: Clock) -> None:
    stop = Stop(clock.now + 10)
    clock.now += 9.9
    assert not stop.due
    clock.now += 0.1
    assert stop.due
    assert stop.out_of_time
    assert not stop.interrupted


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_the_second_ends(first: signal.Signals, second: signal.Signals) -> None:
    notes, stop = Notes(), Stop()

    def interrupted_twice() -> None:
        with stop.signals(notes):
            assert signal.SIG_DFL not in (signal.getsignal(first), signal.getsignal(second))  # that would end the tests
            os.kill(os.getpid(), first)
            assert stop.due
            assert stop.interrupted
            assert not stop.out_of_time
            assert notes.said == ["finishing the photos in work; press Ctrl-C again to stop at once"]
            os.kill(os.getpid(), second)
            time.sleep(5)  # the signal comes at once
            pytest.fail("the second signal did not end it")

    with pytest.raises(KeyboardInterrupt):
        interrupted_twice()


def test_who_listened_before_listens_again() -> None:
    def mine(_number: int, _frame: object) -> None: ...

    before = {number: signal.signal(number, mine) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with Stop().signals(Notes()):
            assert signal.getsignal(signal.SIGINT) is not mine
            assert signal.getsignal(signal.SIGTERM) is not mine
        assert signal.getsignal(signal.SIGINT) is mine
        assert signal.getsignal(signal.SIGTERM) is mine
        with pytest.raises(RuntimeError, match="from inside"), Stop().signals(Notes()):
            raise RuntimeError("from inside")
        assert signal.getsignal(signal.SIGINT) is mine
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_another_thread_than_the_first_listens_to_nothing() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen: list[object] = []

    def work() -> None:
        with Stop().signals(Notes()):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


@pytest.mark.parametrize("text", ["1h-30m", "-1h", "1e3s", "h", "1 h", "inf", "nan", "", "1.2.3s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text itself is looked at
        progress.parse_duration(text)
    assert caught.value.args == (text,)
