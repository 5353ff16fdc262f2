"""How well unknown faces are grouped, on people from whom nothing was learned, and what it costs.

60 people and 600 strangers of LFW are drawn at random, several times. What the grouping knows of a model (how far it may reach,
how far faces are apart) is learned anew for each draw from the people who were not drawn; the settings of the other methods
are those that programs ship for these encodings. B-cubed (Bagga and Baldwin, LREC 1998; Amigó et al., Information
Retrieval 2009): for each face, which share of its group is the same person (precision), and which share of the
person's faces is in its group (recall); means over all faces, and F of the means. A stranger is right when alone.

Large libraries are made: people normally distributed within circles of people who resemble each other, faces around them, some
farther than others, several faces to a photo. Spectrum, circle and noise are such that the distances have LFW's quantiles.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import dlib
import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import DBSCAN, HDBSCAN

from bench import lfw
from bench.figures import Figure
from bench.measure import Bench, data, run
from facelib import images
from facelib.config import DetectOptions, EncodeOptions, EngineOptions, ImageOptions
from facelib.engines import packs, registry
from facelib.matching.cluster import STARTS, Groups, Start, automatic_reach, cluster, grow, grown, similar

Vectors = NDArray[np.float32]
Labels = NDArray[np.int64]
Score = tuple[float, float, float]  # precision, recall, F
Method = Callable[[Vectors], Labels]

PEOPLE, STRANGERS = 60, 600
DRAWS = 5
LEAST_F = {"dlib-resnet-v1": 0.965, "dlib-resnet-v1+mirror": 0.965, "arcface": 0.985}
FEWEST_FACES = (10, 3)  # of the people drawn; the first is judged
MOST_LOST_BY_GROWING = 0.015
FACES, MOST_SECONDS, MOST_MIB = 50_000, 300.0, 2048.0
GROUPS, NEW_FACES, MOST_GROW_SECONDS = 300_000, 100, 2.0
NIGHTS = 10

_GRID = np.arange(0.44, 0.82, 0.01)  # of `far`: the reaches that are tried
_AS_GOOD = 0.004  # of F. Among settings as good as the best the strictest is taken: two groups are joined by one click


def figures(bench: Bench) -> list[Figure]:
    """F at the automatic setting, what growing loses, time and memory for a large library."""
    faces = lfw.faces(bench)
    draws = 1 if bench.quick else DRAWS
    found = [_quality(faces, model, draws, bench) for model in lfw.MODELS]
    if not bench.quick:
        found[-1] = replace(found[-1], notes=(*found[-1].notes, *_beside(bench)))
    return [*found, _growing(faces, draws, bench), *_large(bench), _one_night(bench)]


def bcubed(truth: NDArray[np.str_] | Labels, found: Labels) -> Score:
    """Precision, recall and F.

    >>> [round(float(part), 2) for part in bcubed(np.array([1, 1, 1, 2]), np.array([0, 0, 1, 1]))]
    [0.75, 0.67, 0.71]
    """
    _, true = np.unique(truth, return_inverse=True)
    _, given = np.unique(found, return_inverse=True)
    _, pair, both = np.unique(true * len(given) + given, return_inverse=True, return_counts=True)
    precision = float((both[pair] / np.bincount(given)[given]).mean())
    recall = float((both[pair] / np.bincount(true)[true]).mean())
    return precision, recall, 2 * precision * recall / (precision + recall)


# ---- quality


@dataclass(frozen=True, slots=True)
class Draw:
    """Rows of the faces to judge, and of all others, whose people are others too."""

    judged: Labels
    rest: Labels


def draw(names: NDArray[np.str_], seed: int, fewest: int) -> Draw:
    """People of so many faces or more, and strangers: people of one photo."""
    chance = np.random.default_rng(seed)
    who, counts = np.unique(names, return_counts=True)
    people = chance.choice(who[counts >= fewest], PEOPLE, replace=False)
    strangers = chance.choice(who[counts == 1], STRANGERS, replace=False)
    judged = np.isin(names, np.concatenate([people, strangers]))
    return Draw(np.flatnonzero(judged), np.flatnonzero(~judged))


def learn(vectors: Vectors, names: NDArray[np.str_], beside: float) -> Start:
    """What these people teach about the model. Half of those with several faces keep one, so that there are strangers."""
    chance = np.random.default_rng(0)
    order = chance.permutation(len(names))
    who, first, counts = np.unique(names[order], return_index=True, return_counts=True)
    lonely = chance.permutation(who[counts > 1])[::2]
    kept = np.union1d(order[first], np.flatnonzero(~np.isin(names, lonely)))
    x, truth = vectors[kept] / np.linalg.norm(vectors[kept], axis=1, keepdims=True), names[kept]
    some = x[chance.permutation(len(x))[:2000]]
    far = float(np.sqrt(np.quantile((2 - 2 * (some @ some.T))[np.triu_indices(len(some), 1)], 0.75)))
    reaches = _GRID * far
    quality = np.array([bcubed(truth, cluster(x, np.arange(len(x)), float(reach)))[2] for reach in reaches])
    smooth = np.convolve(np.pad(quality, 1, "edge"), np.full(3, 1 / 3), "valid")
    strictest = np.flatnonzero(smooth >= smooth.max() - _AS_GOOD)[0]
    return Start(float(reaches[strictest]), far, beside)


def others(model: str) -> dict[str, Method]:
    """Other methods with the settings of programs that use them on such encodings."""
    if model == "arcface":
        methods: dict[str, Method] = {
            "DBSCAN 1.0, 3 (Immich: cosine 0.5)": _noise_apart(DBSCAN(eps=1.0, min_samples=3))
        }
    else:
        methods = {
            "Chinese whispers 0.40 (Nextcloud)": _whispers(0.40),
            "Chinese whispers 0.50 (dlib's example)": _whispers(0.50),
            "DBSCAN 0.50, 3 (LibrePhotos, before)": _noise_apart(DBSCAN(eps=0.5, min_samples=3)),
        }
    libre = HDBSCAN(min_cluster_size=4, min_samples=2, cluster_selection_epsilon=0.05, copy=True)
    return methods | {
        "HDBSCAN 4, epsilon 0.05 (LibrePhotos)": _noise_apart(libre),
        "HDBSCAN 5 (scikit-learn)": _noise_apart(HDBSCAN(copy=True)),
    }


def _whispers(threshold: float) -> Method:
    def method(vectors: Vectors) -> Labels:
        found = dlib.chinese_whispers_clustering([dlib.vector(row.tolist()) for row in vectors], threshold)
        return np.array(found, np.int64)

    return method


def _noise_apart(estimator: DBSCAN | HDBSCAN) -> Method:
    """Its groups; each face that it calls noise is alone."""

    def method(vectors: Vectors) -> Labels:
        labels: Labels = estimator.fit(vectors).labels_.astype(np.int64)
        noise = labels < 0
        labels[noise] = labels.max() + 1 + np.arange(noise.sum())
        return labels

    return method


def _quality(faces: lfw.Faces, model: str, draws: int, bench: Bench) -> Figure:
    vectors = faces.vectors[model]
    notes = [f"{'P, R, F (lowest F)':<42}" + "".join(f"people of {n} faces and more   " for n in FEWEST_FACES).rstrip()]
    rows: dict[str, list[Score]] = {}
    lines: dict[str, list[str]] = {}
    learned: list[Start] = []
    judged = 0.0
    for fewest in FEWEST_FACES:
        rows.clear()
        reaches = []
        for seed in range(draws):
            bench.say(f"clusters: {model}, draw {seed + 1} of {draws}")
            drawn = draw(faces.names, seed, fewest)
            x, truth = vectors[drawn.judged], faces.names[drawn.judged]
            learned.append(learn(vectors[drawn.rest], faces.names[drawn.rest], STARTS[model].beside))
            alone = np.arange(len(x))  # one face a photo
            reaches.append(automatic_reach(x, alone, learned[-1]))
            rows.setdefault("automatic", []).append(bcubed(truth, cluster(x, alone, reaches[-1])))
            for name, method in others(model).items():
                rows.setdefault(name, []).append(bcubed(truth, method(x)))
        for name, scores in rows.items():
            mean = np.mean(scores, axis=0)
            lowest = min(score[2] for score in scores)
            lines.setdefault(name, []).append("{:.3f} {:.3f} {:.4f} ({:.4f})   ".format(*mean, lowest))
        lines.setdefault("automatic reach", []).append(f"{min(reaches):.3f} to {max(reaches):.3f}{'':<14}")
        if fewest == FEWEST_FACES[0]:
            judged = float(np.mean([score[2] for score in rows["automatic"]]))
    notes += [f"{name:<42}" + "      ".join(cells).rstrip() for name, cells in lines.items()]
    reach, far = (float(np.mean([getattr(start, name) for start in learned])) for name in ("reach", "far"))
    notes.append(f"learned, mean of all draws: reach {reach:.3f}, far {far:.3f}")
    return Figure(f"clusters, B-cubed F, {model}", judged, LEAST_F[model], "{:.4f}", at_least=True, notes=tuple(notes))


def _growing(faces: lfw.Faces, draws: int, bench: Bench) -> Figure:
    """The same faces at once, and half of them first and the others in ten nights."""
    model = "dlib-resnet-v1+mirror"
    lost, offered, right = [], 0, 0
    for seed in range(draws):
        bench.say(f"clusters: growing, draw {seed + 1} of {draws}")
        drawn = draw(faces.names, seed, FEWEST_FACES[0])
        order = np.random.default_rng(seed).permutation(drawn.judged)
        x, truth, photos = faces.vectors[model][order], faces.names[order], np.arange(len(order))
        start = learn(faces.vectors[model][drawn.rest], faces.names[drawn.rest], STARTS[model].beside)
        reach = automatic_reach(x, photos, start)
        whole = bcubed(truth, cluster(x, photos, reach))[2]
        labels, groups = _in_nights(x, photos, reach)
        lost.append(whole - bcubed(truth, labels)[2])
        for pair in similar(groups, np.arange(len(groups)), reach):
            offered += 1
            right += _most(truth[labels == pair.one]) == _most(truth[labels == pair.other])
    notes = (
        f"half of the faces at once, the others in {NIGHTS} nights: from {min(lost):.4f} to {max(lost):.4f}",
        f"then {offered / draws:.0f} pairs of groups are offered as one person, {right / max(1, offered):.0%} rightly",
    )
    return Figure("clusters, F lost by growing", float(np.mean(lost)), MOST_LOST_BY_GROWING, "{:.4f}", notes=notes)


def _in_nights(x: Vectors, photos: Labels, reach: float) -> tuple[Labels, Groups]:
    first = len(x) // 2
    labels = cluster(x[:first], photos[:first], reach)
    groups = Groups.of(x[:first], photos[:first], labels)
    for night in np.array_split(np.arange(first, len(x)), NIGHTS):
        new = grow(groups, x[night], photos[night], reach)
        groups = grown(groups, x[night], photos[night], new)
        labels = np.concatenate([labels, new])
    return labels, groups


def _most(names: NDArray[np.str_]) -> str:
    values, counts = np.unique(names, return_counts=True)
    return str(values[counts.argmax()])


def _beside(bench: Bench) -> list[str]:
    """How far the faces of one photo are apart, which LFW cannot say: the median photo's median, by model."""
    bench.say("clusters: faces of one photo")
    pack = packs.read(data("models"))
    scrfd, arcface = packs.load_detector(pack), packs.load_encoder(pack)
    plain, mirrored = (registry.load(DetectOptions(), EncodeOptions(mirror=m), EngineOptions()) for m in (False, True))
    medians: dict[str, list[float]] = {}
    options = DetectOptions()
    for photo in sorted(data("group-photos").rglob("*.jpg")):
        with images.open_photo(str(photo), ImageOptions()) as source:
            picture = source.shrunk(options.canvas, options.min_canvas)
        (boxes,), (own,) = plain.detector.detect([picture]), scrfd.detect([picture])
        if min(len(boxes), len(own)) < 2:
            continue
        chips = plain.encoder.align(picture, plain.landmarker.locate(picture, [face.box for face in boxes]))
        squares = arcface.align(picture, np.array([face.landmarks for face in own], np.float32))
        for encoder, aligned in ((plain.encoder, chips), (mirrored.encoder, chips), (arcface, squares)):
            x = encoder.encode(aligned)
            x /= np.linalg.norm(x, axis=1, keepdims=True)
            gaps = np.sqrt(np.maximum(0, 2 - 2 * (x @ x.T)))[np.triu_indices(len(x), 1)]
            medians.setdefault(encoder.name, []).append(float(np.median(gaps)))
    return [f"{name}: faces of one photo are {np.median(m):.3f} apart, {len(m)} photos" for name, m in medians.items()]


# ---- large libraries


@dataclass(frozen=True, slots=True)
class Made:
    """Vectors like those of dlib's encoder brought to length one, who they are, and which photos they are in."""

    vectors: Vectors
    who: Labels
    photos: Labels


def make(faces: int, seed: int = 0) -> Made:
    """A third of the faces were seen once, a sixth belong to people of 2 to 5 faces, the rest to people of 6 to thousands.

    >>> made = make(300)
    >>> made.vectors.shape, bool((np.unique(made.photos + 1000 * made.who, return_counts=True)[1] == 1).all())
    ((300, 71), True)
    """
    chance = np.random.default_rng(seed)
    sizes = np.fromiter(_sizes(faces, chance), np.int64)
    who = np.repeat(np.arange(len(sizes)), sizes)
    spread = np.sqrt(0.119 * (weights := (np.arange(70) + 2.0) ** -1.2) / weights.sum())
    circle = chance.integers(0, max(1, len(sizes) // 9), len(sizes))
    circles, own = chance.normal(size=(len(sizes), 70)), chance.normal(size=(len(sizes), 70))
    people = (np.sqrt(0.3) * circles[circle] + np.sqrt(0.7) * own) * spread
    photos = _photos(who, circle[who], chance)
    light = chance.normal(size=(photos.max() + 1, 70))[photos]  # what the faces of a photo share
    noise = np.sqrt(0.4) * light + np.sqrt(0.6) * chance.normal(size=(faces, 70))
    noise *= np.exp(0.25 * chance.normal(size=(faces, 1)) - 0.0625) * np.sqrt(0.0445 / 70)
    x = np.concatenate([people[who] + noise, np.full((faces, 1), 0.916)], axis=1)
    return Made((x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32), who, photos)


def _sizes(faces: int, chance: np.random.Generator) -> Iterator[int]:
    once, few = faces // 3, faces // 6
    yield from [1] * once
    left = faces - once
    while left > 0:
        often = faces - once - left >= few
        size = min(left, int(6 + np.exp(chance.normal(3.5, 1.4))) if often else int(chance.integers(2, 6)))
        yield size
        left -= size


def _photos(who: Labels, circle: Labels, chance: np.random.Generator) -> Labels:
    """One to five faces to a photo, of one circle mostly, nobody twice."""
    order = np.lexsort((chance.random(len(who)), circle))
    photos = np.empty(len(who), np.int64)
    photo, room, seen = 0, 1, set[int]()
    for face in order.tolist():
        if len(seen) == room or int(who[face]) in seen:
            photo, room, seen = photo + 1, int(chance.integers(1, 6)), set()
        seen.add(int(who[face]))
        photos[face] = photo
    return photos


def _large(bench: Bench) -> list[Figure]:
    count = FACES // 10 if bench.quick else FACES
    bench.say(f"clusters: {count} made faces")
    one_core = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    used = run([sys.executable, "-m", "bench.clusters", str(count)], bench.env() | one_core)
    said = json.loads(used.output.splitlines()[-1])
    notes = (
        f"{said['people']} people, the largest of {said['largest']} faces; {said['groups']} groups; reach {said['reach']:.3f}",
        "P {:.3f}, R {:.3f}, F {:.4f}".format(*said["score"]),
    )
    name = f"clusters of {count} faces"
    return [
        Figure(f"{name}, CPU-s on one core", said["seconds"], MOST_SECONDS, "{:.1f}", notes=notes),
        Figure(f"{name}, peak MiB with making them", used.peak_mib, MOST_MIB, "{:.0f}"),
    ]


def _measure(count: int) -> None:
    made = make(count)
    began = time.process_time()
    reach = automatic_reach(made.vectors, made.photos, STARTS["dlib-resnet-v1+mirror"])
    labels = cluster(made.vectors, made.photos, reach)
    seconds = time.process_time() - began
    said = {
        "seconds": seconds,
        "reach": reach,
        "score": bcubed(made.who, labels),
        "groups": int((np.bincount(labels) > 1).sum()),
        "people": int(made.who.max()) + 1,
        "largest": int(np.bincount(made.who).max()),
    }
    print(json.dumps(said))


def _one_night(bench: Bench) -> Figure:
    """A hundred new faces in a library with so many unknown ones that nobody has grouped: groups of one are groups."""
    bench.say(f"clusters: {NEW_FACES} faces among {GROUPS} groups")
    made = make(GROUPS + NEW_FACES, 1)
    is_new = np.zeros(len(made.who), bool)
    is_new[np.random.default_rng(0).permutation(len(made.who))[:NEW_FACES]] = True
    groups = Groups(made.vectors[~is_new], np.ones(GROUPS, np.int64), frozenset())
    reach = automatic_reach(made.vectors, made.photos, STARTS["dlib-resnet-v1+mirror"])
    began = time.process_time()
    labels = grow(groups, made.vectors[is_new], made.photos[is_new], reach)
    seconds = time.process_time() - began
    joined = labels < GROUPS
    right = int((made.who[~is_new][labels[joined]] == made.who[is_new][joined]).sum())
    notes = (f"{GROUPS} groups; {int(joined.sum())} faces joined one, {right} rightly",)
    return Figure(f"clusters, CPU-s for {NEW_FACES} new faces", seconds, MOST_GROW_SECONDS, notes=notes)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    _measure(int(sys.argv[1]))
