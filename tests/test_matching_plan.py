"""Which name a face gets, and what holds whatever the distances are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from matching_crowd import SIZE, Crowd, prior

from facelib.errors import EngineError
from facelib.matching.explain import nearest_faces, nearest_people
from facelib.matching.faces import NOBODY, Faces, Labelled
from facelib.matching.gallery import Gallery, build
from facelib.matching.metric import METRICS
from facelib.matching.plan import Bar, Life, Plan, Said, Verdict, plan

CROWD = Crowd(8, seed=11)
LABELLED = CROWD.labelled(5, people=[0, 1, 2, 3, 4, 5])
GALLERY = build(LABELLED, prior()).gallery
SHOWN = CROWD.faces([0, 1, 2, 3, 4, 5, 6, 7] * 3)  # 6 and 7 are strangers


def due(whose: list[int], photos: list[int] | None = None, years: list[float] | None = None) -> Faces:
    """Faces of these people, a different one each time; in one photo each, or these. face_id counts from 0."""
    rows = [person + 8 * whose[:n].count(person) for n, person in enumerate(whose)]
    ids = np.arange(len(whose))
    return Faces.of(ids, ids if photos is None else photos, SHOWN[rows], None, years)


def names(made: Plan) -> list[int | None]:
    """The person of each face that has a name; None: it has none."""
    return [int(p) if v == Verdict.NAMED else None for p, v in zip(made.person_id, made.verdict, strict=True)]


def test_known_people_get_their_names_and_strangers_none() -> None:
    made = plan(due([0, 1, 6, 5, 7]), GALLERY, Said())
    assert names(made) == [100, 101, None, 105, None]
    assert made.verdict.tolist() == [2, 2, 0, 2, 0]
    assert made.person_id[2] == NOBODY


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_names_the_faces_that_look_most_like_their_person(name: str) -> None:
    gallery = build(LABELLED, prior(), name).gallery
    ids = np.arange(6)
    clear = Faces.of(ids, ids, CROWD.people[:6])
    assert names(plan(clear, gallery, Said())) == [100, 101, 102, 103, 104, 105]


def test_a_plan_says_how_near_and_who_would_be_next() -> None:
    made = plan(due([0]), wide(0.5), Said())
    (nearest,) = nearest_people(due([0]), GALLERY, Said(), 2)
    assert made.distance[0] == pytest.approx(nearest[0].distance, abs=1e-4)
    assert (made.runner_up[0], made.runner_up_distance[0]) == (
        nearest[1].person_id,
        pytest.approx(nearest[1].distance, abs=1e-4),
    )
    assert made.threshold == GALLERY.threshold.named


def wide(suggested: float, margin: float = 0.0) -> Gallery:
    """The same gallery with suggestions up to this distance."""
    return replace(GALLERY, threshold=replace(GALLERY.threshold, suggested=suggested, margin=margin))


def test_what_is_nearly_near_enough_is_suggested() -> None:
    (own,) = plan(due([0]), GALLERY, Said()).distance.tolist()
    limit = replace(GALLERY.threshold, named=own - 0.01, suggested=own + 0.01, margin=0.0)
    made = plan(due([0]), replace(GALLERY, threshold=limit), Said())
    assert (made.verdict[0], made.person_id[0]) == (Verdict.SUGGESTED, 100)


def test_what_is_nearly_as_near_to_somebody_else_is_only_suggested() -> None:
    made = plan(due([0]), wide(1.5), Said())
    apart = float(made.runner_up_distance[0] - made.distance[0])
    assert plan(due([0]), wide(1.5, apart - 0.01), Said()).verdict[0] == Verdict.NAMED
    assert plan(due([0]), wide(1.5, apart + 0.01), Said()).verdict[0] == Verdict.SUGGESTED


def test_of_two_faces_of_a_photo_that_look_like_one_person_the_nearer_gets_the_name() -> None:
    near, far = sorted([0, 8], key=lambda row: plan(one(row), GALLERY, Said()).distance[0])
    faces = Faces.of([1, 2], [1, 1], SHOWN[[far, near]])
    assert names(plan(faces, wide(0.4), Said())) == [None, 100]
    assert plan(faces, wide(0.4), Said()).person_id.tolist().count(100) == 1


def one(row: int) -> Faces:
    return Faces.of([1], [1], SHOWN[[row]])


def test_two_faces_equally_like_one_person_are_left_for_somebody_to_decide() -> None:
    faces = Faces.of([1, 2], [1, 1], SHOWN[[0, 0]])
    made = plan(faces, wide(0.4, 0.01), Said())
    assert sorted(made.verdict.tolist()) == [Verdict.NOTHING, Verdict.SUGGESTED]
    assert sorted(made.person_id.tolist(), reverse=True) == [100, NOBODY]


def test_a_person_who_is_clearly_another_face_of_the_photo_is_no_rival() -> None:
    """Twins in one photo: each alone could be either; together they are told apart."""
    spread = prior().spread
    crowd = Crowd(2, seed=1)
    crowd.people[1] = crowd.people[0] + 0.35 * (crowd.people[1] - spread.mean)
    gallery = build(crowd.labelled(12), prior()).gallery
    gallery = replace(gallery, threshold=replace(gallery.threshold, named=0.6, suggested=0.7))
    middle = (0.6 * crowd.people[0] + 0.4 * crowd.people[1]).astype(np.float32)
    clear = crowd.people[1].astype(np.float32)
    alone = plan(Faces.of([1], [1], [middle]), gallery, Said())
    margin = float(alone.runner_up_distance[0] - alone.distance[0]) + 0.005
    gallery = replace(gallery, threshold=replace(gallery.threshold, margin=margin))
    assert plan(Faces.of([1], [1], [middle]), gallery, Said()).verdict.tolist() == [Verdict.SUGGESTED]
    assert names(plan(Faces.of([1, 2], [1, 1], [middle, clear]), gallery, Said())) == [100, 101]


def test_the_names_of_a_photo_are_those_with_the_least_sum_of_distances() -> None:
    """The first face is nearer to both; the second can only be one of them."""
    gallery = build(Labelled.of(Faces.of([1, 2], [1, 2], np.eye(2, SIZE)), {1: 1, 2: 2}), prior(), "euclid").gallery
    gallery = replace(gallery, threshold=replace(gallery.threshold, named=1.2, suggested=1.2, margin=0.0))
    both, first = np.zeros((2, SIZE))
    both[:2] = 0.55, 0.45
    first[:2] = 1.0, -0.2
    assert names(plan(Faces.of([1], [1], [both]), gallery, Said())) == [1]
    assert names(plan(Faces.of([1, 2], [1, 1], [both, first]), gallery, Said())) == [2, 1]


def test_a_face_with_a_decision_is_not_in_the_plan_and_its_name_is_taken() -> None:
    faces = due([0, 0, 1, 2], photos=[1, 1, 2, 3])
    said = Said.of([(0, 1, "is", 100), (2, 2, "no_face", None), (3, 3, "ignore", None)])
    made = plan(faces, GALLERY, said)
    assert made.face_id.tolist() == [1]
    assert made.person_id.tolist() == [NOBODY]


def test_a_rejected_name_is_not_offered_but_the_next_one_may_be() -> None:
    said = Said.of([(0, 0, "is_not", 100)])
    made = plan(due([0, 0]), wide(5.0), said)
    assert made.person_id[0] not in (100, NOBODY)
    assert made.person_id[1] == 100


def test_nobody_is_in_a_photo_before_birth_or_after_death() -> None:
    lives = {100: Life(born=1990, died=2010)}
    made = plan(due([0] * 3, years=[1989.9, 1990.0, 2010.9]), GALLERY, Said(lives=lives))
    assert names(made) == [None, 100, 100]
    assert names(plan(due([0], years=[2011.0]), GALLERY, Said(lives=lives))) == [None]
    assert names(plan(due([0], years=[float("nan")]), GALLERY, Said(lives=lives))) == [100]


def test_a_library_without_names_has_a_plan_without_names() -> None:
    nobody = build(Labelled.of(Faces.of([], [], np.zeros((0, SIZE))), {}), prior()).gallery
    made = plan(due([0, 1]), nobody, Said())
    assert made.verdict.tolist() == [0, 0]
    assert np.isnan(made.distance).all()
    assert len(plan(due([]), GALLERY, Said())) == 0


def test_faces_of_another_model_are_refused() -> None:
    with pytest.raises(EngineError, match="vectors of 4 numbers cannot be compared with those of 128"):
        plan(Faces.of([1], [1], np.ones((1, 4))), GALLERY, Said())


# What was said


def test_the_newest_decision_stands_and_takes_back_its_opposite() -> None:
    said = Said.of(
        [
            (1, 1, "is", 5),
            (1, 1, "is", 6),  # 1 is 6 now
            (2, 1, "is", 5),
            (2, 1, "is_not", 5),  # nobody says who 2 is
            (3, 1, "is_not", 7),
            (3, 1, "is", 7),  # 3 is 7 after all
            (4, 2, "is", 8),
            (4, 2, "is_not", 9),  # which does not concern 8
            (5, 2, "is", 9),
            (5, 2, "no_face", None),
        ]
    )
    assert said.settled == {1, 3, 4, 5}
    assert said.present == {(1, 6), (1, 7), (2, 8)}
    assert said.rejected == {(2, 5), (4, 9)}


@pytest.mark.parametrize("decision", [(1, 1, "maybe", 5), (1, 1, "is", None), (1, 1, "ignore", 5)])
def test_a_decision_that_makes_no_sense_is_refused(decision: tuple[int, int, str, int | None]) -> None:
    with pytest.raises(EngineError, match="face 1: .* is no decision"):
        Said.of([decision])


# Invariants

people = st.sampled_from([0, 1, 2, 3, 6])
libraries = st.lists(st.tuples(people, st.integers(0, 3)), min_size=1, max_size=12)  # who, in which photo
verdicts = st.sampled_from(["is", "is_not", "no_face", "ignore"])
decisions = st.lists(st.tuples(st.integers(0, 11), verdicts, st.integers(100, 103)), max_size=6)


def library(shown: list[tuple[int, int]], said: list[tuple[int, str, int]]) -> tuple[Faces, Said]:
    """The faces, all of them due, and what was said of them."""
    assume(all([who for who, _ in shown].count(person) <= 3 for person in range(8)))
    faces = due([who for who, _ in shown], photos=[photo for _, photo in shown])
    photo_of = dict(enumerate(photo for _, photo in shown))
    known = [one for one in said if one[0] in photo_of]
    return faces, Said.of([(f, photo_of[f], v, p if v.startswith("is") else None) for f, v, p in known])


LAX = wide(1.2, 0.02)  # nearly everybody is suggested to nearly everybody


@settings(max_examples=150, deadline=None)
@given(libraries, decisions)
def test_what_was_said_is_kept_and_no_photo_shows_anybody_twice(
    shown: list[tuple[int, int]], said: list[tuple[int, str, int]]
) -> None:
    faces, standing = library(shown, said)
    made = plan(faces, LAX, standing)
    assert set(made.face_id.tolist()) == set(faces.face_id.tolist()) - standing.settled
    photo_of = dict(zip(faces.face_id.tolist(), faces.photo_id.tolist(), strict=True))
    given_names = [
        (photo_of[f], p) for f, p in zip(made.face_id.tolist(), made.person_id.tolist(), strict=True) if p >= 0
    ]
    assert len(set(given_names)) == len(given_names)
    assert not set(given_names) & standing.present
    assert not {(f, p) for f, p in zip(made.face_id.tolist(), made.person_id.tolist(), strict=True)} & standing.rejected
    assert ((made.person_id >= 0) == (made.verdict != Verdict.NOTHING)).all()


@settings(max_examples=60, deadline=None)
@given(libraries, decisions, st.randoms(use_true_random=False))
def test_the_plan_does_not_depend_on_the_order_of_the_faces(
    shown: list[tuple[int, int]], said: list[tuple[int, str, int]], random: object
) -> None:
    faces, standing = library(shown, said)
    order = list(range(len(faces)))
    random.shuffle(order)  # type: ignore[attr-defined]
    again = Faces.of(faces.face_id[order], faces.photo_id[order], faces.vectors[order])
    one, other = plan(faces, LAX, standing), plan(again, LAX, standing)
    for left, right in ((one.face_id, other.face_id), (one.person_id, other.person_id), (one.verdict, other.verdict)):
        assert left.tolist() == right.tolist()


@settings(max_examples=60, deadline=None)
@given(libraries, decisions)
def test_the_plan_of_a_photo_does_not_depend_on_the_other_photos(
    shown: list[tuple[int, int]], said: list[tuple[int, str, int]]
) -> None:
    faces, standing = library(shown, said)
    whole = plan(faces, LAX, standing)
    together = dict(
        zip(whole.face_id.tolist(), zip(whole.person_id, whole.verdict, whole.distance, strict=True), strict=True)
    )
    for photo in set(faces.photo_id.tolist()):
        part = plan(faces.take(faces.photo_id == photo), LAX, standing)
        for row, face in enumerate(part.face_id.tolist()):
            person, verdict, distance = together[face]
            assert (part.person_id[row], part.verdict[row]) == (person, verdict)
            assert part.distance[row] == pytest.approx(distance, abs=2e-5, nan_ok=True)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0, 1, 2]), st.integers(1980, 2020)), min_size=1, max_size=6), st.data())
def test_birth_and_death_are_hard_limits(shown: list[tuple[int, int]], data: st.DataObject) -> None:
    assume(all([who for who, _ in shown].count(person) <= 3 for person in range(3)))
    years = st.integers(1980, 2020)
    lives = {100 + n: Life(*sorted(data.draw(st.tuples(years, years)))) for n in range(3)}
    faces = due([who for who, _ in shown], years=[float(year) + 0.5 for _, year in shown])
    made = plan(faces, LAX, Said(lives=lives))
    for person, (_, year) in zip(made.person_id.tolist(), shown, strict=True):
        if person in lives:
            assert lives[person].born <= year <= lives[person].died


# Why


def test_why_tells_the_nearest_people_and_what_bars_them() -> None:
    said = Said.of([(0, 0, "is_not", 100), (99, 0, "is", 101)], {102: Life(born=2001), 103: Life(died=1950)})
    (found,) = nearest_people(due([0], years=[2000.0]), GALLERY, said, count=9)
    bars = {one.person_id: one.bar for one in found}
    assert found[0].person_id == 100
    assert bars == {
        100: Bar.REJECTED,
        101: Bar.PRESENT,
        102: Bar.UNBORN,
        103: Bar.DEAD,
        104: None,
        105: None,
    }
    assert [one.distance for one in found] == sorted(one.distance for one in found)


def test_why_tells_the_labelled_faces_that_a_face_resembles_but_not_itself() -> None:
    faces = LABELLED.faces.take(np.array([0, 7]))
    found = nearest_faces(faces, LABELLED, GALLERY.metric, 4)
    assert [{one.person_id for one in near} for near in found] == [{100}, {101}]
    assert all(len(near) == 4 for near in found)
    assert faces.face_id[0] not in {one.face_id for one in found[0]}
