"""What the database promises: one writer, readers at any time, nothing half done, strangers' files untouched."""

from __future__ import annotations

import os
import re
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from conftest import Library, draw
from hypothesis import given
from hypothesis import strategies as st

from facelib.errors import DatabaseError, ForeignDatabaseError, LockedError, NewerDatabaseError, NoLibraryError
from facelib.store import SCHEMA_VERSION, WriterLock, create_or_open, database, open_readonly
from facelib.store.database import migrate, path_from_sql, path_to_sql

SCHEMA_README = Path(__file__).resolve().parents[1] / "schema" / "README.md"

# The contract. To change a line here is to break other people's programs; columns may only be added at the end.
VIEWS = {
    "files_v1": "path root size mtime_ns sha256 photo_id present last_seen error",
    "photos_v1": "photo_id sha256 path copies width height orientation taken_at camera latitude longitude faces error"
    " warning format starred caption",
    "faces_v1": "face_id photo_id sha256 path left top right bottom x y w h score quality detector model person_id person"
    " source distance cluster_id",
    "people_v1": "person_id name faces photos first_seen last_seen hidden born died",
    "suggestions_v1": "face_id person_id person distance",
    "albums_v1": "album_id name date description location photos",
    "album_photos_v1": "album_id photo_id",
    "keywords_v1": "photo_id keyword",
    "folders_v1": "path name date description location files",
}


# ------------------------------------------------------------------------------------------------------- contract


def test_the_published_views_have_their_columns(db: Library) -> None:
    for view, columns in VIEWS.items():
        found = [row[1] for row in db.rows(f"PRAGMA table_info({view})")]
        assert found == columns.split(), view


def test_a_new_database_says_what_it_is_in_its_first_page(db: Library) -> None:
    header = db.path.read_bytes()[:100]
    assert int.from_bytes(header[68:72], "big") == 0x46414345
    assert int.from_bytes(header[60:64], "big") == SCHEMA_VERSION
    assert db.rows("PRAGMA journal_mode") == [("wal",)]
    assert db.rows("PRAGMA foreign_keys") == [(1,)]


def test_every_table_is_strict_and_what_refers_to_another_is_indexed(db: Library) -> None:
    """But runs, which are never deleted, and the decision that one was carried from. Indexes on a condition count."""
    tables = db.rows("SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    assert len(tables) >= 12
    assert all(str(sql).rstrip().endswith(("STRICT", "STRICT, WITHOUT ROWID")) for _, sql in tables)
    for name in (str(table[0]) for table in tables):
        keys = {str(row[3]): row[2] for row in db.rows(f"PRAGMA foreign_key_list({name})")}
        first = {str(row[1]) for row in db.rows(f"PRAGMA table_info({name})") if row[5] == 1}
        for index in db.rows(f"PRAGMA index_list({name})"):
            first |= {str(row[2]) for row in db.rows(f"PRAGMA index_info({index[1]})") if row[0] == 0}
        assert {key for key, other in keys.items() if other != "run"} - first <= {"carried_from", "merged_into"}, name


def test_only_the_owner_may_read_it(db: Library) -> None:
    assert stat.S_IMODE(db.path.stat().st_mode) == 0o600


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A small library with names, for running examples."""
    library = Library(tmp_path / "facelib.db")
    for name, faces in {"a.jpg": ("red", "blue"), "b.jpg": ("red",), "c.jpg": ("lime",)}.items():
        draw(tmp_path / "library" / name, faces, seed=ord(name[0]))
    draw(tmp_path / "library" / "copy.jpg", ("lime",), seed=ord("c"))
    (tmp_path / "library" / "bad.jpg").write_text("no picture at all")
    library.scan(tmp_path / "library")
    library.detect()
    with library.db.atomic():
        for face, name in ((1, "Ann Lee"), (2, "Bob Lee")):
            person = library.db.execute("INSERT INTO person (name) VALUES (?)", (name,))
            library.db.execute(
                'INSERT INTO decision (sha256, "left", top, "right", bottom, face_id, verdict, person_id, made_by, made_at)'
                " VALUES ('', 0, 0, 1, 1, ?, 'is', ?, 'user', '2026-01-01T00:00:00Z')",
                (face, person),
            )
        library.db.execute("UPDATE encoding SET model = 'dlib-resnet-v1'")
        library.db.execute("UPDATE photo SET taken_at = '2015-03-03T08:14:15' WHERE photo_id = 1")
    library.db.close()
    return tmp_path / "facelib.db"


SQL = re.findall(r"```sql\n(.*?)```", SCHEMA_README.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("example", SQL, ids=[re.sub(r"\s+", " ", sql)[:40] for sql in SQL])
def test_each_sql_example_of_the_schema_readme_runs_and_finds_something(filled: Path, example: str) -> None:
    example = example.replace("/home/ann/Pictures/2015", str(filled.parent / "library"))
    connection = sqlite3.connect(f"file:{filled}?mode=ro", uri=True)
    rows = connection.execute(example).fetchall()
    connection.close()
    assert rows
    if "application_id" in example:
        assert f"-- {rows[0][0]}" in example


def test_the_python_example_of_the_schema_readme_runs(filled: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", SCHEMA_README.read_text(encoding="utf-8"), re.DOTALL)
    result = subprocess.run(
        [sys.executable, "-c", example + "\nprint(nearest[0], len(nearest), distances.min())"],
        cwd=filled.parent, capture_output=True, text=True,
    )  # fmt: skip
    assert result.stdout == "1 4 0.0\n", result.stderr


def test_the_schema_readme_describes_every_view_and_column() -> None:
    text = SCHEMA_README.read_text(encoding="utf-8")
    for view, columns in VIEWS.items():
        assert f"`{view}`" in text
        section = text.split(f"### `{view}`")[1].split("\n### ")[0]
        assert [column for column in columns.split() if f"`{column}`" not in section] == []


def test_the_newest_decision_names_a_face_and_a_later_no_takes_it_back(filled: Path) -> None:
    with create_or_open(str(filled)) as db:

        def said() -> object:
            return db.one("SELECT person, source FROM faces_v1 WHERE face_id = 1")

        def decide(verdict: str, person: int | None) -> None:
            with db.atomic():
                db.execute(
                    'INSERT INTO decision (sha256, "left", top, "right", bottom, face_id, verdict, person_id, made_by,'
                    " made_at) VALUES ('', 0, 0, 1, 1, 1, ?, ?, 'user', '2026-01-02T00:00:00Z')",
                    (verdict, person),
                )

        assert said() == ("Ann Lee", "user")
        with db.atomic():
            db.execute(
                "INSERT INTO match (face_id, person_id, distance, model) VALUES (1, 2, 0.3, 'm'), (3, 1, 0.2, 'm')"
            )
        assert said() == ("Ann Lee", "user")
        assert db.one("SELECT person, source, distance FROM faces_v1 WHERE face_id = 3") == ("Ann Lee", "match", 0.2)
        decide("is_not", 1)
        assert said() == ("Bob Lee", "match")
        decide("is_not", 2)
        assert said() == (None, None)
        decide("is", 1)
        assert said() == ("Ann Lee", "user")
        assert db.value("SELECT faces FROM people_v1 WHERE name = 'Ann Lee'") == 2
        decide("no_face", None)
        assert said() is None
        assert db.value("SELECT faces FROM photos_v1 WHERE photo_id = 1") == 1
        with db.atomic():
            db.execute("UPDATE decision SET undone_at = 'now' WHERE verdict = 'no_face'")
        assert said() == ("Ann Lee", "user")


# --------------------------------------------------------------------------------------------------- transactions


def count(db: database.Database) -> int:
    return int(db.value("SELECT count(*) FROM person"))


def add(db: database.Database) -> None:
    db.execute("INSERT INTO person (name) VALUES ('x')")


def test_atomic_commits_whole_or_rolls_back_whole(db: Library) -> None:
    with db.db.atomic():
        add(db.db)
    with pytest.raises(KeyboardInterrupt), db.db.atomic():
        add(db.db)
        raise KeyboardInterrupt
    assert count(db.db) == 1


def test_nested_atomic_rolls_back_to_its_savepoint(db: Library) -> None:
    with db.db.atomic():
        add(db.db)
        with pytest.raises(LookupError), db.db.atomic():
            add(db.db)
            raise LookupError
        add(db.db)
    assert count(db.db) == 2


def test_readers_see_the_last_commit_while_a_writer_is_writing(db: Library) -> None:
    with open_readonly(str(db.path)) as reader, db.db.atomic():
        add(db.db)
        assert count(reader) == 0
        assert count(db.db) == 1
    with open_readonly(str(db.path)) as reader:
        assert count(reader) == 1


def test_a_full_disk_is_said_in_words_and_the_batch_is_rolled_back(db: Library) -> None:
    db.db.execute("PRAGMA max_page_count = 60")
    with pytest.raises(DatabaseError, match="disk is full"), db.db.atomic():
        for _ in range(200):
            db.db.execute("INSERT INTO run (command, started_at) VALUES (?, '')", ("x" * 4000,))
    assert db.rows("SELECT count(*) FROM run") == [(0,)]


# ------------------------------------------------------------------------------------------------ strangers' files


def test_a_file_that_is_no_database_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("dear diary " * 50)
    before = path.read_bytes(), path.stat().st_mtime_ns
    for opener in (create_or_open, open_readonly):
        with pytest.raises(ForeignDatabaseError, match="not a database"):
            opener(str(path))
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert os.listdir(tmp_path) == ["notes.txt"]


def test_another_programs_database_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "digikam.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE Images (id)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    for opener in (create_or_open, open_readonly):
        with pytest.raises(ForeignDatabaseError, match="another program"):
            opener(str(path))
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["digikam.db"]


def test_a_newer_database_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "facelib.db"
    create_or_open(str(path)).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 999")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    before = path.read_bytes()
    for opener in (create_or_open, open_readonly):
        with pytest.raises(NewerDatabaseError, match="schema 999"):
            opener(str(path))
    assert path.read_bytes() == before


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.touch()], ids=["missing", "empty"])
def test_reading_where_there_is_no_library_says_so(tmp_path: Path, make: object) -> None:
    make(tmp_path / "facelib.db")  # type: ignore[operator]
    with pytest.raises(NoLibraryError, match="facelib scan FOLDER"):
        open_readonly(str(tmp_path / "facelib.db"))


def test_a_creation_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(DatabaseError, match="No space left"):
        create_or_open(str(tmp_path / "facelib.db"))
    assert os.listdir(tmp_path) == []


def test_a_database_in_a_folder_that_cannot_be_written_is_readable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "facelib.db"
    create_or_open(str(path)).close()
    monkeypatch.setattr(os, "access", lambda *_: False)
    with open_readonly(str(path)) as db:
        assert count(db) == 0
    assert os.listdir(tmp_path) == ["facelib.db"]  # nothing was made beside it


# --------------------------------------------------------------------------------------------------------- paths


@given(st.binary(min_size=1, max_size=60).filter(lambda b: b"\0" not in b))
def test_any_path_comes_back_as_the_bytes_it_was(raw: bytes) -> None:
    path = os.fsdecode(raw)
    value = path_to_sql(path)
    assert os.fsencode(path_from_sql(value)) == raw
    connection = sqlite3.connect(":memory:")
    (back,) = connection.execute("SELECT ?", (value,)).fetchone()
    connection.close()
    assert back == value


# --------------------------------------------------------------------------------------------------- migrations


def test_a_migration_runs_with_its_number_after_one_backup(db: Library, tmp_path: Path) -> None:
    steps = tmp_path / "migrations"
    steps.mkdir()
    (steps / "0002_two.sql").write_text(
        "-- why\nALTER TABLE person ADD COLUMN nickname TEXT;\nUPDATE person SET nickname = 'x;y';"
    )
    (steps / "0003_three.sql").write_text("CREATE TABLE third (a TEXT) STRICT;")
    with db.db.atomic():
        add(db.db)
    migrate(db.db, steps, 3)
    assert db.rows("PRAGMA user_version") == [(3,)]
    assert db.rows("SELECT nickname FROM person") == [("x;y",)]
    backups = sorted(p.name for p in tmp_path.glob("*.bak"))
    assert backups == ["facelib.db.schema-1.bak"]
    connection = sqlite3.connect(tmp_path / backups[0])
    assert connection.execute("SELECT count(*) FROM person").fetchone() == (1,)
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    connection.close()


def test_a_migration_that_fails_changes_nothing(db: Library, tmp_path: Path) -> None:
    steps = tmp_path / "migrations"
    steps.mkdir()
    (steps / "0002_bad.sql").write_text("CREATE TABLE second (a TEXT) STRICT;\nINSERT INTO nowhere VALUES (1);")
    with pytest.raises(sqlite3.OperationalError):
        migrate(db.db, steps, 2)
    assert db.rows("PRAGMA user_version") == [(1,)]
    assert db.rows("SELECT count(*) FROM sqlite_master WHERE name = 'second'") == [(0,)]
    assert db.rows("PRAGMA foreign_keys") == [(1,)]


def test_a_migration_that_breaks_references_is_undone(db: Library, tmp_path: Path) -> None:
    steps = tmp_path / "migrations"
    steps.mkdir()
    (steps / "0002_bad.sql").write_text("INSERT INTO cluster (person_id) VALUES (77);")
    with pytest.raises(DatabaseError, match="1 broken references in cluster"):
        migrate(db.db, steps, 2)
    assert db.rows("SELECT count(*) FROM cluster") == [(0,)]
    assert db.rows("PRAGMA user_version") == [(1,)]


def test_a_gap_in_the_migrations_is_an_error_before_anything_is_done(db: Library, tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="no way from schema 1 to 2"):
        migrate(db.db, tmp_path, 2)
    assert list(tmp_path.glob("*.bak")) == []


def test_the_repository_has_every_migration_that_the_version_promises() -> None:
    numbers = sorted(int(p.name[:4]) for p in (database.schema_folder() / "migrations").glob("*.sql"))
    assert numbers == list(range(2, SCHEMA_VERSION + 1))


# ----------------------------------------------------------------------------------------------------------- lock


def test_a_second_writer_is_told_who_the_first_one_is(tmp_path: Path) -> None:
    path = str(tmp_path / "facelib.db")
    with WriterLock(path, "scan"), pytest.raises(LockedError, match=rf"facelib scan, process {os.getpid()} on "):
        WriterLock(path, "match").__enter__()
    with WriterLock(path, "match"):
        pass


def test_a_writer_that_was_killed_holds_no_lock(tmp_path: Path) -> None:
    path = str(tmp_path / "facelib.db")
    script = (
        "import sys, time; from facelib.store import WriterLock;"
        "lock = WriterLock(sys.argv[1], 'scan'); lock.__enter__(); print('held', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", script, path], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(LockedError, match=f"process {process.pid} "):
        WriterLock(path, "scan").__enter__()
    process.kill()
    process.wait()
    process.stdout.close()
    with WriterLock(path, "scan"):
        pass


def test_a_thousand_reads_while_a_writer_writes(filled: Path) -> None:
    """None fails and none sees half a batch (two rows are always written together)."""
    done = threading.Event()
    reads: list[int] = []

    def read() -> None:
        while not done.is_set() or len(reads) < 200:
            with open_readonly(str(filled)) as reader:
                reads.append(count(reader))

    threads = [threading.Thread(target=read) for _ in range(3)]
    with create_or_open(str(filled)) as writer:
        start = count(writer)
        for thread in threads:
            thread.start()
        for _ in range(150):
            with writer.atomic():
                add(writer)
                add(writer)
        done.set()
        for thread in threads:
            thread.join()
    assert all((n - start) % 2 == 0 for n in reads)
    assert len(reads) >= 200
