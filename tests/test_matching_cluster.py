"""What grouping unknown faces promises: one photo's faces apart, no dependence on order, growing without redrawing."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import DATA, needs
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from facelib.errors import EngineError
from facelib.matching.cluster import (
    STARTS,
    Groups,
    Ranked,
    Similar,
    Start,
    automatic_reach,
    cluster,
    grow,
    grown,
    rank,
    similar,
)
from facelib.matching.neighbours import near

Vectors = NDArray[np.float32]
Labels = NDArray[np.int64]

REACH = 0.6  # of the made faces below: one person's are some 0.35 apart, two people's some 1.4


def people(sizes: list[int], seed: int = 0, noise: float = 0.25) -> tuple[Vectors, Labels]:
    """So many faces of each person, in 32 dimensions, and who they are."""
    chance = np.random.default_rng(seed)
    who = np.repeat(np.arange(len(sizes)), sizes)
    centres = chance.normal(size=(len(sizes), 32))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    return (centres[who] + chance.normal(size=(len(who), 32)) * noise / np.sqrt(32)).astype(np.float32), who


def each_alone(vectors: Vectors) -> Labels:
    return np.arange(len(vectors))  # a photo for each face


def partition(labels: Labels, names: Labels | None = None) -> set[frozenset[int]]:
    """The groups as sets of faces; `names` are those of the rows."""
    rows = np.arange(len(labels)) if names is None else names
    return {frozenset(rows[labels == label].tolist()) for label in np.unique(labels)}


def at(*angles: float) -> Vectors:
    """Faces on a circle: as far apart as their angles, in radians, as long as these are small."""
    return np.array([[np.cos(a), np.sin(a), 0.0] for a in angles], np.float32)


# ---- groups


def test_each_persons_faces_are_a_group_and_a_stranger_is_alone() -> None:
    vectors, who = people([12, 5, 2, 1, 1])
    labels = cluster(vectors, each_alone(vectors), REACH)
    assert partition(labels) == partition(who)
    assert labels.tolist() == who.tolist(), "groups are numbered as they first occur"


def test_two_faces_of_one_photo_are_two_people_however_alike() -> None:
    vectors = np.repeat(at(0.0), 6, axis=0)
    labels = cluster(vectors, np.array([1, 1, 1, 2, 2, 3]), REACH)
    assert len(set(labels[:3].tolist())) == 3
    assert labels[3] != labels[4]
    assert len(partition(labels)) == 3, "as many people as are seen at once, and no more"


def test_of_two_in_a_photo_the_one_with_more_likeness_is_of_the_group() -> None:
    angles = np.array([0.0, 0.05, 0.1, 0.15, 0.2, 0.1, 0.55])  # the last two are in one photo, both near all others
    vectors = np.zeros((12 * 7, 24), np.float32)
    for person in range(12):
        vectors[7 * person : 7 * person + 7, person] = np.cos(angles)
        vectors[7 * person : 7 * person + 7, 12 + person] = np.sin(angles)
    photos = np.arange(12 * 7) - (np.arange(12 * 7) % 7 == 6)
    labels = cluster(vectors, photos, REACH).reshape(12, 7)
    assert (labels[:, :6] == labels[:, :1]).all()
    assert (labels[:, 6] != labels[:, 0]).all()


def test_a_chance_likeness_needs_a_third_face_to_vouch_for_it() -> None:
    two, three = at(0.0, 0.58), at(0.0, 0.58, 0.29)
    assert len(partition(cluster(two, each_alone(two), REACH))) == 2
    assert len(partition(cluster(three, each_alone(three), REACH))) == 1


def test_somebody_with_more_faces_than_neighbours_are_kept_is_one_group() -> None:
    vectors, _ = people([900, 700, 3], noise=0.3)
    assert sorted(np.bincount(cluster(vectors, each_alone(vectors), REACH)).tolist()) == [3, 700, 900]


def test_the_length_of_a_vector_says_nothing() -> None:
    vectors, _ = people([6, 4, 1, 1], noise=0.5)
    lengths = np.random.default_rng(1).uniform(0.5, 2, (len(vectors), 1)).astype(np.float32)
    photos = each_alone(vectors)
    assert partition(cluster(vectors * lengths, photos, REACH)) == partition(cluster(vectors, photos, REACH))


@pytest.mark.parametrize("count", [0, 1])
def test_nobody_and_a_single_face_are_no_special_case(count: int) -> None:
    vectors, photos = at(0.0)[:count], np.arange(count)
    assert cluster(vectors, photos, REACH).tolist() == [0] * count
    groups = Groups.of(vectors, photos, cluster(vectors, photos, REACH))
    assert len(groups) == count
    assert grow(groups, at(2.0), np.array([9]), REACH).tolist() == [count]
    assert grow(groups, vectors[:0], photos[:0], REACH).tolist() == []
    assert rank(vectors, np.zeros(count, np.int64), REACH) == []


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0])
def test_what_is_no_encoding_is_refused_by_its_row(bad: float) -> None:
    vectors = np.concatenate([at(0.0, 0.1), np.full((1, 3), bad, np.float32)])
    with pytest.raises(EngineError, match="row 2 of 3"):
        cluster(vectors, np.arange(3), REACH)
    with pytest.raises(EngineError, match="row 2 of 3"):
        grow(Groups.of(at(0.0), np.array([7]), np.array([0])), vectors, np.arange(3), REACH)


# ---- rules that hold for whatever comes: crowded photos, twins, copies, everybody alike


@st.composite
def crowds(draw: st.DrawFn) -> tuple[Vectors, Labels, float]:
    """Faces on a few directions, some equal, with little room between people, in photos of several faces; and a reach."""
    count = draw(st.integers(1, 40))
    chance = np.random.default_rng(draw(st.integers(0, 1 << 16)))
    directions = chance.normal(size=(draw(st.integers(1, 6)), 5))
    noise = draw(st.sampled_from([0.0, 0.1, 0.4, 1.0]))
    vectors = directions[chance.integers(0, len(directions), count)] + noise * chance.normal(size=(count, 5))
    photos = chance.integers(0, draw(st.sampled_from([1, 5, 20, 1000])), count)
    return vectors.astype(np.float32), photos, draw(st.sampled_from([0.2, 0.5, 0.9, 1.5]))


def kinds(labels: Labels, vectors: Vectors, photos: Labels) -> list[list[tuple[bytes, int]]]:
    """The groups by what is in them: equal faces of one photo cannot be told apart."""
    faces = [(row.tobytes(), photo) for row, photo in zip(vectors, photos.tolist(), strict=True)]
    return sorted(sorted(faces[i] for i in np.flatnonzero(labels == label)) for label in np.unique(labels))


@given(crowds(), st.randoms(use_true_random=False))
def test_no_group_depends_on_the_order_of_the_faces(crowd: tuple[Vectors, Labels, float], random: object) -> None:
    vectors, photos, reach = crowd
    order = np.array(random.sample(range(len(vectors)), len(vectors)))  # type: ignore[attr-defined]
    labels, moved = cluster(vectors, photos, reach), cluster(vectors[order], photos[order], reach)
    assert kinds(moved, vectors[order], photos[order]) == kinds(labels, vectors, photos)
    start = Start(reach, 1.2, 1.0)
    assert automatic_reach(vectors[order], photos[order], start) == automatic_reach(vectors, photos, start)


@given(crowds())
def test_no_group_has_two_faces_of_one_photo(crowd: tuple[Vectors, Labels, float]) -> None:
    vectors, photos, reach = crowd
    labels = cluster(vectors, photos, reach)
    assert len(set(zip(labels.tolist(), photos.tolist(), strict=True))) == len(labels)


@given(crowds(), st.integers(0, 40))
def test_no_group_has_two_faces_of_one_photo_after_it_grew(crowd: tuple[Vectors, Labels, float], first: int) -> None:
    vectors, photos, reach = crowd
    old = cluster(vectors[:first], photos[:first], reach)
    new = grow(Groups.of(vectors[:first], photos[:first], old), vectors[first:], photos[first:], reach)
    labels = np.concatenate([old, new])
    assert len(set(zip(labels.tolist(), photos.tolist(), strict=True))) == len(labels)


@given(crowds(), st.integers(0, 40), st.randoms(use_true_random=False))
@settings(max_examples=50)
def test_growing_does_not_depend_on_the_order_of_the_new_faces(
    crowd: tuple[Vectors, Labels, float], first: int, random: object
) -> None:
    vectors, photos, reach = crowd
    old = cluster(vectors[:first], photos[:first], reach)
    groups, count = Groups.of(vectors[:first], photos[:first], old), len(vectors[first:])
    order = np.array(random.sample(range(count), count), np.int64)  # type: ignore[attr-defined]
    one = grow(groups, vectors[first:], photos[first:], reach)
    other = grow(groups, vectors[first:][order], photos[first:][order], reach)
    both = [
        kinds(np.concatenate([old, labels]), np.concatenate([vectors[:first], x]), np.concatenate([photos[:first], p]))
        for labels, x, p in (
            (one, vectors[first:], photos[first:]),
            (other, vectors[first:][order], photos[first:][order]),
        )
    ]
    assert both[0] == both[1]


@given(crowds())
def test_growing_from_nothing_is_clustering(crowd: tuple[Vectors, Labels, float]) -> None:
    vectors, photos, reach = crowd
    nothing = Groups.of(vectors[:0], photos[:0], photos[:0])
    assert grow(nothing, vectors, photos, reach).tolist() == cluster(vectors, photos, reach).tolist()


@given(crowds(), st.integers(0, 40))
def test_grown_groups_are_those_of_all_their_faces(crowd: tuple[Vectors, Labels, float], first: int) -> None:
    vectors, photos, reach = crowd
    old = cluster(vectors[:first], photos[:first], reach)
    groups = Groups.of(vectors[:first], photos[:first], old)
    new = grow(groups, vectors[first:], photos[first:], reach)
    after = grown(groups, vectors[first:], photos[first:], new)
    made_new = Groups.of(vectors, photos, np.concatenate([old, new]))
    assert after.counts.tolist() == made_new.counts.tolist()
    assert after.taken == made_new.taken
    np.testing.assert_allclose(after.means, made_new.means, atol=1e-5)


# ---- growing


def test_new_faces_join_their_group_or_found_one() -> None:
    vectors, who = people([8, 6, 1, 5, 2])
    old = np.isin(who, [0, 1, 2])
    old[np.flatnonzero(np.isin(who, [0, 1]))[::3]] = False
    photos = each_alone(vectors)
    groups = Groups.of(vectors[old], photos[old], cluster(vectors[old], photos[old], REACH))
    assert len(groups) == 3
    found = grow(groups, vectors[~old], photos[~old], REACH)
    place = {0: 0, 1: 1, 3: 3, 4: 4}  # the third is alone, and stays so
    assert found.tolist() == [place[one] for one in who[~old].tolist()]


def test_a_face_that_was_alone_is_joined_by_its_like() -> None:
    groups = Groups.of(at(0.0, 2.0), np.array([1, 2]), np.array([0, 1]))
    assert grow(groups, at(2.1), np.array([3]), REACH).tolist() == [1]


def test_a_new_face_does_not_join_where_its_photo_has_a_face() -> None:
    groups = Groups.of(at(0.0, 0.1, 0.2), np.array([1, 2, 3]), np.zeros(3, np.int64))
    assert grow(groups, at(0.1), np.array([2]), REACH).tolist() == [1]
    assert grow(groups, at(0.1), np.array([4]), REACH).tolist() == [0]


def test_of_two_new_faces_of_a_photo_the_nearer_one_joins() -> None:
    groups = Groups.of(at(0.0, 0.1, 0.2), np.array([1, 2, 3]), np.zeros(3, np.int64))
    assert grow(groups, at(0.3, 0.15), np.array([4, 4]), REACH).tolist() == [1, 0]


def test_old_groups_are_never_joined_but_offered_as_one_person() -> None:
    vectors, _ = people([20], noise=0.3)
    photos, halves = each_alone(vectors), np.arange(20) % 2
    groups = Groups.of(vectors, photos, halves)
    more, _ = people([30], noise=0.3)
    found = grow(groups, more[20:], 100 + np.arange(10), REACH)
    assert set(found.tolist()) <= {0, 1}
    after = grown(groups, more[20:], 100 + np.arange(10), found)
    assert len(after) == 2
    (offer,) = similar(after, np.array([1]), REACH)
    assert isinstance(offer, Similar)
    assert (offer.one, offer.other) == (0, 1)
    assert offer.distance < REACH / 2


def test_nothing_is_offered_for_strangers_for_single_faces_or_for_people_seen_together() -> None:
    vectors, who = people([4, 4])
    apart = Groups.of(vectors, each_alone(vectors), who)
    assert similar(apart, np.arange(2), REACH) == []
    alone = Groups.of(at(0.0, 0.3), np.arange(2), np.arange(2))
    assert similar(alone, np.arange(2), REACH) == []
    twins = at(0.0, 0.1, 0.02, 0.12)
    together = Groups.of(twins, np.array([1, 2, 1, 3]), np.array([0, 0, 1, 1]))
    assert similar(together, np.arange(2), REACH) == []
    elsewhere = Groups.of(twins, np.array([1, 2, 4, 3]), np.array([0, 0, 1, 1]))
    assert len(similar(elsewhere, np.arange(2), REACH)) == 1


# ---- the order of work


def test_the_group_comes_first_whose_name_saves_most_and_who_was_seen_once_is_not_listed() -> None:
    vectors, who = people([3, 9, 1, 2, 1, 1])
    listed = rank(vectors, who, REACH)
    assert listed == [Ranked(1, 9, 0, 8), Ranked(0, 3, 0, 2), Ranked(3, 2, 0, 1)]


def test_a_face_that_does_not_fit_saves_nothing() -> None:
    vectors, who = people([6, 6])
    labels = who.copy()
    labels[0] = 1  # somebody else's face
    first, second = rank(vectors, labels, REACH)
    assert (first.group, first.faces, first.doubtful, first.saved) == (1, 7, 1, 5)
    assert (second.group, second.faces, second.doubtful, second.saved) == (0, 5, 0, 4)


def test_two_faces_too_far_from_each_other_are_both_doubtful() -> None:
    assert rank(at(0.0, 0.58), np.zeros(2, np.int64), REACH) == [Ranked(0, 2, 2, 0)]


# ---- the automatic reach


def spread(scale: float, seed: int = 0, count: int = 400) -> Vectors:
    """Strangers around one direction: the smaller the scale, the more alike."""
    chance = np.random.default_rng(seed)
    return (np.eye(32)[0] + scale * chance.normal(size=(count, 32)) / np.sqrt(32)).astype(np.float32)


def start_of(vectors: Vectors) -> Start:
    x = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    gaps = np.linalg.norm(x[:, None] - x[None], axis=2)[np.triu_indices(len(x), 1)]
    return Start(0.5 * float(np.median(gaps)), float(np.quantile(gaps, 0.75)), float(np.median(gaps)))


def test_the_reach_is_the_models_own_where_faces_are_as_usual() -> None:
    start = start_of(spread(1.0))
    assert automatic_reach(spread(1.0, 1), np.arange(400), start) == pytest.approx(start.reach, rel=0.02)
    assert automatic_reach(spread(1.0, 1)[:1], np.arange(1), start) == start.reach


def test_the_reach_shrinks_where_faces_of_one_photo_are_more_alike_than_usual() -> None:
    start, alike = start_of(spread(1.0)), spread(0.85, 1)
    in_photos = automatic_reach(alike, np.arange(400) // 2, start)
    usual = automatic_reach(spread(1.0, 1), np.arange(400) // 2, start)
    assert in_photos < 0.93 * usual
    assert in_photos > 0.8 * start.reach, "but not beyond reason"


def test_the_reach_shrinks_in_a_large_library() -> None:
    start = start_of(spread(1.0))
    large = automatic_reach(spread(1.0, 1, 20_000), np.arange(20_000), start)
    assert 0.9 * start.reach < large < 0.96 * start.reach


def test_one_persons_library_does_not_shrink_the_reach_to_nothing() -> None:
    start, same = start_of(spread(1.0)), spread(0.2)
    assert automatic_reach(same, np.arange(400), start) >= 0.9 * start.reach


# ---- neighbours


@given(st.integers(1, 60), st.integers(0, 1 << 16), st.sampled_from([0.3, 1.0, 9.0]))
def test_all_pairs_within_the_limit_are_found_once(count: int, seed: int, limit: float) -> None:
    points = np.random.default_rng(seed).normal(size=(count, 3)).astype(np.float32)
    squares = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    edges = near(points, limit, most=count)
    found = set(zip(edges.one.tolist(), edges.other.tolist(), strict=True))
    assert len(found) == len(edges)
    for i in range(count):
        for j in range(i + 1, count):
            if abs(squares[i, j] - limit) > 1e-4:
                assert ((i, j) in found) == (squares[i, j] < limit)


def test_of_too_many_neighbours_the_nearest_are_kept() -> None:
    points = np.array([[0.0], [1.0], [3.0], [6.0], [10.0]], np.float32)
    edges = near(points, 1000.0, most=2)  # a point is its own neighbour
    assert sorted(zip(edges.one.tolist(), edges.other.tolist(), strict=True)) == [(0, 1), (1, 2), (2, 3), (3, 4)]


# ---- real faces


@needs("lfw")
def test_real_people_are_grouped_at_the_automatic_setting_and_strangers_left_alone() -> None:
    vectors, who = encoded(people_wanted=6, faces_each=4, strangers_wanted=20)
    photos = np.arange(len(who))
    reach = automatic_reach(vectors, photos, STARTS["dlib-resnet-v1+mirror"])
    labels = cluster(vectors, photos, reach)
    same_group, same_person = labels[:, None] == labels, who[:, None] == who
    both = (same_group & same_person).sum(axis=1)
    assert (both / same_group.sum(axis=1)).mean() > 0.95, "precision, B-cubed"
    assert (both / same_person.sum(axis=1)).mean() > 0.9, "recall"
    assert len(rank(vectors, labels, reach)) >= 6


def encoded(people_wanted: int, faces_each: int, strangers_wanted: int) -> tuple[Vectors, NDArray[np.str_]]:
    """Photographs of LFW through the whole path, the face nearest the middle of each."""
    from facelib import images
    from facelib.config import DetectOptions, EncodeOptions, EngineOptions, ImageOptions
    from facelib.engines import registry
    from facelib.engines.dlib_native import HogDetector

    folders = [sorted(folder.glob("*.jpg")) for folder in sorted((DATA / "lfw").iterdir()) if folder.is_dir()]
    several = [photos[:faces_each] for photos in folders if len(photos) >= faces_each][:people_wanted]
    once = [photos for photos in folders if len(photos) == 1][:strangers_wanted]
    options = DetectOptions()
    engine, detector = registry.load(options, EncodeOptions(), EngineOptions()), HogDetector(0)
    vectors, names = [], []
    for photo in (path for photos in several + once for path in photos):
        with images.open_photo(str(photo), ImageOptions()) as source:
            picture = source.shrunk(options.canvas, options.min_canvas)
        (faces,) = detector.detect([picture])
        if faces:
            middle = picture.shape[1] / 2
            face = min(faces, key=lambda one: abs(one.box.center[0] - middle))
            landmarks = engine.landmarker.locate(picture, [face.box])
            vectors.append(engine.encoder.encode(engine.encoder.align(picture, landmarks))[0])
            names.append(photo.parent.name)
    return np.array(vectors), np.array(names)
