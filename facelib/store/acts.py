"""What a person did, one act after the other: to be told, and to be taken back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from facelib.store.database import Database, SqlValue
from facelib.store.decisions import now

# What an act may change of a person, and undoing puts back.
_COLUMNS = frozenset(("name", "hidden", "born", "died", "merged_into"))


@dataclass(frozen=True, slots=True)
class Act:
    """Something that was done."""

    act_id: int
    kind: str
    says: str  # one line
    made_at: str  # ISO 8601, UTC
    undone_at: str | None
    faces: int  # of how many faces it spoke


def begin(db: Database, kind: str, says: str) -> int:
    """A new act, inside the transaction that does it; gives its act_id."""
    return db.execute(
        "INSERT INTO act (kind, says, before, made_at) VALUES (?, ?, '[]', ?)", (kind, " ".join(says.split()), now())
    )


def change_person(db: Database, act_id: int, person_id: int, **columns: SqlValue) -> None:
    """Change columns of a person as part of an act, which remembers what they were."""
    before = json.loads(db.value("SELECT before FROM act WHERE act_id = ?", (act_id,)))
    for column, value in columns.items():
        if column not in _COLUMNS:
            raise ValueError(f"no act changes person.{column}")
        old = db.value(f"SELECT {column} FROM person WHERE person_id = ?", (person_id,))
        before.append({"person_id": person_id, "column": column, "value": old})
        db.execute(f"UPDATE person SET {column} = ? WHERE person_id = ?", (value, person_id))
    db.execute("UPDATE act SET before = ? WHERE act_id = ?", (json.dumps(before), act_id))


def latest(db: Database, count: int | None = None, *, undone: bool = True) -> list[Act]:
    """The newest acts, newest first; all of them without a count."""
    rows = db.query(
        "SELECT a.act_id, a.kind, a.says, a.made_at, a.undone_at, (SELECT count(DISTINCT coalesce(d.face_id, -d.decision_id))"
        " FROM decision d WHERE d.act_id = a.act_id) FROM act a WHERE ? OR a.undone_at IS NULL"
        " ORDER BY a.act_id DESC LIMIT ?",
        (int(undone), -1 if count is None else count),
    )
    return [Act(*row) for row in rows]


def undo(db: Database, act_id: int) -> None:
    """Take an act back: its decisions do not stand any more, and people are as they were before it.

    Acts are undone newest first: what came later may rest on it.
    """
    moment = now()
    db.execute("UPDATE decision SET undone_at = ? WHERE act_id = ? AND undone_at IS NULL", (moment, act_id))
    before: Sequence[dict[str, SqlValue]] = json.loads(db.value("SELECT before FROM act WHERE act_id = ?", (act_id,)))
    for change in reversed(before):
        column = str(change["column"])
        if column not in _COLUMNS:
            raise ValueError(f"no act changes person.{column}")
        db.execute(f"UPDATE person SET {column} = ? WHERE person_id = ?", (change["value"], change["person_id"]))
    db.execute("UPDATE act SET undone_at = ? WHERE act_id = ?", (moment, act_id))


# -------------------------------------------------------------------------------------------------------- people


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a name, as people_v1 has them."""

    person_id: int
    name: str
    faces: int
    photos: int
    first_seen: str | None
    last_seen: str | None
    hidden: bool
    born: int | None
    died: int | None


def everybody(db: Database) -> list[Person]:
    """All people who were not merged into others: those with most faces first."""
    rows = db.query(
        "SELECT person_id, name, faces, photos, first_seen, last_seen, hidden, born, died FROM people_v1"
        " ORDER BY faces DESC, name, person_id"
    )
    return [
        Person(person_id, name, faces, photos, first, last, bool(hidden), born, died)
        for person_id, name, faces, photos, first, last, hidden, born, died in rows
    ]


def names(db: Database) -> list[tuple[int, str, int | None]]:
    """The names of all people: (person_id, name, whom they were merged into); those merged are known by both names."""
    rows = db.query("SELECT person_id, name, merged_into FROM person ORDER BY person_id")
    return [(person_id, name, merged) for person_id, name, merged in rows]


def add_person(db: Database, name: str) -> int:
    """Somebody new."""
    return db.execute("INSERT INTO person (name) VALUES (?)", (name,))


def merged_into(db: Database, person_id: int) -> list[int]:
    """Who was merged into this person before."""
    return [row[0] for row in db.query("SELECT person_id FROM person WHERE merged_into = ?", (person_id,))]


def faces_of_person(db: Database, person_id: int) -> list[int]:
    """The faces that show this person, decided or guessed."""
    return [
        row[0] for row in db.query("SELECT face_id FROM faces_v1 WHERE person_id = ? ORDER BY face_id", (person_id,))
    ]
