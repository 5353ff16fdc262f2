"""What is made of labelled faces: centroids, what is held out of them, and the threshold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matching_crowd import MODEL, SIZE, Crowd, prior, together

from facelib.errors import EngineError
from facelib.matching.calibrate import Chances, Strangers, Threshold, calibrate, twins
from facelib.matching.centroids import gather
from facelib.matching.faces import NOBODY, Faces, Labelled
from facelib.matching.gallery import Gallery, build
from facelib.matching.metric import METRICS, make
from facelib.matching.prior import load
from facelib.matching.table import LeftOut, leave_one_out


def parts(labelled: Labelled) -> tuple[list[int], list[int]]:
    """The person of each centroid, and in which centroid each face is."""
    spread = prior().spread
    centroids, member = gather(labelled, make("cosine", spread), make("plda", spread))
    return centroids.person_id.tolist(), member.tolist()


def as_one(labelled: Labelled, **told: object) -> Labelled:
    """The same faces, all of person 7."""
    faces = replace(labelled.faces, **{key: value for key, value in told.items() if key == "year"})
    groups = told.get("group", labelled.group_id)
    return Labelled(faces, np.full(len(labelled), 7), np.asarray(groups, np.int64))


# Centroids


def test_a_person_has_one_centroid() -> None:
    labelled = Crowd(20).labelled(6)
    people, member = parts(labelled)
    assert people == list(range(100, 120))
    assert member == np.arange(20).repeat(6).tolist()


def test_a_centroid_is_the_mean_weighted_by_quality() -> None:
    crowd = Crowd(1)
    vectors = crowd.faces([0, 0, 0])
    faces = Faces.of([1, 2, 3], [1, 2, 3], vectors, [1.0, 0.5, 0.5])
    spread = prior().spread
    found, _ = gather(Labelled(faces, np.full(3, 1), np.full(3, NOBODY)), make("euclid", spread), make("plda", spread))
    assert np.allclose(found.means[0], (vectors[0] + vectors[1] / 2 + vectors[2] / 2) / 2, atol=1e-6)
    assert found.counts[0] == pytest.approx(4 / 1.5)  # (sum of weights)^2 / sum of their squares


def test_two_looks_become_two_centroids_by_the_faces_alone() -> None:
    labelled = as_one(Crowd(2).labelled(8))
    people, member = parts(labelled)
    assert people == [7, 7]
    assert member == [0] * 8 + [1] * 8


def looks(apart: float, child: int, grown: int) -> Labelled:
    """Faces of person 7: so many of the one look, then of the other; `apart` is 1 for looks as different as two people."""
    crowd = Crowd(2, seed=1)
    crowd.people[1] = crowd.people[0] + apart * (crowd.people[1] - crowd.people[0])
    return as_one(together(crowd.labelled(child, people=[0]), crowd.labelled(grown, people=[1], first_id=100)))


def test_two_looks_become_two_centroids_by_the_years_where_the_faces_alone_do_not_say_so() -> None:
    labelled = looks(0.5, child=4, grown=9)
    years = np.array([1991.0, 1992.2, 1992.9, 1993] + [2010.0 + n / 2 for n in range(9)])
    assert parts(as_one(labelled, year=years)) == ([7, 7], [0] * 4 + [1] * 9)
    assert parts(labelled)[0] == [7]
    assert parts(as_one(labelled, year=np.linspace(1990, 1990.9, 13)))[0] == [7]


def test_two_faces_are_too_few_for_a_cut_between_years() -> None:
    years = np.array([1991.0, 1992.2] + [2010.0 + n / 2 for n in range(9)])
    assert parts(as_one(looks(0.5, child=2, grown=9), year=years))[0] == [7]


def test_picasas_groups_of_one_person_become_centroids_where_they_look_different() -> None:
    crowd = Crowd(2)
    labelled = crowd.labelled(4)
    different = as_one(labelled, group=[1] * 4 + [2] * 4)
    assert parts(different)[0] == [7, 7]
    alike = as_one(crowd.labelled(4, people=[0]), group=[1, 1, 2, 2])
    assert parts(alike)[0] == [7]


def test_the_one_face_of_a_group_is_a_look_and_not_a_stray() -> None:
    crowd = Crowd(2)
    labelled = together(crowd.labelled(6, people=[0]), crowd.labelled(1, people=[1], first_id=100))
    assert parts(as_one(labelled, group=[1] * 6 + [2])) == ([7, 7], [0] * 6 + [1])
    assert parts(as_one(labelled)) == ([7], [0] * 6 + [NOBODY])


def test_two_faces_that_are_two_looks_are_not_averaged() -> None:
    assert parts(as_one(Crowd(2).labelled(1)))[0] == [7, 7]


@pytest.mark.parametrize("count", [3, 5, 20])
def test_a_face_that_is_not_like_the_others_is_held_out(count: int) -> None:
    crowd = Crowd(12, seed=3)
    right = crowd.labelled(count)
    wrong = crowd.labelled(1, first_id=1000)
    mixed = together(right, replace(wrong, person_id=np.roll(wrong.person_id, 1)))
    people, member = parts(mixed)
    assert people == list(range(100, 112))
    assert member[-12:] == [NOBODY] * 12
    assert NOBODY not in member[:-12]


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(24)))
def test_centroids_do_not_depend_on_the_order_of_the_labels(order: list[int]) -> None:
    crowd = Crowd(4, seed=2)
    vectors, whose = crowd.faces(np.arange(4).repeat(6)), np.arange(4).repeat(6) // 2
    spread = prior().spread

    def made(rows: list[int]) -> tuple[object, ...]:
        faces = Faces.of(rows, rows, vectors[rows])
        labelled = Labelled.of(faces, {row: int(whose[row]) for row in rows})
        found, member = gather(labelled, make("relative", spread), make("plda", spread))
        return found.person_id.tolist(), found.means.tobytes(), member.tolist()

    assert made(list(order)) == made(list(range(24)))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=12))
def test_adding_labels_never_removes_a_person(labels: list[tuple[int, int]]) -> None:
    """Whatever else somebody says, right or wrong: who has a label has a centroid."""
    crowd = Crowd(4, seed=4)
    vectors = crowd.faces([shows for shows, _ in labels])
    for count in range(1, len(labels) + 1):
        faces = Faces.of(np.arange(count), np.arange(count), vectors[:count])
        said = {face: person for face, (_, person) in enumerate(labels[:count])}
        people, member = parts(Labelled.of(faces, said))
        assert set(people) == set(said.values())
        assert len(member) == count


# Leaving out


def test_a_face_left_out_does_not_name_itself() -> None:
    labelled = Crowd(3).labelled(2)
    built = build(labelled, prior(), "euclid", everything=True)
    faces = labelled.faces.vectors.astype(float)
    for row in range(6):
        assert built.left.own[row] == pytest.approx(np.linalg.norm(faces[row] - faces[row ^ 1]), abs=1e-3)


def test_the_only_face_of_a_person_has_no_own_distance_and_strangers_only() -> None:
    built = build(Crowd(3).labelled(1), prior(), everything=True)
    assert np.isnan(built.left.own).all()
    assert (built.left.other != NOBODY).all()
    assert np.isnan(built.gallery.threshold.recall)


def test_a_face_that_is_held_out_is_compared_with_its_person_all_the_same() -> None:
    crowd = Crowd(3)
    wrong = replace(crowd.labelled(1, people=[1], first_id=100), person_id=np.array([100]))
    built = build(together(crowd.labelled(5), wrong), prior(), everything=True)
    assert built.member[-1] == NOBODY
    assert built.left.other[-1] == 101
    assert built.left.own[-1] > built.left.other_distance[-1]


def test_left_out_faces_know_their_two_nearest_others() -> None:
    labelled = Crowd(4).labelled(3)
    spread = prior().spread
    metric = make("cosine", spread)
    centroids, member = gather(labelled, metric, make("plda", spread))
    left = leave_one_out(labelled, member, metric, centroids)
    everybody = metric.distances(labelled.faces.vectors, centroids.means, centroids.counts)
    for row, person in enumerate(labelled.person_id.tolist()):
        others = sorted((float(everybody[row, n]), n + 100) for n in range(4) if n + 100 != person)
        assert [left.other[row], left.third[row]] == [others[0][1], others[1][1]]


def test_a_face_is_compared_with_all_looks_of_its_person() -> None:
    """The one face of a look has nothing but the other look to be compared with."""
    built = build(together(as_one(Crowd(2).labelled(1)), Crowd(4).labelled(2, first_id=50)), prior(), everything=True)
    assert built.gallery.centroids.person_id.tolist().count(7) == 2
    assert np.isfinite(built.left.own).all()
    assert built.left.own[0] == pytest.approx(built.left.own[1], abs=0.05)


def test_a_person_is_recognised_by_each_look() -> None:
    crowd = Crowd(4)
    two = replace(crowd.labelled(6), person_id=np.array([100, 101, 100, 103]).repeat(6))  # 0 and 2 are one person
    gallery = build(two, prior()).gallery
    people, distances = gallery.table().nearest(crowd.people.astype(np.float32), 1)
    assert people[:, 0].tolist() == [100, 101, 100, 103]
    assert (distances < 0.25).all()


# The threshold


def left_out(own: list[float], other: list[float], *, whom: list[int] | None = None) -> LeftOut:
    """Faces at these distances from their own person and the nearest other; the one after is far away."""
    far = np.full(len(own), 0.9, np.float32)
    nearest = np.asarray(whom or [2] * len(own), np.int64)
    return LeftOut(np.asarray(own, np.float32), nearest, np.asarray(other, np.float32), np.full(len(own), 3), far)


def strangers(person: list[int], left: LeftOut) -> list[float]:
    chances = Chances(prior().tails, "relative", np.full(10, 5, np.float32))
    return Strangers.of(np.asarray(person), left, chances, 0.005).distances.round(2).tolist()


def test_a_face_that_is_nearer_to_another_person_is_no_stranger() -> None:
    left = left_out([0.2, 0.5, np.nan], [0.35, 0.34, 0.36])
    assert strangers([1, 4, 5], left) == [0.35, 0.36]


def test_where_half_of_a_persons_faces_look_like_another_the_next_person_counts() -> None:
    left = left_out([0.2] * 5, [0.3, 0.3, 0.3, 0.5, 0.6])
    assert strangers([1] * 5, left) == [0.9] * 5
    assert strangers([1, 4, 5, 6, 7], left) == [0.3, 0.3, 0.3, 0.5, 0.6]


def test_a_few_faces_nearer_than_by_chance_are_wrong_labels_but_not_many() -> None:
    people = list(range(10, 50))
    few = left_out([0.05] * 40, [0.1, 0.1] + [0.5] * 38)
    assert strangers(people, few) == [0.5] * 38
    many = left_out([0.05] * 40, [0.1] * 20 + [0.5] * 20)
    assert strangers(people, many) == [0.1] * 20 + [0.5] * 20


def threshold(labelled: Labelled, wanted: float = 0.005) -> Threshold:
    return build(labelled, prior(), wanted=wanted, wanted_suggested=max(wanted, 0.05)).gallery.threshold


def test_with_few_labels_the_threshold_is_the_priors_and_stricter_with_more_people() -> None:
    few, many = Crowd(3).labelled(2), Crowd(60).labelled(2)
    built = build(few, prior())
    alone = Chances(prior().tails, "relative", built.gallery.centroids.counts).limit(0.005)
    assert built.gallery.threshold.named == pytest.approx(alone, abs=0.01)
    assert threshold(many).named < threshold(few).named


@settings(max_examples=10, deadline=None)
@given(st.floats(0.0005, 0.2), st.floats(0.0005, 0.2))
def test_who_wants_fewer_strangers_gets_a_stricter_threshold(one: float, other: float) -> None:
    labelled = Crowd(10).labelled(3)
    strict, lax = (threshold(labelled, wanted) for wanted in sorted((one, other)))
    assert strict.named <= lax.named
    assert strict.named <= strict.suggested


def test_the_threshold_keeps_to_the_wanted_share_of_strangers() -> None:
    crowd = Crowd(400, seed=8)
    gallery = build(crowd.labelled(5, people=list(range(100))), prior(), wanted=0.02).gallery
    _, distances = gallery.table().nearest(crowd.faces(np.arange(100, 400).repeat(5)), 1)
    assert 0.002 < (distances <= gallery.threshold.named).mean() < 0.04


def test_people_who_resemble_each_other_make_the_threshold_stricter() -> None:
    spread, seed = prior().spread, 9
    ordinary, family = Crowd(150, seed), Crowd(150, seed)
    family.people = spread.mean + 0.8 * (family.people - spread.mean)
    assert threshold(family.labelled(6)).named < threshold(ordinary.labelled(6)).named - 0.01


def test_a_few_wrong_labels_do_not_ruin_the_threshold() -> None:
    labelled = Crowd(40, seed=5).labelled(8)
    person = labelled.person_id.copy()
    person[::25] = np.roll(person, 100)[::25]  # 4 % of them
    spoilt = threshold(replace(labelled, person_id=person))
    assert spoilt.named == pytest.approx(threshold(labelled).named, abs=0.02)
    assert spoilt.recall > 0.97  # of the faces that are not held out


def test_one_person_under_two_names_does_not_ruin_the_threshold_and_is_told() -> None:
    crowd = Crowd(40, seed=6)
    labelled = crowd.labelled(6)
    twice = replace(crowd.labelled(6, people=[0], first_id=5000), person_id=np.full(6, 999))
    built = build(together(labelled, twice), prior(), everything=True)
    assert built.gallery.threshold.named == pytest.approx(threshold(labelled).named, abs=0.01)
    pairs = twins(together(labelled, twice).person_id, built.left, built.gallery.threshold.named)
    assert {(100, 999), (999, 100)} <= set(pairs)


def test_where_the_prior_is_plainly_wrong_the_own_labels_are_believed() -> None:
    """A model of a kind that nobody measured, whose strangers are much nearer to each other than is usual."""
    crowd, unmeasured = Crowd(200, seed=7), load("facenet-0123456789ab", SIZE)
    gallery = build(crowd.labelled(6, people=list(range(100))), unmeasured).gallery
    _, distances = gallery.table().nearest(crowd.faces(np.arange(100, 200).repeat(5)), 1)
    assert (distances <= gallery.threshold.named).mean() < 0.03


def test_a_share_of_strangers_that_is_none_is_refused() -> None:
    for wanted, suggested in ((0.0, 0.05), (0.1, 0.05), (0.5, 1.0)):
        with pytest.raises(EngineError, match="no shares of strangers"):
            build(Crowd(1).labelled(1), prior(), wanted=wanted, wanted_suggested=suggested)


# The gallery


@pytest.mark.parametrize("name", METRICS)
def test_a_gallery_is_kept_as_arrays_and_is_the_same_again(name: str, tmp_path: Path) -> None:
    crowd = Crowd(5)
    before = build(crowd.labelled(3), prior(), name).gallery
    np.savez(tmp_path / "gallery.npz", **before.to_arrays())
    with np.load(tmp_path / "gallery.npz", allow_pickle=False) as arrays:
        after = Gallery.from_arrays(arrays)
    assert (after.model, after.metric.name, after.threshold) == (MODEL, name, before.threshold)
    faces = crowd.faces([0, 1, 2])
    for one, other in zip(before.table().nearest(faces, 3), after.table().nearest(faces, 3), strict=True):
        assert np.array_equal(one, other)


def test_a_gallery_of_another_version_is_refused() -> None:
    arrays = build(Crowd(1).labelled(1), prior()).gallery.to_arrays()
    with pytest.raises(EngineError, match="build it again"):
        Gallery.from_arrays(arrays | {"version": np.array(99)})
    with pytest.raises(EngineError, match="build it again"):
        Gallery.from_arrays({})


def test_the_same_labels_give_the_same_gallery_to_the_byte() -> None:
    one, other = (build(Crowd(8).labelled(4), prior()).gallery.to_arrays() for _ in range(2))
    assert {key: value.tobytes() for key, value in one.items()} == {
        key: value.tobytes() for key, value in other.items()
    }


def test_the_default_metric_is_the_priors() -> None:
    assert build(Crowd(2).labelled(2), prior()).gallery.metric.name == "relative"
    assert build(Crowd(2).labelled(2), load("arcface-b7120c095d60", SIZE)).gallery.metric.name == "cosine"


@pytest.mark.parametrize("name", METRICS)
def test_a_library_without_labels_has_a_gallery_without_people(name: str) -> None:
    nobody = Labelled.of(Faces.of([], [], np.zeros((0, SIZE))), {})
    gallery = build(nobody, prior(), name).gallery
    assert gallery.people.tolist() == []
    assert Gallery.from_arrays(gallery.to_arrays()).people.tolist() == []


def test_faces_of_another_length_are_refused_with_one_named() -> None:
    faces = Faces.of([5], [5], np.ones((1, 3)))
    with pytest.raises(EngineError, match="face 5: its vector has 3 numbers, those of .* 128"):
        build(Labelled.of(faces, {5: 1}), prior())


def test_very_many_faces_of_one_person_are_sampled_for_the_threshold() -> None:
    crowd = Crowd(3)
    built = build(together(crowd.labelled(200, people=[0]), crowd.labelled(4, people=[1, 2], first_id=1000)), prior())
    assert len(built.sample) <= 30 + 8
    assert built.gallery.centroids.faces.tolist() == [200, 4, 4]


def test_calibrating_without_anybody_to_compare_with_is_the_priors_word() -> None:
    built = build(Crowd(1).labelled(4), prior(), everything=True)
    chances = Chances(prior().tails, "relative", built.gallery.centroids.counts)
    found = calibrate(np.full(4, 100), built.left, chances, 0.005, 0.05)
    assert found.strangers == 0
    assert found.named == pytest.approx(chances.limit(0.005))
    assert found.recall > 0
