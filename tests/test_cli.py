"""The command line as a user meets it: what it prints, how it exits, and that no traceback is ever seen."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import draw

from facelib.stages.digest import printable
from facelib.store import WriterLock, create_or_open

Make = Callable[..., Path]
Result = subprocess.CompletedProcess[str]


@pytest.fixture
def facelib(tmp_path: Path) -> Callable[..., Result]:
    """Run `facelib` as a process, with the fake engine and a database of its own."""
    config = tmp_path / "config.toml"
    config.write_text('[detect]\ndetector = "fake"\n[workers]\nworkers = 1\n')

    def run(*arguments: object, check: int | None = 0, db: object = tmp_path / "facelib.db") -> Result:
        result = subprocess.run(
            [sys.executable, "-m", "facelib", "--config", config, "--db", str(db), *map(str, arguments)],
            capture_output=True, text=True, errors="surrogateescape", timeout=120,
        )  # fmt: skip
        assert "Traceback" not in result.stderr + result.stdout
        if check is not None:
            assert result.returncode == check, result.stderr + result.stdout
        return result

    return run


def test_scan_prints_a_digest_and_a_second_one_finds_nothing_new(facelib: Callable[..., Result], library: Make) -> None:
    root = library({"a.png": ("red", "blue"), "b.png": ()})
    first = facelib("scan", root).stdout.splitlines()
    assert first[0].startswith("facelib scan, ")
    assert first[1:3] == [f"  {root}", "  files   2 photographs: 2 new"]
    assert first[3].startswith("  photos  2 searched in ")
    assert first[4] == "  faces   2 found in 1 photo: 2 unknown"
    assert facelib("scan").stdout.splitlines()[2] == "  files   2 photographs: nothing changed"


def test_quiet_prints_nothing_when_nothing_happened(facelib: Callable[..., Result], library: Make) -> None:
    root = library({"a.png": ()})
    assert "1 new" in facelib("-q", "scan", root).stdout
    again = facelib("-q", "scan")
    assert again.stdout + again.stderr == ""


def test_what_could_not_be_read_is_named_and_the_exit_status_is_3(
    facelib: Callable[..., Result], library: Make
) -> None:
    root = library({"a.png": ()})
    (root / "b.jpg").write_bytes(b"")
    output = facelib("scan", root, check=3).stdout
    assert f"    {root}/b.jpg: the file is empty" in output
    facelib("scan", check=0)  # told once; it is in photos_v1


def test_json_lines_are_one_object_each_and_end_with_the_digest(facelib: Callable[..., Result], library: Make) -> None:
    root = library({"a.png": ("red",)})
    lines = [json.loads(line) for line in facelib("--json", "scan", root).stdout.splitlines()]
    assert {line["event"] for line in lines} == {"progress", "digest"}
    digest = lines[-1]
    assert digest["event"] == "digest"
    assert (digest["scan"]["new"], digest["detect"]["faces"], digest["exit_code"]) == (1, 1, 0)
    assert set(digest["detect"]["cpu_seconds"]) == {"decode", "detect", "landmarks", "encode"}


def test_no_faces_leaves_the_detection_for_later(facelib: Callable[..., Result], library: Make) -> None:
    root = library({"a.png": ("red",)})
    assert "1 read in" in facelib("scan", "--no-faces", root).stdout
    assert "1 found in 1 photo" in facelib("scan").stdout


def test_limit_says_what_is_left(facelib: Callable[..., Result], library: Make) -> None:
    root = library({f"{i}.png": ("red",) for i in range(5)})
    output = facelib("scan", "--limit", 2, root).stdout
    assert "2 searched" in output
    assert "  due     3 photos left for the next run" in output
    assert "stopped as asked" in output.splitlines()[0]


def test_for_stops_in_time(facelib: Callable[..., Result], library: Make) -> None:
    root = library({f"{i}.png": ("red",) for i in range(5)})
    output = facelib("scan", "--for", "0.000001s", root).stdout
    assert "the walk did not reach its end" in output
    assert "5 new" in facelib("scan", root).stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["scan"], 10, "nothing is indexed yet: name a folder"),
        (["status"], 10, "no library at"),
        (["scan", "/nowhere/at/all"], 2, "/nowhere/at/all: there is no such folder"),
        (["scan", __file__], 2, "is a file; name the folder it is in"),
        (["scan", "--until", "25:99", "."], 2, "'25:99' is no time of day such as 06:30"),
        (["scan", "--for", "soon", "."], 2, "'soon' is no duration such as 6h"),
        (
            ["scan", "--detector", "eyes", "."],
            2,
            "there is no detector 'eyes'; there are cnn, hog, hog+cnn, thorough, mtcnn;",
        ),
        (
            ["scan", "--model", "dlib", "."],
            2,
            "there is no model 'dlib'; there are dlib-resnet-v1, dlib-resnet-v1+mirror, facenet;",
        ),
        (["scan", "--workers", "0", "."], 2, "0 is not in the range"),
        (["dance"], 2, "No such command 'dance'"),
    ],
)
def test_wrong_usage_is_one_line_and_its_exit_status(
    facelib: Callable[..., Result], arguments: list[str], code: int, words: str
) -> None:
    result = facelib(*arguments, check=code)
    assert words in result.stderr
    assert result.stdout == ""


def test_a_wrong_configuration_names_file_and_key(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[detect]\ncanvass = 3\n")
    result = subprocess.run(
        [sys.executable, "-m", "facelib", "--config", tmp_path / "c.toml", "status"], capture_output=True, text=True
    )
    assert result.returncode == 2
    expected = f"facelib: {tmp_path}/c.toml: detect.canvass is not known; did you mean detect.canvas?\n"
    assert result.stderr == expected


def test_a_second_scan_says_who_is_scanning_and_exits_11(
    facelib: Callable[..., Result], library: Make, tmp_path: Path
) -> None:
    with WriterLock(str(tmp_path / "facelib.db"), "scan"):
        result = facelib("scan", library({"a.png": ()}), check=11)
    assert result.stderr.count("\n") == 1
    assert f"facelib scan, process {os.getpid()}" in result.stderr


def test_a_foreign_database_exits_12_untouched(facelib: Callable[..., Result], library: Make, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE theirs (a)")
    connection.commit()
    connection.close()
    before = other.read_bytes()
    for command in (["scan", library({"a.png": ()})], ["status"]):
        assert "another program" in facelib(*command, check=12, db=other).stderr
    assert other.read_bytes() == before
    assert not (tmp_path / "other.db.lock").exists()


def test_a_scan_that_cannot_begin_leaves_no_database(facelib: Callable[..., Result], tmp_path: Path) -> None:
    facelib("scan", check=10)
    facelib("scan", tmp_path / "nowhere", check=2)
    assert not list(tmp_path.glob("facelib.db*"))


def test_help_and_doctor_work_with_a_broken_configuration(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[detect]\ncanvass = 3\n")
    command = [sys.executable, "-m", "facelib", "--config", tmp_path / "c.toml"]
    assert subprocess.run([*command, "scan", "--help"], capture_output=True).returncode == 0
    result = subprocess.run([*command, "doctor"], capture_output=True, text=True)
    assert result.returncode == 1
    assert "WRONG config" in result.stdout
    assert "did you mean detect.canvas?" in result.stdout


def test_a_database_that_cannot_be_made_is_one_line(facelib: Callable[..., Result], library: Make) -> None:
    result = facelib("scan", library({"a.png": ()}), check=1, db="/proc/nowhere/facelib.db")
    assert result.stderr.startswith("facelib: cannot create")
    assert result.stderr.count("\n") == 1


def test_names_with_newlines_and_bytes_that_are_no_text_stay_on_one_line(
    facelib: Callable[..., Result], tmp_path: Path
) -> None:
    root = os.fsencode(tmp_path / "library")
    os.makedirs(root)
    for name in (b"new\nline.jpg", b"latin-\xe9.jpg", b"-dash.jpg", b"quote'\".jpg", b"x" * 251 + b".jpg"):
        with open(os.path.join(root, name), "wb") as stream:
            stream.write(b"not a picture " + name)
    output = facelib("scan", tmp_path / "library", check=3).stdout
    assert "not read: 5" in output
    assert r"new\nline.jpg: it is not a picture" in output
    assert r"latin-\udce9.jpg: it is not a picture" in output
    connection = sqlite3.connect(tmp_path / "facelib.db")
    stored = [row[0] for row in connection.execute("SELECT path FROM files_v1 WHERE typeof(path) = 'blob'")]
    connection.close()
    assert stored == [os.path.join(root, b"latin-\xe9.jpg")]
    assert "nothing changed" in facelib("scan").stdout


def test_a_missing_root_is_told_every_night_and_costs_nothing(facelib: Callable[..., Result], library: Make) -> None:
    root = library({"a.png": ("red",)})
    facelib("scan", root)
    root.rename(root.parent / "away")
    for _ in range(2):
        output = facelib("-q", "scan", check=3).stdout
        assert f"NOTICE {root}: it is not there (unmounted?)" in output
    assert "1 present, 0 gone" in facelib("status").stdout


def test_status_says_what_is_due_and_how_the_last_runs_ended(facelib: Callable[..., Result], library: Make) -> None:
    root = library({f"{i}.png": ("red",) for i in range(8)})
    facelib("scan", "--limit", 6, root)
    output = facelib("status").stdout
    assert f"root      {root}: 8 files" in output
    assert "due       2 photos for fake-1 @700-1200, about " in output
    assert "scan: stopped; 8 new files, 6 photos, 6 faces" in output
    state = json.loads(facelib("--json", "status").stdout)
    assert (state["due"], state["counts"]["photos"], state["runs"][0]["outcome"]) == (2, 8, "stopped")


def test_doctor_finds_a_sound_installation_and_a_damaged_library(
    facelib: Callable[..., Result], library: Make, tmp_path: Path
) -> None:
    facelib("scan", library({f"{i}.png": ("red",) for i in range(40)}))
    sound = facelib("doctor")
    assert "WRONG" not in sound.stdout
    assert "3 model files, checksums right" in sound.stdout
    path = tmp_path / "facelib.db"
    content = bytearray(path.read_bytes())
    content[8192:40960] = os.urandom(32768)
    path.write_bytes(content)
    damaged = facelib("doctor", check=1)
    assert "WRONG library" in damaged.stdout
    assert "cure: restore a backup" in damaged.stdout


def test_doctor_works_before_there_is_a_library(facelib: Callable[..., Result]) -> None:
    assert "none yet at" in facelib("doctor").stdout


@pytest.mark.parametrize("times", [1, 2], ids=["first finishes the batch", "second stops at once"])
def test_ctrl_c(tmp_path: Path, times: int) -> None:
    """In a process group of its own, as a terminal sends it: to the workers too."""
    for i in range(300):
        draw(tmp_path / "library" / f"{i}.png", ("red",), seed=i, size=(900, 700))
    (tmp_path / "config.toml").write_text('[detect]\ndetector = "fake"\n[workers]\nworkers = 2\n')
    command = [sys.executable, "-m", "facelib", "--config", tmp_path / "config.toml", "--db", tmp_path / "facelib.db"]
    process = subprocess.Popen(
        [*command, "--json", "scan", tmp_path / "library"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line).get("stage") == "detecting":
            break
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGINT)
    if times == 2:
        for line in process.stdout:
            if json.loads(line)["event"] == "note":
                break
        os.killpg(process.pid, signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    if times == 1:
        digest = json.loads(output.splitlines()[-1])
        assert digest["outcome"] == "interrupted"
        assert 0 < digest["detect"]["done"] < 300
    result = subprocess.run([*command, "scan"], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    with create_or_open(str(tmp_path / "facelib.db")) as db:
        assert db.value("SELECT count(*) FROM faces_v1") == 300
        assert db.value("SELECT outcome FROM run WHERE run_id = 1") == "interrupted"


def test_help_of_every_command_names_its_exit_status() -> None:
    listing = subprocess.run([sys.executable, "-m", "facelib", "--help"], capture_output=True, text=True).stdout
    commands = [line.split()[0] for line in listing.split("Commands:")[1].splitlines() if line.strip()]
    assert commands == [
        "doctor", "evaluate", "import-picasa", "import-xmp", "log", "match", "models", "people", "reset", "restore-decisions",
        "scan", "status", "undo", "why",
    ]  # fmt: skip
    for command in commands:
        text = subprocess.run(
            [sys.executable, "-m", "facelib", command, "--help"], capture_output=True, text=True
        ).stdout
        assert "Exit status:" in text, command


def test_printable_keeps_text_and_escapes_the_rest() -> None:
    assert printable("/home/Zoë/日本/😀.jpg") == "/home/Zoë/日本/😀.jpg"
    assert printable("a\tb\x1b[31m\u202e") == r"a\tb\x1b[31m\u202e"
