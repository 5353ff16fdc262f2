"""Which name each face gets: a pure function of the gallery, the faces and what people said.

What holds, whatever the distances are: nobody's decision is touched; a face is never given, nor suggested, a name that was
rejected for it; two faces of one photo are never given one person, unless somebody said so; nobody is in a photo that was taken
before the year of birth or after that of death. Within these limits each photo gets the names of the least sum of distances.

A face gets a name where it is near enough and nobody else is nearly as near: no other person to this face, no other face of the
photo to this person. Else what is near enough is a suggestion. The plan of a face depends on the other faces of
its photo and on nothing else that is due, so new faces cost only themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from facelib.errors import EngineError
from facelib.matching.faces import NOBODY, Faces, Floats, Ids, members
from facelib.matching.gallery import Gallery

# People that are looked at for one face. Where more faces of one photo look alike than this, the names are the best
# among these.
_CANDIDATES = 8
_DIGITS = 5  # of a distance: further ones depend on how many faces are compared at once


class Verdict(IntEnum):
    """What the plan says of a face."""

    NOTHING = 0
    SUGGESTED = 1
    NAMED = 2


class Bar(Enum):
    """Why a face cannot be a person, whatever it looks like; the value is for a person to read."""

    REJECTED = "somebody said that it is not"
    PRESENT = "is another face of the photo, as somebody said"
    UNBORN = "was not born when the photo was taken"
    DEAD = "was dead when the photo was taken"


@dataclass(frozen=True, slots=True)
class Life:
    """The years in which somebody can be in a photo, both included."""

    born: float = -np.inf
    died: float = np.inf


@dataclass(frozen=True, slots=True)
class Said:
    """What stands of what people said about the faces due and about the others of their photos."""

    settled: frozenset[int] = frozenset()  # faces with a decision that stands: they are left alone
    present: frozenset[tuple[int, int]] = frozenset()  # (photo_id, person_id) of faces that somebody named
    rejected: frozenset[tuple[int, int]] = frozenset()  # (face_id, person_id): it is not this person
    lives: Mapping[int, Life] = field(default_factory=dict)  # person_id -> the years, where they are known

    @classmethod
    def of(cls, decisions: Iterable[tuple[int, int, str, int | None]], lives: Mapping[int, Life] | None = None) -> Said:
        """From decisions that were not undone, oldest first: (face_id, photo_id, verdict, person_id or None).

        The newest of 'is', 'no_face' and 'ignore' counts; "is not X" takes back an older "is X", and the reverse.
        Raises EngineError for another verdict.
        """
        standing: dict[int, tuple[int, str, int | None]] = {}
        rejected: set[tuple[int, int]] = set()
        for face_id, photo_id, verdict, person_id in decisions:
            if verdict not in ("is", "is_not", "no_face", "ignore") or (person_id is None) == verdict.startswith("is"):
                raise EngineError(f"face {face_id}: {verdict!r} of person {person_id} is no decision")
            if verdict != "is_not":
                standing[face_id] = (photo_id, verdict, person_id)
            elif standing.get(face_id) == (photo_id, "is", person_id):
                del standing[face_id]
            if person_id is not None:
                (rejected.add if verdict == "is_not" else rejected.discard)((face_id, person_id))
        present = {
            (photo, person) for photo, verdict, person in standing.values() if verdict == "is" and person is not None
        }
        return cls(frozenset(standing), frozenset(present), frozenset(rejected), lives or {})

    def bar(self, face_id: int, photo_id: int, year: float, person_id: int) -> Bar | None:
        """Why a face cannot be this person; None: it can. An unknown year (NaN) bars nobody."""
        if (face_id, person_id) in self.rejected:
            return Bar.REJECTED
        if (photo_id, person_id) in self.present:
            return Bar.PRESENT
        life = self.lives.get(person_id)
        if life is not None and np.floor(year) < life.born:
            return Bar.UNBORN
        if life is not None and np.floor(year) > life.died:
            return Bar.DEAD
        return None


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of each face due; all arrays have a row per face, in the order of `face_id`."""

    face_id: Ids
    verdict: NDArray[np.int8]  # Verdict
    person_id: Ids  # NOBODY with NOTHING
    distance: Floats  # to this person; with NOTHING to the nearest who is possible; NaN: nobody is
    runner_up: Ids  # the nearest other person who is possible; NOBODY where none is nearly as near
    runner_up_distance: Floats  # NaN where none is
    threshold: float  # up to which distance names are given

    def __len__(self) -> int:
        return len(self.face_id)


def plan(due: Faces, gallery: Gallery, said: Said) -> Plan:
    """What becomes of the faces that are due. Those with a decision that stands are not in it.

    All undecided faces of a photo have to come at once; photos may come in any portions, which bounds the memory. Raises
    EngineError where the faces are another model's by the length of their vectors.
    """
    open_faces = due.take(~np.isin(due.face_id, np.array(sorted(said.settled), np.int64)))
    candidates = _candidates(open_faces, gallery, said)
    made = _Draft(open_faces, gallery, candidates)
    for _, rows in members(open_faces.photo_id):
        made.settle(rows.tolist())
    return made.plan()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A person who a face may be."""

    person_id: int
    distance: float


def _candidates(faces: Faces, gallery: Gallery, said: Said) -> list[list[Candidate]]:
    """For each face the people who it may be, nearest first: all within reach, or the nearest one."""
    found: list[list[Candidate]] = [[] for _ in range(len(faces))]
    table, limit = gallery.table(), gallery.threshold.suggested + gallery.threshold.margin
    if not len(table.people):
        return found
    barred = _Barred(faces, table.people, said)
    for part, distances in table.blocks(faces.vectors):
        barred.apply(part, distances)
        nearest = distances.argmin(axis=1)
        near = distances <= limit
        near[np.arange(len(distances)), nearest] = True
        rows, columns = np.nonzero(near)
        away = distances[rows, columns]
        order = np.lexsort((columns, away, rows))
        for row, column, distance in zip(
            rows[order].tolist(), columns[order].tolist(), away[order].tolist(), strict=True
        ):
            mine = found[part.start + row]
            if np.isfinite(distance) and len(mine) < _CANDIDATES:
                mine.append(Candidate(int(table.people[column]), round(distance, _DIGITS)))
    return found


class _Barred:
    """Which distances do not count. Few do not, so they are looked up and not computed."""

    def __init__(self, faces: Faces, people: Ids, said: Said) -> None:
        column = {person: number for number, person in enumerate(people.tolist())}
        row = {face: number for number, face in enumerate(faces.face_id.tolist())}
        pairs = [(row[face], column[person]) for face, person in said.rejected if face in row and person in column]
        in_photo: dict[int, list[int]] = {}
        for photo, person in said.present:
            if person in column:
                in_photo.setdefault(photo, []).append(column[person])
        if in_photo:
            for number, photo in enumerate(faces.photo_id.tolist()):
                pairs += [(number, one) for one in in_photo.get(photo, ())]
        self.pairs = np.array(sorted(pairs), np.int64).reshape(-1, 2)
        self.years = np.floor(faces.year)
        self.lives = [(column[person], life) for person, life in sorted(said.lives.items()) if person in column]

    def apply(self, part: slice, distances: Floats) -> None:
        """Make them infinite."""
        start, stop = np.searchsorted(self.pairs[:, 0], (part.start, part.stop))
        some = self.pairs[start:stop]
        distances[some[:, 0] - part.start, some[:, 1]] = np.inf
        years = self.years[part]
        for column, life in self.lives:
            distances[(years < life.born) | (years > life.died), column] = np.inf


class _Draft:
    """A plan in the making."""

    def __init__(self, faces: Faces, gallery: Gallery, candidates: list[list[Candidate]]) -> None:
        count = len(faces)
        self.face_id = faces.face_id
        self.threshold = gallery.threshold
        self.candidates = candidates
        self.verdict = np.zeros(count, np.int8)
        self.person_id, self.runner_up = np.full((2, count), NOBODY, np.int64)
        self.distance, self.runner_up_distance = np.full((2, count), np.nan, np.float32)

    def settle(self, rows: list[int]) -> None:
        """Decide about the faces of one photo."""
        chosen = self._assign(rows)
        for row in rows:
            mine = self.candidates[row]
            one = chosen.get(row)
            if one is None:
                free = mine[0] if mine else None
            else:
                free = one
                self.person_id[row] = one.person_id
                self.verdict[row] = Verdict.NAMED if self._sure(row, rows, chosen) else Verdict.SUGGESTED
            if free is not None:
                self.distance[row] = free.distance
                other = next((c for c in mine if c.person_id != free.person_id), None)
                if other is not None:
                    self.runner_up[row], self.runner_up_distance[row] = other.person_id, other.distance

    def _assign(self, rows: list[int]) -> dict[int, Candidate]:
        """Who is who, by row: people within the limit of suggestions, nobody twice."""
        limit = self.threshold.suggested
        near = {row: [c for c in self.candidates[row] if c.distance <= limit] for row in rows}
        wanted = [c.person_id for mine in near.values() for c in mine[:1]]
        if len(set(wanted)) == len(wanted):
            return {row: mine[0] for row, mine in near.items() if mine}
        people = sorted({c.person_id for mine in near.values() for c in mine})
        column = {person: number for number, person in enumerate(people)}
        # A face that stays without a name costs the limit, plus a trifle so that one at the limit gets it.
        cost = np.full((len(rows), len(people) + len(rows)), limit + 10.0**-_DIGITS)
        cost[:, : len(people)] = np.inf
        for number, row in enumerate(rows):
            for c in near[row]:
                cost[number, column[c.person_id]] = c.distance
        cost[:, : len(people)][np.isinf(cost[:, : len(people)])] = 1e6
        found: dict[int, Candidate] = {}
        for number, choice in zip(*linear_sum_assignment(cost), strict=True):
            person = people[choice] if choice < len(people) else NOBODY
            found.update((rows[number], c) for c in near[rows[number]] if c.person_id == person)
        return found

    def _sure(self, row: int, rows: list[int], chosen: dict[int, Candidate]) -> bool:
        """Near enough, and neither another person nor another face of the photo nearly as near.

        A person who is clearly another of these faces, and a face that is clearly somebody else, are no rivals.
        """
        one, margin = chosen[row], self.threshold.margin
        if one.distance > self.threshold.named:
            return False
        best = {r: found.distance for r, found in chosen.items() if r != row}
        taken = {chosen[r].person_id: distance for r, distance in best.items()}
        rivals = [(c.distance, taken.get(c.person_id)) for c in self.candidates[row] if c.person_id != one.person_id]
        for r in rows:
            same = (c for c in self.candidates[r] if c.person_id == one.person_id)
            rivals += [(c.distance, best.get(r)) for c in same if r != row]
        return all(
            away - one.distance > margin or (better is not None and away - better > margin) for away, better in rivals
        )

    def plan(self) -> Plan:
        """What was decided."""
        return Plan(
            self.face_id,
            self.verdict,
            self.person_id,
            self.distance,
            self.runner_up,
            self.runner_up_distance,
            self.threshold.named,
        )
