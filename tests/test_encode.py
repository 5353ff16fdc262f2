"""What encoding by another model promises: the same faces, their names untouched, nobody detects again."""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import DATA, FAKE, Library, needs

from facelib.config import Config, EncodeOptions
from facelib.models import Analysis, Job, KnownFace
from facelib.progress import Silent, Stop
from facelib.stages import detect, encode
from facelib.stages.analyse import analyse
from facelib.stages.pool import InlineExecutor
from facelib.store import encodings, runs

Make = Callable[..., Path]


def run(db: Library, model: str, analyse: Callable[[Job], Analysis]) -> encode.EncodeSummary:
    run_id = runs.start(db.db, "scan")
    return encode.run(
        db.db, run_id, FAKE, model, Silent(), Stop(), executor=InlineExecutor(), analyse=analyse
    )  # fmt: skip


def renamed(model: str, job: Job) -> Analysis:
    """The fake engine under another name."""
    result = analyse(FAKE, job)
    return replace(result, encoded=tuple(replace(one, model=model) for one in result.encoded))


def fails(words: str, crashed: bool, job: Job) -> Analysis:
    return Analysis(job.photo_id, error=words, crashed=crashed)


def test_faces_found_before_get_an_encoding_of_the_new_model(db: Library, library: Make) -> None:
    db.scan(library({"a.png": ("red", "blue"), "b.png": (), "c.png": ("lime",)}))
    db.detect()
    before = db.rows("SELECT * FROM face"), db.rows("SELECT * FROM detection")
    assert encodings.count_due(db.db, "other") == (2, 3)
    summary = run(db, "other", functools.partial(renamed, "other"))
    assert (summary.due, summary.done, summary.faces, summary.complete) == (2, 2, 3, True)
    assert (db.rows("SELECT * FROM face"), db.rows("SELECT * FROM detection")) == before
    assert db.rows("SELECT model, count(*) FROM encoding GROUP BY model ORDER BY model") == [("fake", 3), ("other", 3)]
    # The same boxes and landmarks on the same pixels: the same vectors.
    assert db.rows("SELECT count(DISTINCT vector), count(*) FROM encoding") == [(3, 6)]
    assert run(db, "other", functools.partial(renamed, "other")).due == 0


def test_a_box_without_landmarks_gets_them_and_a_quality(db: Library, library: Make) -> None:
    """Boxes that Picasa or a person drew."""
    db.scan(library({"a.png": ("red",)}))
    db.detect()
    with db.db.atomic():
        db.db.execute("DELETE FROM encoding")
        db.db.execute(
            "UPDATE face SET landmarks = NULL, landmark_kind = NULL, quality = NULL, source = 'user', detection_id = NULL"
        )
    assert run(db, "fake", functools.partial(analyse, FAKE)).faces == 1
    ((landmarks, quality),) = db.rows("SELECT landmarks, quality FROM face")
    points = np.frombuffer(bytes(landmarks), "<f4").reshape(5, 2)  # type: ignore[call-overload]
    assert ((points >= (10, 30)) & (points <= (41, 71))).all()
    assert 0 < float(str(quality)) <= 1


def test_a_photo_that_cannot_be_encoded_is_tried_twice_if_it_crashed_and_once_if_not(
    db: Library, library: Make
) -> None:
    db.scan(library({"a.png": ("red",)}))
    db.detect()
    assert run(db, "other", functools.partial(fails, "the worker process crashed", True)).done == 1
    assert run(db, "other", functools.partial(fails, "the worker process crashed", True)).done == 1
    assert run(db, "other", functools.partial(fails, "never called", True)).due == 0
    assert run(db, "third", functools.partial(fails, "it is damaged", False)).errors[0][1] == "it is damaged"
    assert run(db, "third", functools.partial(fails, "never called", False)).due == 0


def test_the_name_of_the_model_says_whether_the_mirror_is_in_it() -> None:
    assert EncodeOptions().name == "dlib-resnet-v1+mirror"
    assert EncodeOptions(mirror=False).name == "dlib-resnet-v1"


@needs("group-photos")
@pytest.mark.parametrize(
    ("name", "mirror", "most"),
    [
        ("dlib-faces/2008_002079.jpg", False, 1e-5),
        ("dlib-faces/2008_002079.jpg", True, 1e-5),
        ("human-samples/group-4.jpg", True, 0.2),
    ],
)
def test_known_faces_of_a_real_photograph_get_nearly_the_vectors_of_detection(
    name: str, mirror: bool, most: float
) -> None:
    """On the same picture the same vectors. On another one landmarks are rounded anew: far within the 0.6 that tells people
    apart."""
    made = analyse(Config(encode=EncodeOptions(mirror=mirror)), job(name, detect=True))
    assert made.faces is not None
    assert len(made.faces) >= 5
    known = tuple(KnownFace(i, face.box, face.landmarks, face.landmark_kind) for i, face in enumerate(made.faces))
    again = analyse(Config(encode=EncodeOptions(mirror=mirror)), replace(job(name), faces=known))
    for face, one in zip(made.faces, again.encoded, strict=True):
        ((model, vector),) = face.encodings.items()
        assert one.model == model
        a, b = (np.array(struct.unpack("<128f", v)) for v in (vector, one.vector))
        assert np.linalg.norm(a - b) < most


def job(name: str, detect: bool = False) -> Job:
    path = DATA / "group-photos" / name
    status = path.stat()
    return Job(1, str(path), status.st_size, status.st_mtime_ns, detect=detect)


def test_a_scan_that_only_reads_facts_encodes_nothing(db: Library, library: Make) -> None:
    db.scan(library({"a.png": ("red",)}))
    run_id = runs.start(db.db, "scan")
    detect.run(db.db, run_id, FAKE, None, Silent(), Stop(), executor=InlineExecutor())
    assert encodings.count_due(db.db, "fake") == (0, 0)


def test_retrying_errors_encodes_what_failed_before(db: Library, library: Make) -> None:
    db.scan(library({"a.png": ("red",)}))
    db.detect()
    run(db, "other", functools.partial(fails, "it is damaged", False))
    run_id = runs.start(db.db, "scan")
    summary = encode.run(
        db.db, run_id, FAKE, "other", Silent(), Stop(), retry_errors=True, executor=InlineExecutor(),
        analyse=functools.partial(renamed, "other"),
    )  # fmt: skip
    assert (summary.done, summary.faces) == (1, 1)


def test_a_failure_after_a_crash_is_final(db: Library, library: Make) -> None:
    db.scan(library({"a.png": ("red",)}))
    db.detect()
    run(db, "other", functools.partial(fails, "the worker process crashed", True))
    run(db, "other", functools.partial(fails, "it is damaged", False))
    assert encodings.count_due(db.db, "other") == (0, 0)
