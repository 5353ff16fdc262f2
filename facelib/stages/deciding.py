"""What a person decides: who a face shows, and who people are. Every function is one act and one transaction."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Sequence

from facelib.errors import UsageError
from facelib.progress import count
from facelib.store import Database, acts, decisions
from facelib.store.people import clean_name, name_key

LONGEST_NAME = 200  # characters


def valid_name(name: str) -> str:
    """The name as it is kept. Raises `UsageError` for empty ones, control characters and what is too long to be a name."""
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in name.strip()):
        raise UsageError(f"{name!r} is no name: it holds control characters")
    kept = clean_name(name)
    if not kept:
        raise UsageError("a name must not be empty")
    if len(kept) > LONGEST_NAME:
        raise UsageError(f"a name has at most {LONGEST_NAME} characters, this one {len(kept)}")
    return kept


def find_person(db: Database, text: str) -> int:
    """The person of this name (whatever its case), or '#12' by id; who was merged is found as whom they were merged into.

    Raises `UsageError` that says who may be meant.
    """
    known = acts.names(db)
    if text.startswith("#") and text[1:].isascii() and text[1:].isdecimal():
        for person_id, _, merged in known:
            if person_id == int(text[1:]):
                return merged or person_id
    key = name_key(text)
    found = sorted({merged or person_id for person_id, name, merged in known if name_key(name) == key})
    if len(found) > 1:
        raise UsageError(f"there are several people called {text}: {', '.join(f'#{one}' for one in found)}")
    if found:
        return found[0]
    near = difflib.get_close_matches(key, {name_key(name): name for _, name, _ in known}, 3)
    spelled = {name_key(name): name for _, name, merged in known if merged is None}
    words = ", ".join(spelled.get(one, one) for one in near)
    raise UsageError(f"nobody is called {text!r}" + (f"; did you mean {words}?" if words else ""))


def name_of(db: Database, person_id: int) -> str:
    """A person's name."""
    return str(db.value("SELECT name FROM person WHERE person_id = ?", (person_id,)))


# --------------------------------------------------------------------------------------------------------- faces


def decide(db: Database, faces: Sequence[int], verdict: str, name: str | None = None) -> int:
    """Say of faces that they are, or are not, somebody ('is', 'is_not'), no face, or to be ignored; gives the act.

    A name that nobody has makes a new person. Raises `UsageError` for faces that are not there.
    """
    missing = [face for face in faces if db.value("SELECT 1 FROM face WHERE face_id = ?", (face,)) is None]
    if missing:
        raise UsageError(f"there is no face {', '.join(map(str, missing))}")
    if not faces:
        raise UsageError("no face was named")
    with db.atomic():
        person_id = _person_for(db, verdict, name)
        be, what = ("is", "no face") if len(faces) == 1 else ("are", "no faces")
        words = {
            "is": f"{be} {name}",
            "is_not": f"{be} not {name}",
            "no_face": f"{be} {what}",
            "ignore": f"{be} ignored",
        }
        kind = {"is": "name", "is_not": "reject"}.get(verdict, verdict)
        many = f"face {faces[0]}" if len(faces) == 1 else count(len(faces), "faces")
        act = acts.begin(db, kind, f"{many} {words[verdict]}")
        for face in faces:
            decisions.add(db, face, verdict, person_id, "user", act)
    return act


def _person_for(db: Database, verdict: str, name: str | None) -> int | None:
    if verdict not in ("is", "is_not"):
        return None
    kept = valid_name(name or "")
    same = {merged or one for one, other, merged in acts.names(db) if name_key(other) == name_key(kept)}
    if len(same) > 1:
        return find_person(db, kept)  # its error names them
    return same.pop() if same else acts.add_person(db, kept)


# -------------------------------------------------------------------------------------------------------- people


def rename(db: Database, person: int, name: str) -> int:
    """Give a person another name. Raises `UsageError` where somebody else has it: then a merge is meant."""
    kept, old = valid_name(name), name_of(db, person)
    taken = [
        one
        for one, other, merged in acts.names(db)
        if merged is None and one != person and name_key(other) == name_key(kept)
    ]
    if taken:
        raise UsageError(f"{kept} is the name of #{taken[0]} already; to make one of both: facelib people merge")
    with db.atomic():
        act = acts.begin(db, "rename", f"{old} is now called {kept}")
        acts.change_person(db, act, person, name=kept)
    return act


def merge(db: Database, people: Sequence[int], into: int) -> int:
    """Say that people are one; nothing that was said of them is lost, and undoing makes them several again."""
    others = [one for one in dict.fromkeys(people) if one != into]
    if not others:
        raise UsageError("a person cannot be merged with themselves: name two")
    with db.atomic():
        names = ", ".join(name_of(db, one) for one in others)
        act = acts.begin(db, "merge", f"{names} merged into {name_of(db, into)}")
        for one in others:
            for earlier in acts.merged_into(db, one):
                acts.change_person(db, act, earlier, merged_into=into)
            acts.change_person(db, act, one, merged_into=into)
    return act


def split(db: Database, person: int, faces: Sequence[int], name: str) -> int:
    """Say that some of a person's faces are somebody else. Raises `UsageError` where a face does not show this person."""
    theirs = set(acts.faces_of_person(db, person))
    wrong = [face for face in faces if face not in theirs]
    if wrong:
        raise UsageError(f"face {', '.join(map(str, wrong))} does not show {name_of(db, person)}")
    return decide(db, faces, "is", name)


def hide(db: Database, person: int, hidden: bool) -> int:
    """Keep a person out of lists and questions, or let them in again."""
    with db.atomic():
        act = acts.begin(db, "hide", f"{name_of(db, person)} is {'hidden' if hidden else 'shown again'}")
        acts.change_person(db, act, person, hidden=int(hidden))
    return act


def set_years(db: Database, person: int, born: int | None, died: int | None) -> int:
    """Say in which years a person lived: photos from outside of them do not show them. None: not known."""
    if born is not None and died is not None and died < born:
        raise UsageError(f"nobody dies in {died} who was born in {born}")
    with db.atomic():
        known = f"lived {born or '?'} to {died or '?'}" if born or died else "has no years any more"
        act = acts.begin(db, "years", f"{name_of(db, person)} {known}")
        acts.change_person(db, act, person, born=born, died=died)
    return act


def undo(db: Database, how_many: int) -> list[acts.Act]:
    """Take back the last acts, newest first; gives them."""
    done = acts.latest(db, how_many, undone=False)
    with db.atomic():
        for act in done:
            acts.undo(db, act.act_id)
    return done
