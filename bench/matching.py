"""How well people of LFW are recognised by priors that were learned on others, and how fast.

The people are split in two by name, three times. Of the one half the prior is learned; of each person of the other who has
at least three photographs, half of them, or a fifth, are labelled, and the rest are faces to name. Strangers are the people
with one photograph, and each face to name once more while its person is unknown. The three numbers are the shares of the known
faces that are named rightly when the threshold lets 0.1, 1 and 5 % of the strangers have a name.

What could be chosen (metrics, their constants) was chosen on one half of the people, always the same (`chosen_on`). A fourth
split judges on the other half, none of whom took part in any choice.
"""

from __future__ import annotations

import hashlib
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from bench import lfw
from bench.figures import Figure
from bench.measure import Bench
from bench.prior import learn
from facelib.matching.evaluate import evaluate
from facelib.matching.faces import NOBODY, Faces, Floats, Ids, Labelled
from facelib.matching.gallery import Built, Gallery, build
from facelib.matching.metric import METRICS
from facelib.matching.plan import Said, plan
from facelib.matching.prior import Prior, load
from facelib.matching.table import Table

RATES = (0.001, 0.01, 0.05)
FEWER = {0.001: 0.35, 0.01: 0.25, 0.05: 0.0}  # misses than plain centroids of unmirrored encodings, at least
DRAWS, QUICK_DRAWS = 5, 1
SHARES = (0.5, 0.2)  # of a person's photographs that are labelled
WANTED = 0.005
MOST_STRANGERS = 0.01  # named at the automatic threshold, whose aim is half of it
COMPARE_FACES = 0.6  # face_recognition's tolerance
AT_TOLERANCE = "compare_faces at 0.6"
MOST_SECONDS, FACES, PEOPLE = 4.0, 100_000, 2_000
MOST_MIB = 128.0

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Task:
    """Rows of the faces: labelled, to name, strangers; and whose they are, as positions in `people`."""

    known: Ids
    whose: Ids
    probes: Ids
    truth: Ids
    strangers: Ids
    people: NDArray[np.str_]


Judged = Callable[[Floats, Task], tuple[Matrix, Matrix]]  # distances of probes and of strangers to people


def figures(bench: Bench) -> list[Figure]:
    """Recognition, the automatic threshold, wrong labels, speed and memory."""
    faces = lfw.faces(bench)
    return [*_recognition(bench, faces), *_threshold(bench, faces), *_wrong_labels(faces), *_speed(bench), *_memory()]


def splits(faces: lfw.Faces) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """A name of the split, and which faces are judged; the prior is learned on the others."""
    people, counts = np.unique(faces.names, return_counts=True)
    for seed in (1, 2, 3):
        rng = np.random.default_rng(seed)
        judged = [rng.permutation(some)[::2] for some in (people[counts > 1], people[counts == 1])]
        yield f"split {seed}", np.isin(faces.names, np.concatenate(judged))
    yield "held out", ~chosen_on(faces.names)


def chosen_on(names: NDArray[np.str_]) -> NDArray[np.bool_]:
    """The faces of the people on whom everything was chosen that could be: a half, by their names."""
    people = np.unique(names)
    chosen = [
        one for one in people.tolist() if int(hashlib.sha256(f"choose{one}".encode()).hexdigest()[:8], 16) < 1 << 31
    ]
    return np.isin(names, chosen)


def task(faces: lfw.Faces, judged: NDArray[np.bool_], share: float, rng: np.random.Generator) -> Task:
    """Draw which photographs are labelled; of each person at least one is and one is not."""
    known: list[int] = []
    probes: list[int] = []
    strangers: list[int] = []
    names, counts = np.unique(faces.names[judged], return_counts=True)
    rows = np.flatnonzero(judged)
    for name, count in zip(names, counts, strict=True):
        theirs = rng.permutation(rows[faces.names[rows] == name]).tolist()
        labelled = min(max(round(share * count), 1), count - 1) if count >= 3 else 0
        known += theirs[:labelled]
        (probes if labelled else strangers).extend(theirs[labelled:])
    people = names[counts >= 3]
    index = {name: number for number, name in enumerate(people.tolist())}
    whose, truth = (
        np.array([index[name] for name in faces.names[some].tolist()], np.int64) for some in (known, probes)
    )
    return Task(np.array(known), whose, np.array(probes), truth, np.array(strangers), people)


def _nearest_face(vectors: Floats, one: Task) -> tuple[Matrix, Matrix]:
    order = np.argsort(one.whose, kind="stable")
    starts = np.searchsorted(one.whose[order], np.arange(len(one.people)))

    def away(rows: Ids) -> Matrix:
        return np.minimum.reduceat(_euclid(vectors[rows], vectors[one.known[order]]), starts, axis=1)

    return away(one.probes), away(one.strangers)


def _plain_centroids(vectors: Floats, one: Task) -> tuple[Matrix, Matrix]:
    means = np.array([vectors[one.known[one.whose == person]].mean(axis=0) for person in range(len(one.people))])
    return _euclid(vectors[one.probes], means), _euclid(vectors[one.strangers], means)


def _euclid(one: Floats, other: Floats) -> Matrix:
    x, y = one.astype(np.float64), other.astype(np.float64)
    square: Matrix = (x**2).sum(axis=1)[:, None] - 2 * x @ y.T + (y**2).sum(axis=1)
    return np.sqrt(np.maximum(square, 0))


def _ours(faces: lfw.Faces, prior: Prior, name: str | None) -> Judged:
    def away(vectors: Floats, one: Task) -> tuple[Matrix, Matrix]:
        table = _build(faces, vectors, one, prior, name).gallery.table()
        return _all(table, vectors[one.probes]), _all(table, vectors[one.strangers])

    return away


def _build(faces: lfw.Faces, vectors: Floats, one: Task, prior: Prior, name: str | None = None) -> Built:
    rows = np.argsort(one.known)
    known = one.known[rows]
    some = Faces.of(known, known, vectors[known], faces.quality[known])
    return build(Labelled(some, one.whose[rows], np.full(len(known), NOBODY)), prior, name, wanted=WANTED)


def _all(table: Table, vectors: Floats) -> Matrix:
    return np.concatenate([found.astype(np.float64) for _, found in table.blocks(vectors)])


def judge(probes: Matrix, strangers: Matrix, truth: Ids) -> list[float]:
    """Rank-1, and the share of known faces named rightly at each rate of strangers accepted."""
    own, other, outside = _scores(probes, strangers, truth)
    limits = [outside[int(rate * len(outside))] for rate in RATES]
    return [float((own < other).mean()), *(float(((own < other) & (own < limit)).mean()) for limit in limits)]


def _scores(probes: Matrix, strangers: Matrix, truth: Ids) -> tuple[Matrix, Matrix, Matrix]:
    """Distances to the own person, to the nearest other, and of strangers to the nearest person, ascending."""
    rows = np.arange(len(truth))
    own = probes[rows, truth].copy()
    others = probes.copy()
    others[rows, truth] = np.inf
    other = others.min(axis=1)
    return own, other, np.sort(np.concatenate([other, strangers.min(axis=1)]))


def _recognition(bench: Bench, faces: lfw.Faces) -> list[Figure]:
    """The default against plain centroids; all metrics in the notes."""
    found: dict[tuple[str, float, str, str], list[list[float]]] = {}
    draws = QUICK_DRAWS if bench.quick else DRAWS
    for split, judged in splits(faces):
        bench.say(f"matching: {split}, {judged.sum()} faces judged")
        for model in lfw.MODELS:
            vectors = faces.vectors[model]
            prior = learn(model, vectors[~judged], faces.names[~judged])
            ways: dict[str, Judged] = {"nearest face": _nearest_face, "plain centroids": _plain_centroids}
            ways |= {name: _ours(faces, prior, name) for name in METRICS}
            for share in SHARES:
                for draw in range(draws):
                    one = task(faces, judged, share, np.random.default_rng(draw))
                    for way, away in ways.items():
                        matrices = away(vectors, one)
                        found.setdefault((model, share, way, split), []).append(judge(*matrices, one.truth))
                        if way == "nearest face" and model.startswith("dlib"):
                            fixed = _at_tolerance(*matrices, one.truth)
                            found.setdefault((model, share, AT_TOLERANCE, split), []).append(fixed)
    return [_fewer(found, rate) for rate in RATES]


def _at_tolerance(probes: Matrix, strangers: Matrix, truth: Ids) -> list[float]:
    """compare_faces: share of known faces named rightly, and of strangers named, at its one threshold."""
    own, other, outside = _scores(probes, strangers, truth)
    return [float(((own < other) & (own <= COMPARE_FACES)).mean()), float((outside <= COMPARE_FACES).mean())]


def _fewer(found: dict[tuple[str, float, str, str], list[list[float]]], rate: float) -> Figure:
    """By which share the default misses fewer faces than plain centroids, at one rate; the worst of the splits."""
    column = 1 + RATES.index(rate)
    default = load("dlib-resnet-v1+mirror", 128).metric
    worst, notes = 1.0, []
    for split in dict.fromkeys(key[3] for key in found):
        plain = 1 - np.mean(found["dlib-resnet-v1", 0.5, "plain centroids", split], axis=0)[column]
        ours = 1 - np.mean(found["dlib-resnet-v1+mirror", 0.5, default, split], axis=0)[column]
        notes.append(f"{split}: misses {ours:.3f} instead of {plain:.3f}, {1 - ours / plain:.0%} fewer")
        worst = min(worst, float(1 - ours / plain))
    if rate == RATES[0]:
        notes += _table(found)
    name = f"matching, misses fewer at {rate:.1%} strangers"
    return Figure(name, worst, FEWER[rate], "{:.0%}", at_least=True, notes=tuple(notes))


def _table(found: dict[tuple[str, float, str, str], list[list[float]]]) -> list[str]:
    """Every way: the mean over the three splits, and the held-out people."""
    lines = []
    for model, share, way in dict.fromkeys(key[:3] for key in found):
        said = []
        for label, some in (("splits 1-3", ("split 1", "split 2", "split 3")), ("held out", ("held out",))):
            numbers = np.mean([row for split in some for row in found[model, share, way, split]], axis=0)
            if way == AT_TOLERANCE:
                said.append(f"{label} {numbers[0]:.3f} named rightly, {numbers[1]:.3f} of strangers named")
            else:
                said.append(f"{label} rank-1 {numbers[0]:.3f}, {' / '.join(f'{x:.3f}' for x in numbers[1:])}")
        lines.append(f"{model:<21}  {share:.0%} labelled  {way:<20}  {'; '.join(said)}")
    return lines


def _threshold(bench: Bench, faces: lfw.Faces) -> list[Figure]:
    """The threshold that finds itself: strangers and known faces named by it, with few labels and with many."""
    notes, worst = [], 0.0
    for model in ("dlib-resnet-v1+mirror", "arcface"):
        vectors = faces.vectors[model]
        priors = [(judged, learn(model, vectors[~judged], faces.names[~judged])) for _, judged in splits(faces)]
        for count in (5, 30, 1000):
            for share in SHARES:
                rows = []
                for judged, prior in priors:
                    for draw in range(QUICK_DRAWS if bench.quick else DRAWS):
                        one = _some(task(faces, judged, share, np.random.default_rng(draw)), count, draw)
                        rows.append(_at_threshold(faces, vectors, one, prior))
                strangers, named, wrong, suggested, limit = np.mean(rows, axis=0)
                worst = max(worst, float(strangers))
                notes.append(
                    f"{model:<22} {'all' if count == 1000 else count:>3} people, {share:.0%} labelled: strangers {strangers:.4f},"
                    f" known {named:.3f} named, {wrong:.4f} wrongly, {suggested:.3f} more suggested, at {limit:.3f}"
                )
    return [
        Figure(
            "matching, strangers named at the automatic threshold", worst, MOST_STRANGERS, "{:.2%}", notes=tuple(notes)
        )
    ]


def _some(one: Task, count: int, seed: int) -> Task:
    """The same task with so many people known; the others' faces are strangers."""
    if count >= len(one.people):
        return one
    chosen = np.sort(np.random.default_rng(seed).permutation(len(one.people))[:count])
    kept, asked = np.isin(one.whose, chosen), np.isin(one.truth, chosen)
    return Task(
        one.known[kept],
        np.searchsorted(chosen, one.whose[kept]),
        one.probes[asked],
        np.searchsorted(chosen, one.truth[asked]),
        np.concatenate([one.strangers, one.probes[~asked]]),
        one.people[chosen],
    )


def _at_threshold(faces: lfw.Faces, vectors: Floats, one: Task, prior: Prior) -> list[float]:
    """Share of strangers named; of known faces named rightly, wrongly, suggested rightly; and the threshold."""
    gallery = _build(faces, vectors, one, prior).gallery
    both = np.concatenate([one.probes, one.strangers])
    made = plan(
        Faces.of(np.arange(len(both)), np.arange(len(both)), vectors[both], faces.quality[both]), gallery, Said()
    )
    known = np.arange(len(both)) < len(one.probes)
    truth = np.concatenate([one.truth, np.full(len(one.strangers), NOBODY)])
    right = made.person_id == truth
    named, suggested = made.verdict == 2, made.verdict == 1
    return [
        float(named[~known].mean()),
        float((named & right)[known].mean()),
        float((named & ~right)[known].mean()),
        float((suggested & right)[known].mean()),
        gallery.threshold.named,
    ]


def _wrong_labels(faces: lfw.Faces) -> list[Figure]:
    """One label in twenty is given to somebody else: how many of them `evaluate` doubts, and how many right ones."""
    notes, worst = [], 1.0
    model = "dlib-resnet-v1+mirror"
    for split, judged in splits(faces):
        vectors = faces.vectors[model]
        prior = learn(model, vectors[~judged], faces.names[~judged])
        one = task(faces, judged, 0.5, np.random.default_rng(0))
        rng = np.random.default_rng(1)
        whose = one.whose.copy()
        wrong = rng.permutation(len(whose))[: len(whose) // 20]
        whose[wrong] = (whose[wrong] + rng.integers(1, len(one.people), len(wrong))) % len(one.people)
        labelled = Labelled.of(
            Faces.of(one.known, one.known, vectors[one.known], faces.quality[one.known]),
            dict(zip(one.known.tolist(), whose.tolist(), strict=True)),
        )
        doubted = {doubt.face_id for doubt in evaluate(labelled, prior).doubts}
        planted = set(one.known[wrong].tolist())
        # Where a person has one or two labels and one is wrong, nothing says which.
        clear = {face for face in planted if (whose == whose[one.known == face]).sum() > 2}
        found = len(doubted & clear) / len(clear)
        worst = min(worst, found)
        notes.append(
            f"{split}: {len(doubted & planted)} of {len(planted)} found, {len(doubted & clear)} of the {len(clear)} whose"
            f" person has three labels; {len(doubted - planted)} of {len(whose) - len(planted)} right ones doubted"
        )
    return [Figure("matching, wrong labels found", worst, 0.95, "{:.0%}", at_least=True, notes=tuple(notes))]


def _speed(bench: Bench) -> list[Figure]:
    """CPU seconds of one thread for all distances, by metric, and for the whole plan; made encodings."""
    rng = np.random.default_rng(0)
    faces = FACES // 10 if bench.quick else FACES
    model = "dlib-resnet-v1+mirror"
    prior = load(model, 128)
    people = rng.multivariate_normal(prior.spread.mean, prior.spread.between, PEOPLE)
    root = np.linalg.cholesky(prior.spread.within)

    def shown(whose: Ids) -> Floats:
        drawn = people[whose] + rng.normal(size=(len(whose), 128)) @ root.T
        return drawn.astype(np.float32)

    whose = np.repeat(np.arange(PEOPLE), 5)
    labelled = Labelled(
        Faces.of(np.arange(len(whose)), np.arange(len(whose)), shown(whose)), whose, np.full(len(whose), NOBODY)
    )
    vectors = shown(rng.integers(0, PEOPLE, faces))
    due = Faces.of(np.arange(faces), np.arange(faces) // 2, vectors)
    seconds, notes = {}, []
    with threadpool_limits(1):
        for name in METRICS:
            table = build(labelled, prior, name).gallery.table()
            began = time.process_time()
            for _, distances in table.blocks(vectors):
                distances.argmin(axis=1)
            seconds[name] = (time.process_time() - began) * FACES / faces
            notes.append(f"{name:<12} {seconds[name]:.2f} CPU-s, distances and the nearest person of each face")
        kept = build(labelled, prior).gallery.to_arrays()
        began = time.process_time()
        gallery = Gallery.from_arrays(kept)
        plan(due, gallery, Said())
        whole = (time.process_time() - began) * FACES / faces
        began = time.process_time()
        plan(due.take(np.arange(100)), Gallery.from_arrays(kept), Said())
        hundred = time.process_time() - began
    what = f"{FACES:,} faces against {PEOPLE:,} centroids"
    return [
        Figure(
            f"matching, {what}, slowest metric", max(seconds.values()), MOST_SECONDS, "{:.2f} CPU-s", notes=tuple(notes)
        ),
        Figure(f"matching, {what}, the whole plan", whole, MOST_SECONDS, "{:.2f} CPU-s"),
        Figure(f"matching, 100 faces against {PEOPLE:,} kept centroids", hundred, 0.5, "{:.3f} CPU-s"),
    ]


def _memory() -> list[Figure]:
    """What arrays take beyond the faces while all distances are computed."""
    prior = load("dlib-resnet-v1+mirror", 128)
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(FACES, 128)).astype(np.float32)
    some = Faces.of(np.arange(PEOPLE), np.arange(PEOPLE), vectors[:PEOPLE])
    table = build(Labelled(some, np.arange(PEOPLE), np.full(PEOPLE, NOBODY)), prior, "plda").gallery.table()
    tracemalloc.start()
    try:
        for _, distances in table.blocks(vectors):
            distances.argmin(axis=1)
        peak = tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()
    return [Figure(f"matching, arrays for {FACES:,} x {PEOPLE:,} distances", peak, MOST_MIB, "{:.0f} MiB")]
