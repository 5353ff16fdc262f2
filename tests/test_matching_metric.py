"""What distances are, where priors come from, and which vectors are not compared at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matching_crowd import MODEL, SIZE, Crowd, prior
from numpy.typing import NDArray
from scipy.stats import multivariate_normal

from facelib.errors import EngineError
from facelib.matching import prior as priors
from facelib.matching.faces import Faces, decode
from facelib.matching.metric import METRICS, Metric, blocks, make
from facelib.matching.prior import Prior, load, measured
from facelib.matching.spread import estimate, isotropic, unit

CROWD = Crowd(6, seed=1)
FACES = CROWD.faces(np.arange(6).repeat(2))
MEANS = CROWD.faces(np.arange(6))
COUNTS = np.array([1, 2, 3, 5, 10, 30], np.float32)


def metric(name: str) -> Metric:
    return make(name, prior().spread)


def distances(name: str) -> NDArray[np.float64]:
    one = metric(name)
    return one.distances(FACES, one.prepare(MEANS).astype(np.float32), COUNTS).astype(np.float64)


def plain(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sqrt(((one[:, None] - other[None]) ** 2).sum(axis=2))


def test_euclid_is_the_plain_distance() -> None:
    assert np.allclose(distances("euclid"), plain(FACES.astype(float), MEANS.astype(float)), atol=1e-3)


def test_cosine_orders_like_the_angle_and_takes_no_notice_of_length() -> None:
    expected = np.sqrt(2 - 2 * unit(FACES) @ unit(MEANS).T)
    assert np.allclose(distances("cosine"), expected, atol=1e-3)
    one = metric("cosine")
    assert np.allclose(one.distances(3 * FACES, unit(MEANS).astype(np.float32) / 2, COUNTS), expected, atol=1e-3)


def test_deviation_is_the_seeds_weighting_by_standard_deviation_with_mean_one() -> None:
    weights = np.sqrt(prior().spread.variance)
    weights /= weights.mean()
    apart = FACES[:, None].astype(float) - MEANS[None]
    assert np.allclose(distances("deviation"), np.sqrt((weights * apart**2).sum(axis=2)), atol=1e-3)


def test_variance_weighs_by_variance_with_mean_one() -> None:
    weights = prior().spread.variance / prior().spread.variance.mean()
    apart = FACES[:, None].astype(float) - MEANS[None]
    assert np.allclose(distances("variance"), np.sqrt((weights * apart**2).sum(axis=2)), atol=1e-3)


def test_covariance_is_the_mahalanobis_distance_within_people() -> None:
    inverse = np.linalg.inv(prior().spread.within)
    apart = unit(FACES)[:, None] - unit(MEANS)[None]
    assert np.allclose(distances("covariance"), np.sqrt(np.einsum("fpi,ij,fpj->fp", apart, inverse, apart)), rtol=1e-3)


def test_plda_is_minus_the_decimal_logarithm_of_the_likelihood_ratio() -> None:
    spread, faces, means = prior().spread, unit(FACES), unit(MEANS)
    found = distances("plda")
    for person, count in enumerate(COUNTS.tolist()):
        gain = spread.between @ np.linalg.inv(spread.between + spread.within / count)
        place = spread.mean + gain @ (means[person] - spread.mean)
        around = spread.between - gain @ spread.between + spread.within
        same = multivariate_normal(place, around).logpdf(faces)
        stranger = multivariate_normal(spread.mean, spread.between + spread.within).logpdf(faces)
        assert np.allclose(found[:, person], (stranger - same) / np.log(10), atol=1e-2)


def test_plda_trusts_a_centroid_of_many_faces_more() -> None:
    one = metric("plda")
    mean = one.prepare(CROWD.people[:1].astype(np.float32)).astype(np.float32)
    few, many = (one.distances(CROWD.faces([0] * 20), mean, np.array([n], np.float32)).mean() for n in (1, 30))
    assert many < few


def test_relative_is_farther_where_typical_faces_are_near() -> None:
    """The same angle to the centroid counts less for a face that looks like anybody."""
    one = metric("relative")
    typical = one.typical[0]
    aside = unit(CROWD.faces([0])[0] - CROWD.faces([1])[0])
    centre = unit(typical + 0.2 * aside)
    common, special = typical, unit(2 * (centre @ typical) * centre - typical)  # as far, on the other side
    seen = one.distances(
        np.array([common, special], np.float32), centre[None].astype(np.float32), np.ones(1, np.float32)
    )
    assert np.isclose(common @ centre, special @ centre)
    assert seen[0, 0] > seen[1, 0]


def test_relative_asks_more_of_a_centroid_of_many_faces() -> None:
    """Which lies nearer to everybody."""
    one = metric("relative")
    mean = one.prepare(MEANS[:1]).astype(np.float32).repeat(2, axis=0)
    few, many = (one.distances(FACES, mean, np.array([1, 30], np.float32)) ** 2).T
    assert np.allclose(many - few, 0.012 * (1 - 1 / 30), atol=1e-4)


def test_relative_without_typical_faces_is_refused_with_a_way_out() -> None:
    with pytest.raises(EngineError, match="use cosine"):
        make("relative", isotropic(4, 1, 1))


def test_an_unknown_metric_is_refused_by_name() -> None:
    with pytest.raises(EngineError, match="no metric 'manhattan'; there are euclid, cosine"):
        make("manhattan", isotropic(4, 1, 1))


@pytest.mark.parametrize("name", METRICS)
def test_the_own_person_is_nearest_in_every_metric(name: str) -> None:
    one, people = metric(name), CROWD.people.astype(np.float32)
    found = one.distances(FACES, one.prepare(people).astype(np.float32), np.full(6, 10, np.float32))
    assert found.argmin(axis=1).tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


@pytest.mark.parametrize("name", METRICS)
def test_blocks_and_pairs_are_the_same_distances(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one = metric(name)
    means = one.prepare(MEANS).astype(np.float32)
    whole = one.distances(FACES, means, COUNTS)
    monkeypatch.setattr("facelib.matching.metric._BLOCK", 6 * 5)
    parts = [(part, found.copy()) for part, found in blocks(one, FACES, one.coefficients(means, COUNTS))]
    assert [part.stop - part.start for part, _ in parts] == [5, 5, 2]
    assert np.allclose(np.concatenate([found for _, found in parts]), whole, atol=2e-3)
    assert np.allclose(one.paired(FACES[:6], means, COUNTS), np.diag(whole[:6]), atol=2e-3)


def test_vectors_of_another_length_are_not_compared() -> None:
    with pytest.raises(EngineError, match="vectors of 5 numbers cannot be compared with those of 128"):
        metric("euclid").prepare(np.ones((2, 5), np.float32))


# What spreads are estimated from


def test_an_estimate_from_many_people_comes_near_the_truth() -> None:
    rng = np.random.default_rng(0)
    between, within, mean = np.diag([4.0, 1.0, 0.25]) / 50, np.diag([0.1, 0.5, 0.2]) / 50, np.array([0.9, 0.3, 0.3])
    whose = np.arange(800).repeat(rng.integers(1, 8, 800))
    people = rng.multivariate_normal(mean, between, 800)
    vectors = people[whose] + rng.multivariate_normal(np.zeros(3), within, len(whose))
    # Bringing them to length one would change what is asked here; so each has a fourth number that does so already.
    filled = np.concatenate([vectors, np.sqrt(16 - (vectors**2).sum(axis=1, keepdims=True))], axis=1)
    found = estimate(filled.astype(np.float32), whose, isotropic(4, 1, 1))
    assert np.allclose(16 * found.between[:3, :3], between, atol=0.01)
    assert np.allclose(16 * found.within[:3, :3], within, atol=0.002)
    assert np.allclose(4 * found.mean[:3], mean, atol=0.05)


def test_an_estimate_from_two_faces_each_is_not_too_small() -> None:
    """Half of what differs between two faces is in their mean; it belongs to the face and not to the person."""
    rng = np.random.default_rng(1)
    whose = np.arange(4000).repeat(2)
    vectors = rng.normal(0, 0.10, (4000, 3))[whose] + rng.normal(0, 0.15, (8000, 3))
    filled = np.concatenate([vectors, np.sqrt(1 - (vectors**2).sum(axis=1, keepdims=True))], axis=1)
    found = estimate(filled.astype(np.float32), whose, isotropic(4, 1, 1))
    drawn = vectors.reshape(4000, 2, 3).var(axis=1, ddof=1).mean(axis=0)
    assert np.diag(found.within)[:3] == pytest.approx(drawn, rel=0.01)
    assert np.diag(found.between)[:3] == pytest.approx(0.10**2, rel=0.1)


def test_few_labels_change_the_prior_little_and_many_change_it_much() -> None:
    before = prior().spread.weighing(200, 1000)
    few, many = (Crowd(people, seed=5).labelled(4) for people in (2, 400))
    shift = [
        np.linalg.norm(
            estimate(some.faces.vectors * [[2.0] * 64 + [1.0] * 64], some.person_id, before).within - before.within
        )
        for some in (few, many)
    ]
    assert shift[0] < 0.2 * shift[1]
    assert estimate(few.faces.vectors[:0], few.person_id[:0], before) is before


def test_one_person_with_very_many_faces_is_not_the_whole_library() -> None:
    before = isotropic(3, 10, 50)
    rng = np.random.default_rng(0)
    child = rng.normal([1, 0, 0], [0.0, 0.5, 0.0], (20_000, 3))
    found = estimate(child.astype(np.float32), np.zeros(20_000, np.int64), before)
    assert found.faces == 50 + 30


# The packaged priors


def test_the_default_models_have_a_prior_and_it_is_small() -> None:
    folder = Path(priors.__file__).with_name("priors")
    assert {"dlib-resnet-v1", MODEL, "arcface-b7120c095d60"} <= set(measured())
    assert all(file.stat().st_size < 100_000 for file in folder.glob("*.npz"))


@pytest.mark.parametrize("model", measured())
def test_a_packaged_prior_is_sound(model: str) -> None:
    found = load(model, SIZE)
    assert (np.linalg.eigvalsh(found.spread.within) > 0).all()
    assert (np.linalg.eigvalsh(found.spread.between) > -1e-9).all()
    assert np.allclose(np.linalg.norm(found.spread.typical, axis=1), 1, atol=1e-3)
    assert set(found.tails.distances) == set(METRICS)
    for tail in found.tails.distances.values():
        assert (np.diff(tail, axis=1) <= 0).all()  # what is rarer is nearer


def test_a_prior_is_what_was_written(tmp_path: Path) -> None:
    before = prior()
    np.savez(tmp_path / "a.npz", **before.to_arrays())
    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        after = Prior.from_arrays(arrays)
    assert (after.model, after.metric) == (before.model, before.metric)
    assert np.array_equal(after.spread.within, before.spread.within)
    assert np.array_equal(after.tails.distances["plda"], before.tails.distances["plda"])


def test_a_prior_for_vectors_of_another_length_is_refused() -> None:
    with pytest.raises(EngineError, match=r"encodings of dlib-resnet-v1\+mirror have 128 numbers, not 512"):
        load(MODEL, 512)


@pytest.mark.parametrize("model", ["arcface-0123456789ab", "facenet-0123456789ab", "../../etc/passwd"])
def test_a_model_that_nobody_measured_starts_with_cosine_and_little_confidence(model: str) -> None:
    found = load(model, 512)
    assert (found.metric, found.spread.dimensions) == ("cosine", 512)
    assert found.tails.strangers < prior().tails.strangers


def test_chances_of_a_gallery_grow_with_its_people() -> None:
    tails = prior().tails
    one, ten = (tails.chance("cosine", 0.3, np.ones(n, np.float32)) for n in (1, 10))
    assert ten == pytest.approx(10 * one, rel=0.01)
    assert tails.chance("cosine", -5.0, np.ones(1000, np.float32)) < 1e-9
    assert tails.chance("cosine", 5.0, np.ones(1000, np.float32)) == pytest.approx(1)


# What is not compared


def blob(*numbers: float) -> bytes:
    return np.array(numbers, "<f4").tobytes()


def test_rows_that_are_no_encodings_of_the_model_are_refused_with_the_face_named() -> None:
    rows = [
        (1, "m", blob(1, 2, 3)),
        (2, "other", blob(1, 2, 3)),
        (3, "m", blob(1, 2)),
        (4, "m", blob(1, 2, float("nan"))),
        (5, "m", blob(1, float("inf"), 3)),
        (6, "m", blob(0, 0, 0)),
        (7, "m", b"\x00" * 11),
        (8, "m", blob(3, 2, 1)),
    ]
    face_id, vectors, refused = decode(rows, "m", 3)
    assert face_id.tolist() == [1, 8]
    assert vectors.tolist() == [[1, 2, 3], [3, 2, 1]]
    assert [one.face_id for one in refused] == [2, 3, 4, 5, 6, 7]
    assert refused[0].reason == "encoded by other, not by m"
    assert "not finite" in refused[2].reason


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([np.nan, np.inf, -np.inf]), st.integers(0, 2), st.integers(0, 3))
def test_a_vector_with_a_number_that_is_none_is_never_taken(bad: float, row: int, column: int) -> None:
    vectors = np.ones((3, 4))
    vectors[row, column] = bad
    with pytest.raises(EngineError, match=f"face {row + 10}: .* not finite"):
        Faces.of([10, 11, 12], [1, 2, 3], vectors)


def test_faces_are_kept_by_their_ids_and_what_nobody_knows_is_typical() -> None:
    faces = Faces.of([3, 1, 2], [30, 10, 20], [[3.0], [1.0], [2.0]], [np.nan, 0.0, 0.9], [2003.5, np.nan, 2002])
    assert faces.face_id.tolist() == [1, 2, 3]
    assert faces.photo_id.tolist() == [10, 20, 30]
    assert faces.vectors[:, 0].tolist() == [1, 2, 3]
    assert faces.quality == pytest.approx([0.05, 0.9, 0.5])
    assert np.isnan(faces.year[0])


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        (([1, 1], [1, 2], np.ones((2, 3))), "face 1 comes 2 times"),
        (([1, 2], [1], np.ones((2, 3))), "2 faces come with 1 of photo_id"),
        (([1, 2], [1, 2], np.ones(2)), "do not have one length"),
        (([1, 2], [1, 2], np.array([[1.0, 0], [0, 0]])), "face 2: .* all noughts"),
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(arrays: tuple[object, ...], words: str) -> None:
    with pytest.raises(EngineError, match=words):
        Faces.of(*arrays)  # type: ignore[arg-type]
