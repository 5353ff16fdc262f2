"""What leaving each labelled face out tells: how well the matcher does, and which labels look wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import DATA, needs
from matching_crowd import SIZE, Crowd, prior, together

from facelib import images
from facelib.config import DetectOptions, EncodeOptions, EngineOptions, ImageOptions
from facelib.engines import registry
from facelib.engines.dlib_native import HogDetector
from facelib.matching import evaluate as module
from facelib.matching.evaluate import MetricScore, choose_metric, compare_metrics, evaluate
from facelib.matching.faces import NOBODY, Faces, Labelled
from facelib.matching.gallery import build
from facelib.matching.plan import Said, plan
from facelib.matching.prior import load


def test_people_who_are_easy_to_tell_apart_are_all_recognised() -> None:
    found = evaluate(Crowd(30).labelled(6), prior())
    assert (found.faces, found.judged) == (180, 180)
    assert found.recall > 0.95
    assert found.precision > 0.99
    assert found.strangers < 0.03
    assert found.confused == ()
    assert found.doubts == ()
    assert all(0.6 < one.recall <= 1 for one in found.people)


def test_who_has_one_face_cannot_be_judged() -> None:
    crowd = Crowd(3)
    found = evaluate(together(crowd.labelled(3, people=[0]), crowd.labelled(1, people=[1, 2], first_id=50)), prior())
    assert (found.faces, found.judged) == (5, 3)
    last = found.people[-1]
    assert (last.faces, last.judged) == (1, 0)
    assert np.isnan(last.recall)


def test_wrong_labels_are_found_with_who_they_look_like() -> None:
    labelled = Crowd(20, seed=2).labelled(6)
    person = labelled.person_id.copy()
    person[[3, 40, 77]] = 103, 110, 101
    found = evaluate(replace(labelled, person_id=person), prior())
    doubted = {one.face_id: (one.person_id, one.other) for one in found.doubts}
    assert doubted == {4: (103, 100), 41: (110, 106), 78: (101, 112)}


def test_a_face_between_two_people_who_resemble_each_other_is_no_doubt() -> None:
    crowd = Crowd(20, seed=6)
    crowd.people[1] = crowd.people[0] + 0.25 * (crowd.people[1] - crowd.people[0])
    labelled = crowd.labelled(8)
    found = evaluate(labelled, prior())
    nearer_to_the_other = {
        int(labelled.faces.face_id[row])
        for row in np.flatnonzero(~build(labelled, prior(), everything=True).left.right)
    }
    assert nearer_to_the_other
    assert found.doubts == ()


def test_a_label_on_a_stranger_is_doubted_without_another_name() -> None:
    crowd = Crowd(12, seed=3)
    stranger = replace(crowd.labelled(1, people=[11], first_id=500), person_id=np.array([100]))
    found = evaluate(together(crowd.labelled(6, people=list(range(10))), stranger), prior())
    assert [(one.face_id, one.other) for one in found.doubts] == [(500, NOBODY)]


def test_one_person_under_two_names_is_told() -> None:
    crowd = Crowd(20, seed=4)
    again = replace(crowd.labelled(6, people=[5], first_id=500), person_id=np.full(6, 200))
    found = evaluate(together(crowd.labelled(6), again), prior())
    assert {(one, other) for one, other, _ in found.alike} == {(105, 200), (200, 105)}
    assert {frozenset((one, other)) for one, other, _ in found.confused} <= {frozenset((105, 200))}


def test_confused_people_cost_precision_and_recall() -> None:
    """Two people who resemble each other much, under a threshold that lets everybody have a name."""
    crowd = Crowd(10, seed=6)
    crowd.people[1] = crowd.people[0] + 0.1 * (crowd.people[1] - crowd.people[0])
    found = evaluate(crowd.labelled(8), prior(), "euclid", wanted=0.6, wanted_suggested=0.6)
    pairs = {(one, other): count for one, other, count in found.confused}
    assert pairs.keys() <= {(100, 101), (101, 100)}
    assert pairs
    scores = {one.person_id: one for one in found.people}
    assert scores[100].taken == pairs.get((101, 100), 0)
    assert scores[100].wrong == pairs.get((100, 101), 0)
    assert scores[100].recall == pytest.approx(scores[100].right / 8)
    assert found.people[0].person_id in (100, 101)  # the worst first


def test_the_curve_rises_and_goes_through_the_threshold() -> None:
    found = evaluate(Crowd(25, seed=7).labelled(5), prior())
    curve, limit = found.curve, found.threshold.named
    for line in (curve.distance, curve.strangers, curve.right, curve.wrong):
        assert (np.diff(line) >= 0).all()
    assert curve.distance[0] <= limit <= curve.distance[-1]
    assert np.interp(limit, curve.distance, curve.right) == pytest.approx(found.recall, abs=0.03)


def test_nothing_labelled_is_nothing_to_evaluate() -> None:
    found = evaluate(Labelled.of(Faces.of([], [], np.zeros((0, SIZE))), {}), prior())
    assert (found.faces, found.judged, found.people, found.doubts) == (0, 0, (), ())
    assert np.isnan(found.recall)
    assert (found.curve.right == 0).all()


# Which metric


def noisy(people: int, each: int) -> Labelled:
    """Vectors in which a few directions vary much among the faces of one person: light, say."""
    rng = np.random.default_rng(0)
    whose = np.arange(people).repeat(each)
    vectors = rng.normal(size=(people, 64))[whose] + 0.5 * rng.normal(size=(len(whose), 64))
    vectors[:, :4] += 8 * rng.normal(size=(len(whose), 4))
    ids = np.arange(len(whose))
    return Labelled(Faces.of(ids, ids, vectors), whose, np.full(len(whose), NOBODY))


def test_a_metric_that_is_surely_better_on_the_own_labels_is_chosen() -> None:
    model = load("somebody-elses-model", 64)
    labelled = noisy(60, 20)
    assert choose_metric(labelled, model) in ("covariance", "plda")
    scores = {one.metric: one for one in compare_metrics(labelled, model)}
    assert scores["plda"].recall > scores["cosine"].recall + 0.1
    assert scores["plda"].better > 2
    assert scores["cosine"].better == 0
    assert "relative" not in scores  # there are no typical faces of this model


def test_with_few_labels_the_default_metric_stays() -> None:
    model = load("somebody-elses-model", 64)
    assert choose_metric(noisy(60, 10), model) == "cosine"  # too few faces
    assert choose_metric(noisy(40, 30), model) == "cosine"  # too few people


def test_a_difference_that_may_be_chance_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    labelled = Crowd(60, seed=9).labelled(18)
    assert choose_metric(labelled, prior()) == "relative"
    for better, chosen in ((1.5, "relative"), (2.5, "plda")):
        scores = (MetricScore("plda", 0.96, better), MetricScore("relative", 0.95, 0.0))
        monkeypatch.setattr(module, "compare_metrics", lambda *_, found=scores, **__: found)
        assert choose_metric(labelled, prior()) == chosen


# Real faces, of people whom the priors do not know

ALBUM = ("Angelina_Jolie", "Bill_Gates", "Hans_Blix", "Jennifer_Lopez", "Roger_Federer", "Tiger_Woods")
STRANGERS = ("Bill_Clinton", "Renee_Zellweger")


def encoded(names: tuple[str, ...], each: int) -> Iterator[tuple[str, np.ndarray, float]]:  # type: ignore[type-arg]
    engine = registry.load(DetectOptions(), EncodeOptions(), EngineOptions())
    hog = HogDetector(0)
    for name in names:
        photos = sorted((DATA / "lfw" / name).glob("*.jpg"))
        assert len(photos) >= each, Path(name)
        for photo in photos[:each]:
            with images.open_photo(str(photo), ImageOptions()) as source:
                picture = source.shrunk(500, 500)
            found = hog.detect([picture])[0]
            if found:
                face = min(found, key=lambda one: abs(one.box.center[0] - 250) + abs(one.box.center[1] - 250))
                points = engine.landmarker.locate(picture, [face.box])
                yield name, engine.encoder.encode(engine.encoder.align(picture, points))[0], 0.6


@needs("lfw")
def test_real_faces_of_people_whom_the_prior_does_not_know_are_named() -> None:
    rows = list(encoded(ALBUM + STRANGERS, 8))
    number = {name: n for n, name in enumerate(ALBUM)}
    ids = np.arange(len(rows))
    faces = Faces.of(ids, ids, np.array([vector for _, vector, _ in rows]), [quality for *_, quality in rows])
    truth = np.array([number.get(name, NOBODY) for name, *_ in rows])
    # The first four of each are labelled.
    known = {int(n): int(truth[n]) for n in ids if truth[n] >= 0 and (truth[:n] == truth[n]).sum() < 4}
    gallery = build(Labelled.of(faces, known), prior()).gallery
    made = plan(faces.take(~np.isin(ids, list(known))), gallery, Said())
    asked = truth[made.face_id]
    named = made.verdict == 2
    assert ((made.person_id == asked) | ~named).all()  # no name is wrong, and no stranger has one
    assert named[asked >= 0].mean() >= 0.85
    assert evaluate(Labelled.of(faces, known), prior()).doubts == ()
