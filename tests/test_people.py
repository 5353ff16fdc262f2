"""People and decisions: what is said stays said, through merges, new detections and lost databases, until it is taken back."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Library, draw
from hypothesis import given
from hypothesis import strategies as st

from facelib.errors import UsageError
from facelib.stages import deciding, journal
from facelib.store import acts, reset
from facelib.store.people import clean_name, name_key

Make = Callable[..., Path]
Result = subprocess.CompletedProcess[str]


@pytest.fixture
def named(db: Library, library: Make) -> Library:
    """Three photos with five faces, of which two have names."""
    db.scan(library({"a.png": ("red", "blue"), "b.png": ("red", "lime"), "c.png": ("blue",)}))
    db.detect()
    deciding.decide(db.db, [1], "is", "Ann Lee")
    deciding.decide(db.db, [2], "is", "Bob")
    return db


def shown(db: Library) -> dict[object, object]:
    return dict(db.rows("SELECT face_id, person FROM faces_v1 ORDER BY face_id"))


# --------------------------------------------------------------------------------------------------------- names


def test_a_name_finds_its_person_in_any_case_and_unicode_form(named: Library) -> None:
    deciding.decide(named.db, [3], "is", "José")
    assert deciding.find_person(named.db, "jose\u0301") == deciding.find_person(named.db, "JOSÉ") == 3
    assert deciding.find_person(named.db, " ann   lee ") == deciding.find_person(named.db, "#1") == 1
    deciding.decide(named.db, [4], "is", "ANN LEE")
    assert named.rows("SELECT count(*) FROM person") == [(3,)]
    assert shown(named)[4] == "Ann Lee"  # as it was first written


def test_a_name_that_nobody_has_is_an_error_that_says_who_is_near(named: Library) -> None:
    with pytest.raises(UsageError, match=r"nobody is called 'Ann Le'; did you mean Ann Lee\?"):
        deciding.find_person(named.db, "Ann Le")
    for text in ("#9", "#²", "#", "#99999999999999999999999"):
        with pytest.raises(UsageError, match="nobody is called"):
            deciding.find_person(named.db, text)


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\x00b", "\ud800", "x" * 201])
def test_what_cannot_be_a_name_is_refused_and_nothing_is_written(named: Library, name: str) -> None:
    with pytest.raises(UsageError):
        deciding.decide(named.db, [3], "is", name)
    with pytest.raises(UsageError):
        deciding.rename(named.db, 1, name)
    assert named.rows("SELECT count(*) FROM act") == [(2,)]


@pytest.mark.parametrize("name", ["李小龍", "محمد", "Zoë 😀", "O'Neil; DROP TABLE person", "%s", "-x", "x" * 200])
def test_any_other_name_is_kept_as_it_is(named: Library, name: str) -> None:
    deciding.decide(named.db, [3], "is", name)
    assert shown(named)[3] == name


@given(st.text(max_size=50))
def test_cleaning_a_name_is_final_and_its_key_is_of_all_its_forms(name: str) -> None:
    clean = clean_name(name)
    assert clean_name(clean) == clean
    assert name_key(clean) == name_key(name) == name_key(name_key(name))


# ----------------------------------------------------------------------------------------------- faces and people


def test_a_rejected_name_is_not_shown_and_no_face_is_no_row(named: Library) -> None:
    deciding.decide(named.db, [1], "is_not", "ann lee")
    deciding.decide(named.db, [2], "no_face")
    deciding.decide(named.db, [3], "ignore")
    assert shown(named) == {1: None, 3: None, 4: None, 5: None}


def test_a_face_that_is_not_there_is_refused_whole(named: Library) -> None:
    with pytest.raises(UsageError, match="there is no face 77"):
        deciding.decide(named.db, [3, 77], "is", "Eve")
    assert named.rows("SELECT count(*) FROM person") == [(2,)]


def test_merged_people_are_one_under_both_names(named: Library) -> None:
    deciding.merge(named.db, [2], 1)
    assert shown(named) == {1: "Ann Lee", 2: "Ann Lee", 3: None, 4: None, 5: None}
    assert named.rows("SELECT name, faces, photos FROM people_v1") == [("Ann Lee", 2, 1)]
    assert deciding.find_person(named.db, "bob") == 1
    deciding.decide(named.db, [3], "is", "Bob")
    assert shown(named)[3] == "Ann Lee"


def test_a_merge_of_merged_people_takes_all_along_and_gives_all_back(named: Library) -> None:
    deciding.decide(named.db, [3], "is", "Eve")
    deciding.merge(named.db, [2], 1)
    deciding.merge(named.db, [1], 3)
    assert {person for face, person in shown(named).items() if face in (1, 2, 3)} == {"Eve"}
    deciding.undo(named.db, 1)
    assert shown(named) == {1: "Ann Lee", 2: "Ann Lee", 3: "Eve", 4: None, 5: None}
    deciding.undo(named.db, 1)
    assert shown(named)[2] == "Bob"


def test_a_rejection_of_somebody_counts_for_whom_they_were_merged_into(named: Library) -> None:
    named.db.execute("INSERT INTO match (face_id, person_id, model) VALUES (3, 1, 'fake')")
    assert shown(named)[3] == "Ann Lee"
    deciding.decide(named.db, [3], "is_not", "Bob")
    deciding.merge(named.db, [2], 1)
    assert shown(named)[3] is None


def test_a_person_cannot_be_merged_with_themselves_nor_take_a_name_that_is_taken(named: Library) -> None:
    with pytest.raises(UsageError, match="name two"):
        deciding.merge(named.db, [1], 1)
    with pytest.raises(UsageError, match="Bob is the name of #2 already; .*facelib people merge"):
        deciding.rename(named.db, 1, "Bob")
    deciding.rename(named.db, 1, "ANN LEE")  # her own, in other letters
    assert shown(named)[1] == "ANN LEE"


def test_a_split_takes_only_faces_of_that_person(named: Library) -> None:
    deciding.decide(named.db, [3, 5], "is", "Ann Lee")
    with pytest.raises(UsageError, match="face 2 does not show Ann Lee"):
        deciding.split(named.db, 1, [3, 2], "Carla")
    deciding.split(named.db, 1, [3], "Carla")
    assert shown(named) == {1: "Ann Lee", 2: "Bob", 3: "Carla", 4: None, 5: "Ann Lee"}


def test_years_and_hiding_are_acts_too(named: Library) -> None:
    deciding.set_years(named.db, 1, 1950, 2001)
    deciding.hide(named.db, 1, True)
    assert named.rows("SELECT born, died, hidden FROM people_v1 WHERE person_id = 1") == [(1950, 2001, 1)]
    with pytest.raises(UsageError, match="nobody dies in 1900 who was born in 1950"):
        deciding.set_years(named.db, 1, 1950, 1900)
    deciding.undo(named.db, 2)
    assert named.rows("SELECT born, died, hidden FROM people_v1 WHERE person_id = 1") == [(None, None, 0)]


# ----------------------------------------------------------------------------------------------------------- undo


def test_undoing_takes_back_newest_first_and_nothing_is_erased(named: Library) -> None:
    deciding.decide(named.db, [1, 3], "is", "Eve")
    assert [act.says for act in deciding.undo(named.db, 2)] == ["2 faces are Eve", "face 2 is Bob"]
    assert shown(named) == {1: "Ann Lee", 2: None, 3: None, 4: None, 5: None}
    assert named.rows("SELECT count(*) FROM decision") == [(4,)]
    assert [act.undone_at is not None for act in acts.latest(named.db)] == [True, True, False]
    assert len(deciding.undo(named.db, 9)) == 1
    assert deciding.undo(named.db, 1) == []


# ------------------------------------------------------------------------------------------- reset, journal, restore


def test_after_a_reset_of_the_detections_every_decision_finds_its_face_again(named: Library) -> None:
    deciding.decide(named.db, [3], "is_not", "Bob")
    before = named.rows('SELECT path, "left", person FROM faces_v1 ORDER BY 1, 2')
    with named.db.atomic():
        reset.forget(named.db, detections=True, matches=True, facts=True)
    assert named.rows("SELECT count(*) FROM face") == [(0,)]
    named.detect()
    assert named.rows('SELECT path, "left", person FROM faces_v1 ORDER BY 1, 2') == before
    assert named.rows("SELECT count(*) FROM decision WHERE face_id IS NULL") == [(0,)]


def test_a_named_face_that_is_not_detected_again_is_drawn_again(named: Library) -> None:
    with named.db.atomic():
        named.db.execute('UPDATE decision SET "left" = 150, top = 5, "right" = 180, bottom = 25 WHERE decision_id = 1')
        reset.forget(named.db, detections=True, matches=True, facts=False)
    named.detect()
    rows = named.rows('SELECT source, "left", detector FROM faces_v1 WHERE person = ?', "Ann Lee")
    assert rows == [("user", 150, None)]


def test_a_journal_brings_all_decisions_into_a_new_library(named: Library, tmp_path: Path) -> None:
    deciding.merge(named.db, [2], 1)
    deciding.decide(named.db, [4], "no_face")
    deciding.decide(named.db, [5], "is", "Eve")
    deciding.undo(named.db, 1)
    journal.write(named.db)
    other = Library(tmp_path / "other.db")
    other.scan(tmp_path / "library")
    other.detect()
    assert journal.restore(other.db, journal.place(named.db.path)) == (4, 0, [])
    columns = 'SELECT sha256, "left", person FROM faces_v1 ORDER BY 1, 2'
    assert other.rows(columns) == named.rows(columns)
    assert journal.restore(other.db, journal.place(named.db.path)) == (0, 4, [])
    deciding.undo(other.db, 2)
    assert other.rows("SELECT count(*) FROM faces_v1 WHERE person IS NOT NULL") == [(0,)]
    assert journal.restore(other.db, journal.place(named.db.path))[0] == 3  # and again, because somebody asks for it
    other.db.close()


def test_a_journal_may_be_restored_before_the_photos_are_searched(named: Library, tmp_path: Path) -> None:
    journal.write(named.db)
    other = Library(tmp_path / "other.db")
    assert journal.restore(other.db, journal.place(named.db.path))[0] == 2
    other.scan(tmp_path / "library")
    other.detect()
    assert other.rows("SELECT count(*) FROM faces_v1 WHERE person IS NOT NULL") == [(2,)]
    other.db.close()


def test_a_journal_is_for_its_owner_and_written_only_when_something_was_decided(named: Library) -> None:
    journal.write(named.db)
    path = Path(journal.place(named.db.path))
    assert path.stat().st_mode & 0o777 == 0o600
    first = path.stat().st_ino
    journal.write(named.db)
    assert path.stat().st_ino == first
    deciding.rename(named.db, 1, "Anna")
    journal.write(named.db)
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [line.get("name") for line in lines] == [None, "Anna", "Bob"]


def test_bad_lines_of_a_journal_are_told_and_the_others_are_restored(named: Library, tmp_path: Path) -> None:
    journal.write(named.db)
    good = Path(journal.place(named.db.path)).read_text(encoding="utf-8").splitlines()
    bad = ["{}", "no json", '{"box": [1]}', good[1].replace('"is"', '"was"'), good[1].replace("[10", "[999")]
    (tmp_path / "mixed.jsonl").write_text("\n".join([good[0], *bad, *good[1:]]))
    other = Library(tmp_path / "other.db")
    new, _, problems = journal.restore(other.db, str(tmp_path / "mixed.jsonl"))
    assert (new, len(problems)) == (2, 5)
    assert problems[0].startswith("line 2: ")
    with pytest.raises(UsageError, match="is no journal"):
        journal.restore(other.db, __file__)
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(UsageError, match="it is empty"):
        journal.restore(other.db, str(tmp_path / "empty.jsonl"))
    with pytest.raises(UsageError, match="No such file"):
        journal.restore(other.db, "/nowhere")
    other.db.close()


# --------------------------------------------------------------------------------------------------- command line


@pytest.fixture
def facelib(tmp_path: Path) -> Callable[..., Result]:
    config = tmp_path / "config.toml"
    config.write_text('[detect]\ndetector = "fake"\n[workers]\nworkers = 1\n')

    def run(*arguments: object, check: int = 0) -> Result:
        command = [sys.executable, "-m", "facelib", "--config", config, "--db", tmp_path / "l.db", *map(str, arguments)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert "Traceback" not in result.stderr + result.stdout
        assert result.returncode == check, result.stderr + result.stdout
        return result

    return run


def test_a_session_of_people(facelib: Callable[..., Result], tmp_path: Path) -> None:
    facelib("people", check=10)
    draw(tmp_path / "library" / "a.png", ("red", "blue"))
    facelib("scan", tmp_path / "library")
    library = Library(tmp_path / "l.db")
    deciding.decide(library.db, [1], "is", "Ann Lee")
    deciding.decide(library.db, [2], "is", "Bob")
    library.db.close()
    assert [line.split("  ")[0] for line in facelib("people").stdout.splitlines()] == ["#1", "#2"]
    assert facelib("people", "rename", "bob", "Robert").stdout == "Bob is now called Robert\n"
    assert facelib("people", "merge", "robert", "--into", "ann lee").stdout == "Robert merged into Ann Lee\n"
    assert "also known as Robert" in facelib("people", "show", "robert").stdout
    assert "Robert merged into Ann Lee" in facelib("log").stdout.splitlines()[0]
    assert facelib("undo").stdout == "taken back: Robert merged into Ann Lee\n"
    assert facelib("undo", 2).stdout.splitlines()[1] == "taken back: face 2 is Bob"
    assert "(taken back)" in facelib("log").stdout
    facelib("people", "birth", "ann lee", 1950)
    facelib("people", "hide", "ann lee")
    assert facelib("people").stdout == ""
    assert "Ann Lee" in facelib("people", "list", "--all").stdout
    assert "nobody is called 'carl'" in facelib("people", "show", "carl", check=2).stderr
    assert "say what to forget" in facelib("reset", check=2).stderr
    assert facelib("reset", "--all", "--dry-run").stdout.startswith("would forget 1 detection, 2 faces, 2 encodings")
    said = facelib("reset", "--all").stdout
    assert Path(said.split("a backup is ")[1].strip()).exists()
    facelib("scan")
    assert "restored" in facelib("restore-decisions", tmp_path / "l.db.decisions.jsonl").stdout
