"""What the detection stage promises: one bad photo is a row, a killed run is resumed, the end is the same."""

from __future__ import annotations

import functools
import json
import os
import random
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import DATA, FAKE, Library, draw, needs

from facelib.config import Config, DetectOptions, EncodeOptions, ImageOptions
from facelib.errors import EngineError
from facelib.models import Analysis, Job
from facelib.progress import Silent, Stop
from facelib.stages import detect
from facelib.stages.analyse import analyse
from facelib.stages.pool import InlineExecutor, WorkerPool
from facelib.store import runs
from facelib.store.decisions import SAME_PERSON_DISTANCE

Make = Callable[..., Path]


def faulty(job: Job) -> Analysis:
    """Analyse, but die, hang or raise over photos whose names say so."""
    name = os.path.basename(job.path)
    if "crash" in name:
        os.kill(os.getpid(), signal.SIGSEGV)
    if "hang" in name:
        time.sleep(600)
    if "bug" in name:
        raise LookupError("a bug")
    if "engine" in name:
        raise EngineError("the engine cannot run")
    return analyse(FAKE, job)


def test_photos_that_crash_hang_or_bring_out_a_bug_cost_themselves_only(db: Library, library: Make) -> None:
    db.scan(library({f"{name}.png": ("red",) for name in ("a", "bug", "crash", "d", "hang", "z")}))
    pool = WorkerPool(workers=2, recycle_after=100, timeout=2)
    try:
        summary = db.detect(executor=pool, analyse=faulty)
    finally:
        pool.shutdown()
    assert (summary.done, summary.faces) == (6, 3)
    reasons = {Path(str(path)).stem: reason for path, reason in db.rows("SELECT path, error FROM photos_v1")}
    assert [reasons[name] for name in ("a", "d", "z")] == [None, None, None]
    assert "crashed (SIGSEGV)" in str(reasons["crash"])
    assert "longer than 2 seconds" in str(reasons["hang"])
    assert "report this: LookupError: a bug" in str(reasons["bug"])


def test_a_photo_that_crashed_twice_is_left_alone_until_asked_for(db: Library, library: Make) -> None:
    root = library({"bug.png": ("red",), "a.png": ()})
    db.scan(root)
    assert db.detect(analyse=faulty).done == 2
    assert db.detect(analyse=faulty).done == 1  # once more
    assert db.detect(analyse=faulty).due == 0
    summary = db.detect(retry_errors=True)
    assert (summary.done, summary.faces, summary.errors) == (1, 1, [])
    assert db.rows("SELECT count(*) FROM photos_v1 WHERE error IS NOT NULL") == [(0,)]


def test_an_engine_that_cannot_run_ends_the_stage_and_blames_no_photo(db: Library, library: Make) -> None:
    db.scan(library({"engine.png": ("red",)}))
    with pytest.raises(EngineError):
        db.detect(analyse=faulty)
    assert db.detect().done == 1


def test_what_cannot_be_decoded_is_an_error_once_and_due_only_when_asked_for(db: Library, library: Make) -> None:
    root = library({"a.png": ()})
    (root / "b.jpg").write_text("<html>404</html>")
    db.scan(root)
    summary = db.detect()
    assert summary.errors == [(str(root / "b.jpg"), "it is not a picture but text: '<html>404</html>'")]
    assert db.detect().due == 0
    assert db.detect(retry_errors=True).done == 1


def test_a_file_that_changed_since_it_was_hashed_is_left_for_the_next_run(db: Library, library: Make) -> None:
    root = library({"a.png": ("red",)})
    db.scan(root)
    draw(root / "a.png", ("red", "blue"), seed=7)
    summary = db.detect()
    assert (summary.done, summary.complete) == (0, False)
    assert "changed since it was hashed" in summary.errors[0][1]
    assert db.rows("SELECT count(*) FROM detection") == [(0,)]
    db.scan()
    assert db.detect().faces == 2


def test_a_photo_is_read_from_whichever_of_its_files_is_there(db: Library, library: Make) -> None:
    root = library({"a.png": ("red",), **{f"x{i}.png": () for i in range(9)}})
    db.scan(root)
    shutil.copy(root / "a.png", root / "copy.png")
    (root / "a.png").unlink()
    (root / "x1.png").unlink()
    db.scan()
    assert db.detect().done == 9  # all but x1, which nobody can see any more


def test_limit_and_deadline_stop_between_photos_and_the_rest_stays_due(db: Library, library: Make) -> None:
    db.scan(library({f"{i}.png": ("red",) for i in range(7)}))
    summary = db.detect(limit=3)
    assert (summary.done, summary.complete) == (3, False)
    run_id = runs.start(db.db, "scan")
    stopped = detect.run(
        db.db, run_id, FAKE, "fake-1 @700-1200", Silent(), Stop(time.monotonic() - 1), executor=InlineExecutor()
    )
    assert (stopped.done, stopped.due, stopped.complete) == (0, 4, False)
    assert db.detect().done == 4


def test_facts_are_read_without_looking_for_faces(db: Library, library: Make) -> None:
    root = library({"a.png": ("red",)})
    db.scan(root)
    run_id = runs.start(db.db, "scan")
    assert detect.run(db.db, run_id, FAKE, None, Silent(), Stop(), executor=InlineExecutor()).done == 1
    assert db.rows("SELECT width, height, orientation, format, faces FROM photos_v1") == [(200, 120, 1, "PNG", 0)]
    assert detect.run(db.db, run_id, FAKE, None, Silent(), Stop(), executor=InlineExecutor()).due == 0
    assert db.detect().faces == 1


def test_results_are_written_in_order_whoever_is_first(db: Library, library: Make, tmp_path: Path) -> None:
    root = library({f"{i:02}.png": ("red", "blue")[: i % 3] for i in range(30)})
    db.scan(root)
    db.detect()
    other = Library(tmp_path / "other.db")
    other.scan(root)
    pool = WorkerPool(workers=3, recycle_after=4, timeout=60)
    try:
        other.detect(executor=pool)
    finally:
        pool.shutdown()
    for table in ("detection", "face", "encoding", "photo"):
        assert other.rows(f"SELECT * FROM {table}") == db.rows(f"SELECT * FROM {table}")
    other.db.close()


# -------------------------------------------------------------------------------------- faces keep their identity


def test_detecting_again_keeps_faces_and_what_was_said_about_them(db: Library, library: Make) -> None:
    db.scan(library({"a.png": ("red", "blue")}))
    db.detect()
    before = db.rows("SELECT face_id, person, source FROM faces_v1")
    name_face(db, 1, "Ann")
    run_id = runs.start(db.db, "scan")
    config = Config(detect=FAKE.detect.__class__(detector="fake", canvas=300, min_canvas=1))
    detect.run(
        db.db, run_id, config, "fake-1 @1-300", Silent(), Stop(), executor=InlineExecutor(),
        analyse=functools.partial(analyse, config),
    )  # fmt: skip
    after = db.rows("SELECT face_id, person, source FROM faces_v1 ORDER BY face_id")
    assert [row[0] for row in after] == [row[0] for row in before]
    assert after[0] == (1, "Ann", "user")


def name_face(db: Library, face_id: int, name: str) -> None:
    """A decision as a person makes it."""
    with db.db.atomic():
        person = db.db.execute("INSERT INTO person (name) VALUES (?)", (name,))
        db.db.execute(
            'INSERT INTO decision (sha256, "left", top, "right", bottom, face_id, verdict, person_id, made_by, made_at)'
            " SELECT p.sha256, f.\"left\", f.top, f.\"right\", f.bottom, f.face_id, 'is', ?, 'user', '2026-01-01T00:00:00Z'"
            " FROM face f JOIN photo p USING (photo_id) WHERE face_id = ?",
            (person, face_id),
        )


def test_names_follow_their_faces_into_an_edited_photo(db: Library, library: Make) -> None:
    root = library({"a.png": ("red", "blue")})
    db.scan(root)
    db.detect()
    name_face(db, 1, "Ann")
    draw(root / "a.png", ("red", "blue"), seed=42)  # brightened, say
    db.scan()
    assert db.detect().carried == 1
    rows = db.rows(
        "SELECT person, source FROM faces_v1 JOIN files_v1 USING (photo_id) WHERE present = 1 ORDER BY face_id"
    )
    assert rows == [("Ann", "user"), (None, None)]
    assert db.detect().carried == 0


def test_names_do_not_follow_into_quite_another_picture(db: Library, library: Make) -> None:
    root = library({"a.png": ("red",)})
    db.scan(root)
    db.detect()
    name_face(db, 1, "Ann")
    draw(root / "a.png", ("blue",), seed=42)  # the camera's counter began anew
    db.scan()
    # The fake engine's encodings stand in for dlib's, whose threshold is known.
    run_id = runs.start(db.db, "scan")
    far = functools.partial(with_encoding, 1.0)
    with db.db.atomic():
        db.db.execute("UPDATE encoding SET model = 'dlib-resnet-v1', vector = ?", (struct.pack("<128f", *[0.0] * 128),))
    summary = detect.run(
        db.db, run_id, FAKE, "fake-1 @700-1200", Silent(), Stop(), executor=InlineExecutor(), analyse=far
    )
    assert summary.carried == 0
    assert db.rows("SELECT person FROM faces_v1 JOIN files_v1 USING (photo_id) WHERE present = 1") == [(None,)]


@pytest.mark.parametrize("options", [EncodeOptions(), EncodeOptions(mirror=False)], ids=lambda o: o.name)
def test_every_model_that_can_be_chosen_guards_against_quite_another_picture(options: EncodeOptions) -> None:
    assert SAME_PERSON_DISTANCE[options.name.split("-")[0]] == 0.6


def test_names_follow_through_an_edit_that_nobody_searched(db: Library, library: Make) -> None:
    root = library({"a.png": ("red", "blue")})
    db.scan(root)
    db.detect()
    name_face(db, 1, "Ann")
    draw(root / "a.png", ("red", "blue"), seed=42)
    db.scan()  # and before its faces are looked for, it is edited again
    draw(root / "a.png", ("red", "blue"), seed=43)
    db.scan()
    assert db.detect().carried == 1


def test_faces_stay_found_when_the_larger_picture_is_over_the_budget(tmp_path: Path) -> None:
    draw(tmp_path / "a.png", ("red",), size=(4000, 2000))
    status = (tmp_path / "a.png").stat()
    config = Config(detect=DetectOptions("fake", canvas=1200, min_canvas=1), images=ImageOptions(max_megapixels=8.5))
    job = Job(1, str(tmp_path / "a.png"), status.st_size, status.st_mtime_ns, detect=True)
    made = analyse(config, job)
    assert made.faces is not None
    assert len(made.faces) == 1


def with_encoding(value: float, job: Job) -> Analysis:
    """Analyse, and put a given dlib encoding in the place of the fake one."""
    from dataclasses import replace

    result = analyse(FAKE, job)
    vector = struct.pack("<128f", *[value] + [0.0] * 127)
    faces = tuple(replace(face, encodings={"dlib-resnet-v1": vector}) for face in result.faces or ())
    return replace(result, faces=faces)


# -------------------------------------------------------------------------------------------------- kill and resume

TABLES = {
    "root": "path, trust_inodes, problem",
    "folder": "folder_id, path",
    "file": "file_id, folder_id, path, size, mtime_ns, inode, photo_id, error, present",
    "photo": "photo_id, sha256, width, height, orientation, format, taken_at, camera, warning, error",
    "detection": "detection_id, photo_id, detector, faces, error, crashes",
    "face": 'face_id, photo_id, detection_id, source, detector, "left", top, "right", bottom, score, landmarks, quality',
    "encoding": "face_id, model, vector",
    "other_file": "path, reason",
}


def state(database: Path) -> dict[str, list[tuple[object, ...]]]:
    """All that a library holds, but for when it came there."""
    connection = sqlite3.connect(database)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        return {t: connection.execute(f"SELECT {c} FROM {t} ORDER BY 1, 2").fetchall() for t, c in TABLES.items()}
    finally:
        connection.close()


def test_a_scan_killed_at_twenty_random_moments_ends_like_one_that_was_not(tmp_path: Path) -> None:
    for i in range(60):
        draw(tmp_path / "library" / f"{i % 5}" / f"{i}.png", ("red", "blue", "lime")[: i % 4], seed=i)
    (tmp_path / "library" / "page.jpg").write_text("<html>404</html>")
    (tmp_path / "library" / "raw.nef").write_bytes(b"raw")
    (tmp_path / "config.toml").write_text('[detect]\ndetector = "fake"\n[workers]\nworkers = 2\n')

    def command(name: str) -> list[str]:
        start = [
            sys.executable,
            "-m",
            "facelib",
            "--config",
            str(tmp_path / "config.toml"),
            "--db",
            str(tmp_path / name),
        ]
        return [*start, "-q", "scan", str(tmp_path / "library")]

    began = time.monotonic()
    assert subprocess.run(command("whole.db"), capture_output=True).returncode == 3
    duration = time.monotonic() - began
    chance, interrupted = random.Random(5), 0
    for _ in range(20):
        process = subprocess.Popen(command("killed.db"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(chance.uniform(0.05, 0.9) * duration)
        except subprocess.TimeoutExpired:
            interrupted += 1
            process.kill()
            process.wait()
    assert interrupted, "no run was long enough to be killed"
    result = subprocess.run(command("killed.db"), capture_output=True, text=True)
    assert result.returncode in (0, 3), result.stderr
    assert state(tmp_path / "killed.db") == state(tmp_path / "whole.db")


@needs("album")
def test_real_photographs_end_in_the_same_tables_inline_and_in_workers(tmp_path: Path) -> None:
    for name in sorted(p.name for p in (DATA / "album/2015/2015-03").glob("*.jpg"))[:4]:
        (tmp_path / "library").mkdir(exist_ok=True)
        shutil.copy(DATA / "album/2015/2015-03" / name, tmp_path / "library" / name)
    config = Config()
    results = []
    for executor in (InlineExecutor(), None):
        db = Library(tmp_path / f"{len(results)}.db")
        db.scan(tmp_path / "library")
        run_id = runs.start(db.db, "scan")
        summary = detect.run(
            db.db, run_id, config, "cnn-1 up=1 pyramid=4 @700-1200", Silent(), Stop(), executor=executor
        )
        assert summary.faces >= 8
        db.db.close()
        results.append(state(tmp_path / f"{len(results)}.db"))
    assert results[0] == results[1]


@needs("album")
def test_the_default_finds_the_faces_of_a_month_of_the_album_where_they_are(tmp_path: Path) -> None:
    """Through the published views: every true face has a detection centre in its box, and next to nothing else is found."""
    month = DATA / "album/2015/2015-03"
    truth = json.loads((DATA / "album/gt.json").read_text())["photos"]
    db = Library(tmp_path / "facelib.db")
    db.scan(month)
    run_id = runs.start(db.db, "scan")
    detect.run(db.db, run_id, Config(), "cnn-1 up=1 pyramid=4 @700-1200", Silent(), Stop(), executor=None)
    found = missed = extra = 0
    for path, photo in truth.items():
        if not path.startswith("2015/2015-03/"):
            continue
        rows = db.rows(
            'SELECT "left", top, "right", bottom FROM faces_v1 WHERE path = ?', str((DATA / "album" / path).resolve())
        )
        centres = {((left + right) / 2, (top + bottom) / 2) for left, top, right, bottom in rows}  # type: ignore[operator]
        for box in [face["box"] for face in photo["faces"]]:
            hit = next((c for c in centres if box[0] <= c[0] <= box[2] and box[1] <= c[1] <= box[3]), None)
            centres.discard(hit)  # type: ignore[arg-type]
            found, missed = found + (hit is not None), missed + (hit is None)
        ignored = photo["ignore"]
        extra += sum(not any(b[0] <= c[0] <= b[2] and b[1] <= c[1] <= b[3] for b in ignored) for c in centres)
    db.db.close()
    assert found > 20
    assert (missed, extra) == (0, 0)
