"""All decisions as a plain text file beside the database: the one thing that no program could make again.

JSON lines, one decision each, in the order in which they were made, with the photo's digest, the box, the name, and a path
for people who read it. Written anew after each run that changed any, and never half: `restore-decisions` reads it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from facelib.errors import DatabaseError, FacelibError, UsageError
from facelib.store import Database, acts, decisions
from facelib.store.people import People, clean_name

VERSION = 1


def place(database: str) -> str:
    """Where the journal of a database is."""
    return f"{database}.decisions.jsonl"


def write(db: Database) -> None:
    """Write the journal if a decision was made or taken back since. Raises `DatabaseError` where it cannot be written."""
    path = place(db.path)
    state = decisions.state(db)
    if _state_of(path) == state:
        return
    unfinished = f"{path}.new-{os.getpid()}"
    try:
        with open(os.open(unfinished, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:
            stream.write(json.dumps({"facelib": "decisions", "version": VERSION, "state": state}) + "\n")
            stream.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in decisions.journal(db))
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(unfinished, path)
    except OSError as error:
        Path(unfinished).unlink(missing_ok=True)
        raise DatabaseError(f"{path}: the decisions cannot be written there: {error.strerror}") from error


def restore(db: Database, path: str) -> tuple[int, int, list[str]]:
    """Add the decisions of a journal that the database does not have; gives how many were new and known, and what is wrong.

    They find their faces by the photo's digest and the box, at once or when the photo is searched. Raises `UsageError` where
    the file is no journal.
    """
    new = known = 0
    problems: list[str] = []
    everybody = People(db)
    lines = list(_lines(path))  # a file that is no journal is refused before anything is written
    with db.atomic():
        act = acts.begin(db, "restore", f"decisions of {os.path.basename(path)} restored")
        for number, line in lines:
            try:
                name = None if line["name"] is None else clean_name(line["name"])
                person = None if name is None else everybody.id_of(name)
                added = decisions.restore(db, line, person, act)
            except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
                problems.append(f"line {number}: it is no decision ({type(error).__name__}: {error})")
                continue
            new, known = new + added, known + (not added)
        for sha256 in decisions.homeless(db):
            decisions.replay(db, sha256)
    return new, known, problems


def _lines(path: str) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            number = 0
            for number, text in enumerate(stream, 1):
                try:
                    line = json.loads(text)
                except ValueError as error:
                    if number == 1:
                        raise UsageError(f"{path} is no journal of decisions") from error
                    line = {}  # told by its number, like every line that lacks something
                if number > 1:
                    yield number, line if isinstance(line, dict) else {}
                elif not isinstance(line, dict) or line.get("facelib") != "decisions":
                    raise UsageError(f"{path} is no journal of decisions")
                elif line.get("version") != VERSION:
                    raise FacelibError(f"{path} was written by a newer facelib: update facelib")
            if not number:
                raise UsageError(f"{path} is no journal of decisions: it is empty")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error


def _state_of(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8") as stream:
            found = json.loads(stream.readline())
            return str(found["state"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
