"""Unknown faces in groups that look alike, so that one name settles many: made once, then grown, never redrawn.

How a group is found. Faces nearer than `reach` are neighbours; the farther ones of these only if both have a third neighbour
in common, because strangers who look alike by chance come in pairs, and one person's faces in bunches. Labels then spread among
neighbours until each face has the label that weighs most around it (Chinese whispers: Biemann, TextGraphs 2006).
Last, groups whose means are within reach are joined, faces that are alone to groups too; a mean of many faces must be nearer
than a single face, because chance has less part in its distance. Two faces of one photo are two people: no step puts
them in one group.

Vectors are brought to length one first: on LFW that is worth more (B-cubed F .978 -> .983 with dlib's mirrored encodings)
than any weighting or learned covariance, and with it these gain nothing more. All distances here are between such vectors.

No group depends on the order of the faces: they are sorted by a digest of their numbers, and chance is drawn after that.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from scipy.sparse import csr_matrix

from facelib.errors import EngineError
from facelib.matching.faces import Doubles, Floats, Ids, Mask
from facelib.matching.neighbours import Edges, graph_of, near, supported, within

# Little hangs on these three: F on LFW moves by at most 0.004, with three models, while one of them alone takes the values in
# its comment. With 1.0 for the first, that is without the rule of the third neighbour, it loses up to 0.011.
_STRICT = 0.94  # of the reach: nearer faces are neighbours without a third one (0.91 to 0.97)
_WEIGHT_AT_REACH = 0.2  # of the reach: what a neighbour weighs however far it is (0.1 to 0.4)
_CHANCE = 0.27  # of the reach squared: how much nearer the mean of very many faces must be (0.24 to 0.30)
# A face meets more strangers who resemble it, the more there are: beyond so many faces the reach shrinks, by this part for
# each ten times as many. On made vectors 10,000 faces are best at 0.96, 50,000 at 0.92.
_MANY = 2000
_SHRINK = 0.06
_SAMPLE = 2000  # faces whose distances to each other show how this library spreads
_TRUSTED_PHOTOS = 50.0  # of several faces, from which on what they say of the spread counts more than the sample
_ASKED = 1.2  # of the reach squared: groups that are no farther are offered as one person
_ROUNDS = 20  # of spreading labels; three to six are used


@dataclass(frozen=True, slots=True)
class Start:
    """What is known of a model before a library's first face: distances of vectors of length one, learned on other people."""

    reach: float  # within it two faces may be one person's
    far: float  # a quarter of all pairs of faces are farther apart
    beside: float  # the median distance between two faces of one photo, of the median photo


# By the model's name, or the part of it before the first hyphen. reach and far: what bench/clusters.py learns on LFW, mean of
# its draws; each is judged there on other people than it was learned from. beside: of 26 group photos in the test data;
# faces of one photo share light and sharpness, so they are nearer than strangers elsewhere (0.57 by the median, 1.40).
STARTS = {
    "dlib-resnet-v1": Start(0.345, 0.614, 0.505),
    "dlib-resnet-v1+mirror": Start(0.336, 0.608, 0.483),
    "arcface": Start(1.04, 1.453, 1.317),
}


@dataclass(frozen=True, slots=True)
class Groups:
    """Groups as they stand: what growing has to know of them, a row for each. A face that is alone is a group of one."""

    means: Floats  # (groups, dimensions) of the members' vectors, each brought to length one
    counts: Ids  # (groups,) members
    taken: frozenset[tuple[int, int]]  # (row, photo): photos with a face in the group; those of the new faces suffice

    @classmethod
    def of(cls, vectors: Floats, photos: Ids, labels: Ids) -> Groups:
        """The groups that `cluster` found, by their numbers. Raises EngineError for vectors that are none."""
        sums, counts = _sums(_unit(vectors), labels)
        taken = frozenset(zip(labels.tolist(), photos.tolist(), strict=True))
        means = sums / np.maximum(counts, 1)[:, None]
        return cls(means.astype(np.float32), counts.astype(np.int64), taken)

    def __len__(self) -> int:
        return len(self.counts)


@dataclass(frozen=True, slots=True)
class Similar:
    """Two groups that may be one person: a question to ask, nothing that was done."""

    one: int  # rows, one < other
    other: int
    distance: float  # between the means


@dataclass(frozen=True, slots=True)
class Ranked:
    """A group, and what naming it would save."""

    group: int  # its number
    faces: int
    doubtful: int  # of these would not join the group if they came alone: somebody should look at them
    saved: int  # names that need not be given one by one


def cluster(vectors: Floats, photos: Ids, reach: float) -> Ids:
    """The number of each face's group, from 0 in the order in which groups first occur; who is alone has a group of one.

    `photos` says which photo each face is in. Takes some 30 CPU seconds and 0.5 GiB for 50,000 faces. Raises EngineError
    for vectors that are not finite or all noughts.
    """
    x, photo, back = _canonical(_unit(vectors), photos)
    return _numbered(_clustered(x, photo, reach)[back])


def _clustered(x: Floats, photo: Ids, reach: float) -> Ids:
    if not len(x):
        return np.zeros(0, np.int64)
    edges = supported(near(x, reach**2), len(x), (_STRICT * reach) ** 2)
    return _joined(x, photo, _Whispers(edges, photo, reach).run(), reach)


def automatic_reach(vectors: Floats, photos: Ids, start: Start) -> float:
    """The reach for these faces: the model's own, moved as far as this library's distances differ from those it was learned on.

    Two things are looked at, neither of which needs a name: how far faces are apart in general, and how far apart the
    faces of one photo are, who are surely different people. The latter counts more, the more such photos there are; it
    is compared with what is usual in one photo, and never widens the reach: what is far within photos may be near across them.
    """
    if len(vectors) < 2:
        return start.reach
    x, photo, _ = _canonical(_unit(vectors), photos)
    general = float(np.clip(_far(x[:_SAMPLE]) / start.far, 0.9, 1.05))
    together = _beside(x, photo)
    trust = len(together) / (len(together) + _TRUSTED_PHOTOS)
    surely = float(np.clip(np.median(together) / start.beside, 0.8, 1.0)) if len(together) else general
    many = 1 - _SHRINK * max(0.0, float(np.log10(len(x) / _MANY)))
    return start.reach * (trust * surely + (1 - trust) * general) * many


def _far(x: Floats) -> float:
    """The distance that a quarter of the pairs exceed: strangers', even where every other pair is of one person."""
    squares = (2 - 2 * (x @ x.T))[np.triu_indices(len(x), 1)]
    return float(np.sqrt(max(0.0, np.quantile(squares, 0.75))))


def _beside(x: Floats, photo: Ids) -> Doubles:
    """Of each photo with several faces the median distance between them."""
    medians = []
    for rows in _crowds(photo):
        some = x[rows[:64]]
        squares = (2 - 2 * (some @ some.T))[np.triu_indices(len(some), 1)]
        medians.append(np.sqrt(max(0.0, float(np.median(squares)))))
    return np.array(medians)


# ---- labels that spread


class _Whispers:
    """Chinese whispers with a rule: of one photo's faces only one has a label, and that is the one with more neighbours of it."""

    def __init__(self, edges: Edges, photo: Ids, reach: float) -> None:
        count = len(photo)
        weights = ((1 + _WEIGHT_AT_REACH) * reach - np.sqrt(edges.square)).astype(np.float32)
        graph = graph_of(edges, weights, count)
        self._starts, self._to, self._weights = graph.indptr, graph.indices, graph.data
        self._labels = np.arange(count)
        self._fresh = count  # the next label that nobody has
        self._due = np.diff(self._starts) > 0
        self._crowd = {int(face): int(photo[face]) for rows in _crowds(photo) for face in rows}
        self._holder = {(face, its): face for face, its in self._crowd.items()}  # (label, photo) -> face

    def run(self) -> Ids:
        """The label of each face when no face wants another, or after many rounds."""
        shuffle = np.random.default_rng(0)  # a fixed order lets the first labels flood what comes after them
        for _ in range(_ROUNDS):
            due = np.flatnonzero(self._due)
            if not len(due):
                break
            for face in shuffle.permutation(due).tolist():
                self._due[face] = False
                self._settle(face)
        return self._labels

    def _settle(self, face: int) -> None:
        votes = self._votes(face)
        enough = votes.get(int(self._labels[face]), 0.0)
        for label, weight in sorted(votes.items(), key=lambda vote: (-vote[1], vote[0])):
            if weight <= enough:
                return
            rival = self._holder.get((label, self._crowd[face])) if face in self._crowd else None
            if rival is None or self._votes(rival).get(label, 0.0) < weight:
                if rival is not None:
                    self._give(rival, self._fresh)
                    self._fresh += 1
                self._give(face, label)
                return

    def _votes(self, face: int) -> dict[int, float]:
        """What each label weighs around a face."""
        part = slice(self._starts[face], self._starts[face + 1])
        votes: dict[int, float] = {}
        for label, weight in zip(self._labels[self._to[part]].tolist(), self._weights[part].tolist(), strict=True):
            votes[label] = votes.get(label, 0.0) + weight
        return votes

    def _give(self, face: int, label: int) -> None:
        if face in self._crowd:
            photo = self._crowd[face]
            del self._holder[int(self._labels[face]), photo]
            self._holder[label, photo] = face
        self._labels[face] = label
        self._due[self._to[self._starts[face] : self._starts[face + 1]]] = True


def _crowds(photo: Ids) -> list[Ids]:
    """The rows of each photo that has several faces, ascending."""
    order = np.argsort(photo, kind="stable")
    _, starts, counts = np.unique(photo[order], return_index=True, return_counts=True)
    several = counts > 1
    return [order[start : start + size] for start, size in zip(starts[several], counts[several], strict=True)]


# ---- groups that are joined


def _joined(x: Floats, photo: Ids, labels: Ids, reach: float) -> Ids:
    """Groups with near means as one, nearest first, as long as there are any."""
    _, labels = np.unique(labels, return_inverse=True)
    sums, counts = _sums(x, labels)
    while True:
        before = len(counts)
        edges = near((sums / counts[:, None]).astype(np.float32), reach**2, _offsets(counts, reach))
        apart = _apart(labels, photo, before)
        edges = _allowed(edges, counts, apart, reach)
        while len(edges):
            one, other = _mutual(edges, len(counts))
            to, sums, counts = _merge(one, other, sums, counts)
            labels, apart = to[labels], _renamed(apart, to, len(to), len(counts))
            touched = np.zeros(len(counts), bool)
            touched[to[one]] = True
            edges = _allowed(_rescored(edges, to, touched, sums, counts, reach), counts, apart, reach)
        if len(counts) == before:
            return labels


def _allowed(edges: Edges, counts: Doubles, apart: Ids, reach: float) -> Edges:
    """The pairs that are near enough to be one group and have no photo in common."""
    near_enough = _near_enough(edges.square, counts[edges.one], counts[edges.other], reach)
    return edges.take(near_enough & ~np.isin(edges.one * len(counts) + edges.other, apart))


def _near_enough(square: Floats, one: Doubles | Ids, other: Doubles | Ids, reach: float) -> Mask:
    """Whether groups of so many faces are one: two single faces must be nearer, as they have no third one to vouch for them."""
    limit = np.where((one == 1) & (other == 1), (_STRICT * reach) ** 2, reach**2)
    return np.asarray(square <= limit.astype(np.float32))


def _offsets(counts: Doubles | Ids, reach: float) -> Floats:
    """What is added to a squared distance for a mean of so many faces: nothing for one."""
    offsets: Floats = (_CHANCE * reach**2 * (1 - 1 / counts)).astype(np.float32)
    return offsets


def _sums(x: Floats, labels: Ids) -> tuple[Doubles, Doubles]:
    counts = np.bincount(labels).astype(np.float64)
    members = csr_matrix((np.ones(len(x)), (labels, np.arange(len(x)))), shape=(len(counts), len(x)))
    return members @ x.astype(np.float64), counts


def _mutual(edges: Edges, count: int) -> tuple[Ids, Ids]:
    """Pairs of groups each of which is the other's nearest; no group is in two."""
    best = np.full(count, np.inf, np.float32)
    np.minimum.at(best, edges.one, edges.square)
    np.minimum.at(best, edges.other, edges.square)
    rows = np.flatnonzero((edges.square == best[edges.one]) & (edges.square == best[edges.other]))
    used: set[int] = set()
    kept = []
    for row, one, other in zip(rows.tolist(), edges.one[rows].tolist(), edges.other[rows].tolist(), strict=True):
        if one not in used and other not in used:
            used |= {one, other}
            kept.append(row)
    return edges.one[kept], edges.other[kept]


def _merge(one: Ids, other: Ids, sums: Doubles, counts: Doubles) -> tuple[Ids, Doubles, Doubles]:
    """The new number of each group, and the sums and counts by it."""
    to = np.arange(len(counts))
    to[other] = one
    kept, to = np.unique(to, return_inverse=True)
    sums[one] += sums[other]
    counts[one] += counts[other]
    return to, sums[kept], counts[kept]


def _rescored(edges: Edges, to: Ids, touched: Mask, sums: Doubles, counts: Doubles, reach: float) -> Edges:
    """The edges between groups by their new numbers, with new distances where a group changed."""
    low, high = np.minimum(to[edges.one], to[edges.other]), np.maximum(to[edges.one], to[edges.other])
    _, first = np.unique(low * len(counts) + high, return_index=True)
    first = first[low[first] != high[first]]
    low, high, square = low[first], high[first], edges.square[first]
    changed, offsets = np.flatnonzero(touched[low] | touched[high]), _offsets(counts, reach)
    for start in range(0, len(changed), 50_000):
        some = changed[start : start + 50_000]
        i, j = low[some], high[some]
        gap = sums[i] / counts[i, None] - sums[j] / counts[j, None]
        square[some] = np.einsum("nd,nd->n", gap, gap) + offsets[i] + offsets[j]
    return Edges(low, high, square)


def _apart(labels: Ids, photo: Ids, count: int) -> Ids:
    """Keys of the pairs of groups that have faces in one photo, ascending."""
    pairs = [np.zeros((0, 2), np.int64)]
    for rows in _crowds(photo):
        some = np.sort(labels[rows])
        pairs.append(np.stack([some[i] for i in np.triu_indices(len(some), 1)], axis=1))
    found = np.concatenate(pairs)
    return np.unique(found[:, 0] * count + found[:, 1])


def _renamed(apart: Ids, to: Ids, before: int, after: int) -> Ids:
    one, other = to[apart // before], to[apart % before]
    return np.unique(np.minimum(one, other) * after + np.maximum(one, other))


# ---- growing


def grow(groups: Groups, vectors: Floats, photos: Ids, reach: float) -> Ids:
    """For each new face the row of the group that it joins; from len(groups) on, groups that the new faces found.

    No old face changes its group, and old groups are never joined: see `similar`. A face joins the group with the nearest
    mean, if that is near enough and no face of its photo is there or nearer; the others form groups among themselves,
    which join an old group as a whole where that one's mean is near. Cost: new faces x groups, in one matrix product. Raises
    EngineError as `cluster` does.
    """
    x, photo, back = _canonical(_unit(vectors), photos)
    taken = set(groups.taken)
    labels = _assigned(x, np.ones(len(x)), [[its] for its in photo.tolist()], groups, reach, taken)
    rest = np.flatnonzero(labels < 0)
    own = _clustered(x[rest], photo[rest], reach)
    new = Groups.of(x[rest], photo[rest], own)
    members: list[list[int]] = [[] for _ in range(len(new))]
    for group, its in new.taken:
        members[group].append(its)
    joins = _assigned(new.means, new.counts, members, groups, reach, taken)
    labels[rest] = np.where(joins < 0, len(groups) + np.arange(len(new)), joins)[own]
    found = labels[back]
    founded = found >= len(groups)
    found[founded] = len(groups) + _numbered(found[founded])
    return found


def grown(groups: Groups, vectors: Floats, photos: Ids, labels: Ids) -> Groups:
    """The groups with the new faces in them: `labels` are those that `grow` gave; old rows stay where they are."""
    count = max(len(groups), int(labels.max(initial=-1)) + 1)
    sums, more = np.zeros((count, vectors.shape[1])), np.zeros(count, np.int64)
    sums[: len(groups)] = groups.means * groups.counts[:, None]
    more[: len(groups)] = groups.counts
    np.add.at(sums, labels, _unit(vectors))
    np.add.at(more, labels, 1)
    taken = groups.taken | frozenset(zip(labels.tolist(), photos.tolist(), strict=True))
    return Groups((sums / more[:, None]).astype(np.float32), more, taken)


def similar(groups: Groups, rows: Ids, reach: float) -> list[Similar]:
    """Which of these rows and all others may be one person, nearest first: groups of two faces and more.

    Groups that share a photo as far as `taken` says are not offered. Cost: rows x groups.
    """
    asked = rows[groups.counts[rows] > 1]
    offsets = _offsets(groups.counts, reach)
    photos: dict[int, set[int]] = {}
    for row, photo in groups.taken:
        photos.setdefault(row, set()).add(photo)
    found: dict[tuple[int, int], float] = {}
    for i, j, _ in within(groups.means[asked], offsets[asked], groups.means, offsets, _ASKED * reach**2):
        for one, other in zip(asked[i].tolist(), j.tolist(), strict=True):
            if one != other and groups.counts[other] > 1 and photos.get(one, set()).isdisjoint(photos.get(other, ())):
                gap = groups.means[one] - groups.means[other]
                found[min(one, other), max(one, other)] = float(np.sqrt(gap @ gap))
    return sorted((Similar(*pair, gap) for pair, gap in found.items()), key=lambda s: (s.distance, s.one, s.other))


def _assigned(
    means: Floats,
    counts: Ids | Doubles,
    photos: list[list[int]],
    groups: Groups,
    reach: float,
    taken: set[tuple[int, int]],
) -> Ids:
    """The row of the group that each of these joins, -1 for none: nearest pair first; `taken` is told of them."""
    found: list[tuple[float, int, int]] = []
    if len(means) and len(groups):
        offsets = _offsets(counts, reach), _offsets(groups.counts, reach)
        for new, group, square in within(means, offsets[0], groups.means, offsets[1], reach**2):
            fits = _near_enough(square, counts[new], groups.counts[group], reach)
            found += zip(square[fits].tolist(), new[fits].tolist(), group[fits].tolist(), strict=True)
    rows = np.full(len(means), -1, np.int64)
    for _, row, place in sorted(found):
        places = {(place, photo) for photo in photos[row]}
        if rows[row] < 0 and places.isdisjoint(taken):
            rows[row] = place
            taken |= places
    return rows


# ---- for the person who names them


def rank(vectors: Floats, labels: Ids, reach: float) -> list[Ranked]:
    """The groups of two faces and more, by how many names one name saves; who was seen once is not listed.

    One name for a group of n saves n - 1. A face far from the mean of the others counts for nothing, because it has to be
    looked at. Among equals the one with fewer doubtful faces comes first.
    """
    if not len(vectors):
        return []
    x = _unit(vectors)
    sums, counts = _sums(x, labels)
    others = counts[labels] - 1
    several = others > 0
    x, own, others = x[several], labels[several], others[several]
    gap = x - (sums[own] - x) / others[:, None]
    square = np.einsum("nd,nd->n", gap, gap).astype(np.float32) + _offsets(others, reach)
    far = ~_near_enough(square, np.ones(len(x)), others, reach)
    doubtful = np.bincount(own[far], minlength=len(counts))
    listed = [
        Ranked(group, int(counts[group]), int(doubtful[group]), max(0, int(counts[group] - 1 - doubtful[group])))
        for group in np.unique(own).tolist()
    ]
    return sorted(listed, key=lambda one: (-one.saved, one.doubtful, one.group))


# ---- rows


def _unit(vectors: Floats) -> Floats:
    x = np.ascontiguousarray(vectors, np.float32)
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    wrong = np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))
    if len(wrong):
        raise EngineError(
            f"row {wrong[0]} of {len(x)} is no encoding: not finite, or all noughts; encode the face again"
        )
    unit: Floats = x / lengths
    return unit


def _canonical(x: Floats, photos: Ids) -> tuple[Floats, Ids, Ids]:
    """The rows in an order that only they decide, and where each came to lie. Equal faces of one photo are interchangeable."""
    x = np.ascontiguousarray(x) + np.float32(0)  # no -0.0, which would be another digest of the same face
    digests = [blake2b(row.tobytes(), digest_size=16).digest() for row in x]
    photo = np.asarray(photos, np.int64)
    order = np.array(sorted(range(len(x)), key=lambda i: (digests[i], int(photo[i]))), np.int64)
    back = np.empty(len(x), np.int64)
    back[order] = np.arange(len(x))
    return x[order], photo[order], back


def _numbered(labels: Ids) -> Ids:
    """The same groups, numbered from 0 in the order in which they first occur."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    numbers = np.empty(len(first), np.int64)
    numbers[np.argsort(first)] = np.arange(len(first))
    return numbers[inverse]
