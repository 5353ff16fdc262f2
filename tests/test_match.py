"""Names on new faces: what `match` guesses, never guesses, and how little it does when little is new."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import Library, draw

from facelib.config import MatchOptions
from facelib.errors import EngineError, UsageError
from facelib.matching import cluster as clustering
from facelib.progress import Silent, Stop
from facelib.stages import cluster, deciding, evaluate, match, why
from facelib.stages.match import MatchSummary

Make = Callable[..., Path]
OPTIONS = MatchOptions()


def run(db: Library, **options: bool) -> MatchSummary:
    return match.run(db.db, "fake", OPTIONS, Silent(), Stop(), **options)


@pytest.fixture
def album(db: Library, library: Make) -> Library:
    """Two people who were named in three photos each, and photos of nobody in particular."""
    photos = {f"{i}.png": ("red", "blue") for i in range(3)}
    photos |= {"new.png": ("blue", "red", "lime"), "twins.png": ("red", "red"), "alone.png": ("white",)}
    db.scan(library(photos))
    db.detect()
    deciding.decide(db.db, faces_like(db, "red", 3), "is", "Ann")
    deciding.decide(db.db, faces_like(db, "blue", 3), "is", "Bob")
    return db


def faces_like(db: Library, colour: str, count: int) -> list[int]:
    """The first faces of a colour: red is left of blue in the named photos."""
    rows = db.rows("SELECT face_id FROM faces_v1 WHERE path GLOB '*/[0-9].png' ORDER BY path, \"left\"")
    return [int(str(row[0])) for row in rows][0 if colour == "red" else 1 :: 2][:count]


def names_in(db: Library, photo: str) -> list[object]:
    rows = db.rows('SELECT person FROM faces_v1 WHERE path LIKE ? ORDER BY "left"', f"%/{photo}")
    return [row[0] for row in rows]


def test_faces_that_look_like_a_named_one_get_the_name_and_others_none(album: Library) -> None:
    summary = run(album)
    assert names_in(album, "new.png") == ["Bob", "Ann", None]
    assert names_in(album, "alone.png") == [None]
    assert (summary.labels, summary.people) == (6, 2)
    rows = album.rows(
        "SELECT source, distance IS NOT NULL FROM faces_v1 WHERE path LIKE '%/new.png' AND person IS NOT NULL"
    )
    assert rows == [("match", 1), ("match", 1)]


def test_nobody_is_twice_in_one_photo_unless_somebody_said_so(album: Library) -> None:
    run(album)
    assert names_in(album, "twins.png").count("Ann") <= 1
    twins = [int(str(row[0])) for row in album.rows("SELECT face_id FROM faces_v1 WHERE path LIKE '%/twins.png'")]
    deciding.decide(album.db, twins, "is", "Ann")
    run(album)
    assert names_in(album, "twins.png") == ["Ann", "Ann"]


def test_a_rejected_name_is_not_guessed_again_and_comes_back_when_the_rejection_is_undone(album: Library) -> None:
    run(album)
    (face,) = album.rows("SELECT face_id FROM faces_v1 WHERE path LIKE '%/new.png' AND person = 'Bob'")
    deciding.decide(album.db, [int(str(face[0]))], "is_not", "Bob")
    run(album)
    assert names_in(album, "new.png")[0] is None
    deciding.undo(album.db, 1)
    run(album)
    assert names_in(album, "new.png")[0] == "Bob"


def test_nobody_is_in_a_photo_from_before_their_birth(album: Library) -> None:
    album.db.execute("UPDATE photo SET taken_at = '1980-05-01T10:00:00'")
    deciding.set_years(album.db, deciding.find_person(album.db, "Ann"), 1990, None)
    run(album)
    assert names_in(album, "new.png") == ["Bob", None, None]
    deciding.undo(album.db, 1)
    run(album)
    assert names_in(album, "new.png") == ["Bob", "Ann", None]


def test_a_decision_is_never_overruled(album: Library) -> None:
    (face,) = album.rows("SELECT face_id FROM faces_v1 WHERE path LIKE '%/new.png' ORDER BY \"left\" LIMIT 1")
    for verdict, name, shown in (("is", "Eve", "Eve"), ("ignore", None, None)):
        deciding.decide(album.db, [int(str(face[0]))], verdict, name)
        run(album)
        assert names_in(album, "new.png")[0] == shown


def test_what_was_compared_is_not_compared_again_and_new_faces_cost_only_themselves(
    album: Library, tmp_path: Path
) -> None:
    run(album)
    assert run(album).faces == 0
    draw(tmp_path / "library/later.png", ("red",), seed=99)
    album.scan(tmp_path / "library")
    album.detect()
    later = run(album)
    assert (later.faces, later.named) == (1, 1)
    assert names_in(album, "later.png") == ["Ann"]


def test_a_new_name_is_compared_with_all_unnamed_faces(album: Library) -> None:
    run(album)
    (face,) = album.rows("SELECT face_id FROM faces_v1 WHERE path LIKE '%/alone.png'")
    deciding.decide(album.db, [int(str(face[0]))], "is", "Eve")
    assert run(album).faces >= 5


def test_a_dry_run_says_what_would_change_and_writes_nothing(album: Library) -> None:
    before = album.rows("SELECT * FROM match")
    summary = run(album, dry_run=True)
    assert {change.after for change in summary.changes} >= {1, 2}
    assert album.rows("SELECT * FROM match") == before
    assert run(album).changes == summary.changes


@pytest.mark.parametrize(
    ("vector", "reason"),
    [
        (struct.pack("<128f", *[float("nan")] * 128), "not finite"),
        (struct.pack("<128f", *[0.0] * 128), "all noughts"),
        (struct.pack("<64f", *[0.1] * 64), "256 bytes"),
    ],
)
def test_an_encoding_that_cannot_be_compared_is_named_and_the_others_go_on(
    album: Library, vector: bytes, reason: str
) -> None:
    (face,) = album.rows("SELECT max(face_id) FROM faces_v1 WHERE path LIKE '%/new.png'")
    album.db.execute("UPDATE encoding SET vector = ? WHERE face_id = ?", (vector, int(str(face[0]))))
    summary = run(album)
    assert [one[0] for one in summary.refused] == [face[0]]
    assert reason in summary.refused[0][1]
    assert "Ann" in names_in(album, "new.png")


def test_when_the_last_label_is_taken_back_the_guesses_go(album: Library) -> None:
    run(album)
    deciding.undo(album.db, 2)
    run(album)
    assert album.rows("SELECT count(*) FROM faces_v1 WHERE person IS NOT NULL") == [(0,)]


def test_why_tells_names_distances_bars_and_examples(album: Library) -> None:
    run(album)
    (face,) = album.rows("SELECT face_id FROM faces_v1 WHERE path LIKE '%/new.png' AND person = 'Ann'")
    deciding.decide(album.db, [int(str(face[0]))], "is_not", "Ann")
    run(album)
    (found,) = why.run(album.db, str(face[0]), "fake", OPTIONS)
    assert found.person is None
    assert [near.name for near in found.people] == ["Ann", "Bob"]
    assert found.people[0].bar == "somebody said that it is not"
    assert [example.name for example in found.examples][:3] == ["Ann"] * 3
    (path,) = album.rows("SELECT path FROM files_v1 WHERE path LIKE '%/new.png'")
    assert len(why.run(album.db, str(path[0]), "fake", OPTIONS)) == 3
    with pytest.raises(UsageError, match="there is no face 999"):
        why.run(album.db, "999", "fake", OPTIONS)
    with pytest.raises(UsageError, match="no photo that is indexed"):
        why.run(album.db, __file__, "fake", OPTIONS)


def test_evaluate_judges_the_labels_and_finds_the_wrong_one(album: Library) -> None:
    found = evaluate.run(album.db, "fake", OPTIONS)
    assert (found.faces, found.judged) == (6, 6)
    told = "\n".join(evaluate.lines(album.db, found))
    assert "6 named faces of 2 people, each left out once (fake, " in told
    assert json.dumps(evaluate.as_dict(album.db, found))


def test_a_plot_is_drawn_where_matplotlib_is_there_and_else_the_cure_is_told(album: Library, tmp_path: Path) -> None:
    found = evaluate.run(album.db, "fake", OPTIONS)
    with pytest.raises(UsageError, match=r"a plot is a \.png or an \.svg"):
        evaluate.plot(found, str(tmp_path / "error.jpg"))
    if find_spec("matplotlib") is None:
        with pytest.raises(EngineError, match=r"pip install 'facelib\[plot\]'"):
            evaluate.plot(found, str(tmp_path / "error.png"))
        return
    for name in ("error.png", "error.svg"):
        evaluate.plot(found, str(tmp_path / name))
        assert (tmp_path / name).stat().st_size > 5000


def test_evaluate_without_labels_says_how_to_get_some(db: Library, library: Make) -> None:
    db.scan(library({"a.png": ("red",)}))
    db.detect()
    with pytest.raises(UsageError, match="no named face has an encoding of fake"):
        evaluate.run(db.db, "fake", OPTIONS)


def test_a_scan_guesses_at_its_end(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[detect]\ndetector = "fake"\n[workers]\nworkers = 1\n')

    def facelib(*arguments: object) -> str:
        command = [sys.executable, "-m", "facelib", "--config", config, "--db", tmp_path / "l.db", *map(str, arguments)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert "Traceback" not in result.stderr + result.stdout
        assert result.returncode == 0, result.stderr
        return result.stdout

    for number in range(3):
        draw(tmp_path / "library" / f"{number}.png", ("red", "blue"), seed=number)
    facelib("scan", tmp_path / "library")
    library = Library(tmp_path / "l.db")
    deciding.decide(library.db, [1, 3], "is", "Ann")
    library.db.close()
    said = facelib("scan")
    assert "  names   1 guessed and 0 suggested for 4 faces, from 2 named faces of 1 person" in said
    assert facelib("match") == "nothing is new since the last time\n"
    assert facelib("why", 5).startswith("face 5 of ")


# --------------------------------------------------------------------------------------------------- unknown faces


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test engine as a model whose distances are known: one colour is one person."""
    monkeypatch.setitem(clustering.STARTS, "fake", clustering.Start(0.5, 1.4, 1.4))


def groups(db: Library) -> list[tuple[object, ...]]:
    return db.rows(
        "SELECT cluster_id, group_concat(face_id) FROM (SELECT * FROM faces_v1 ORDER BY face_id) WHERE person IS NULL"
        " GROUP BY cluster_id ORDER BY min(face_id)"
    )


@pytest.mark.usefixtures("measured")
def test_unknown_faces_that_look_alike_are_one_group_and_those_of_one_photo_are_not(db: Library, library: Make) -> None:
    db.scan(library({"a.png": ("lime", "red"), "b.png": ("lime", "lime"), "c.png": ("white",)}))
    db.detect()
    summary = cluster.run(db.db, "fake", Silent(), Stop())
    assert (summary.added, summary.groups, summary.grouped, summary.alone) == (5, 1, 2, 3)
    assert len(groups(db)) == 4


@pytest.mark.usefixtures("measured")
def test_groups_grow_and_are_not_redrawn(db: Library, library: Make, tmp_path: Path) -> None:
    db.scan(library({"a.png": ("lime",), "b.png": ("lime", "red")}))
    db.detect()
    cluster.run(db.db, "fake", Silent(), Stop())
    before = dict(db.rows("SELECT face_id, cluster_id FROM faces_v1"))
    assert cluster.run(db.db, "fake", Silent(), Stop()).added == 0
    for number in range(3):
        draw(tmp_path / f"library/later{number}.png", ("red", "lime", "white"), seed=70 + number)
    db.scan(tmp_path / "library")
    db.detect()
    assert cluster.run(db.db, "fake", Silent(), Stop()).added == 9
    after = dict(db.rows("SELECT face_id, cluster_id FROM faces_v1"))
    assert {face: after[face] for face in before} == before
    assert sorted(len(str(row[1]).split(",")) for row in groups(db)) == [3, 4, 5]


@pytest.mark.usefixtures("measured")
def test_a_face_that_gets_a_name_leaves_the_unknown_ones(db: Library, library: Make) -> None:
    db.scan(library({f"{i}.png": ("lime", "red") for i in range(4)}))
    db.detect()
    cluster.run(db.db, "fake", Silent(), Stop())
    deciding.decide(db.db, [1, 3], "is", "Ann")
    run(db)
    assert cluster.run(db.db, "fake", Silent(), Stop()).groups == 1
    assert db.rows("SELECT count(*) FROM faces_v1 WHERE person = 'Ann'") == [(4,)]


def test_a_model_that_nobody_measured_is_not_grouped(db: Library, library: Make) -> None:
    db.scan(library({"a.png": ("lime",), "b.png": ("lime",)}))
    db.detect()
    assert cluster.run(db.db, "fake", Silent(), Stop()).added == 0
