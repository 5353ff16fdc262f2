"""Distances from faces to people: to the nearest centroid of each, in blocks of bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from facelib.matching.centroids import Centroids
from facelib.matching.faces import NOBODY, Floats, Ids, Labelled, Mask
from facelib.matching.metric import Metric, blocks


@dataclass(frozen=True, slots=True)
class Table:
    """The centroids as columns: the first of each person, in the order of `people`, then the others."""

    metric: Metric
    people: Ids  # (p,) ascending
    coefficients: Floats  # (f, m)
    extra: Ids  # (m - p,) whose the columns after the first p are, as positions in `people`

    @classmethod
    def of(cls, metric: Metric, centroids: Centroids) -> Table:
        """Lay out the columns."""
        people, first, whose = np.unique(centroids.person_id, return_index=True, return_inverse=True)
        others = np.setdiff1d(np.arange(len(centroids)), first)
        columns = np.concatenate([first, others])
        found = metric.coefficients(centroids.means[columns], centroids.counts[columns])
        return cls(metric, people, found, whose[others].astype(np.int64))

    def blocks(self, vectors: Floats) -> Iterator[tuple[slice, Floats]]:
        """Which faces, and their distances to all people: (faces, p). The array is used again for the next."""
        for part, distances in blocks(self.metric, vectors, self.coefficients):
            nearest = distances[:, : len(self.people)]
            for column, person in enumerate(self.extra.tolist(), len(self.people)):
                np.minimum(nearest[:, person], distances[:, column], out=nearest[:, person])
            yield part, nearest

    def nearest(self, vectors: Floats, count: int) -> tuple[Ids, Floats]:
        """The nearest `count` people of each face, or all there are, and their distances; nearest first."""
        count = min(count, len(self.people))
        people = np.zeros((len(vectors), count), np.int64)
        distances = np.zeros((len(vectors), count), np.float32)
        for part, found in self.blocks(vectors):
            columns = np.argsort(found, axis=1, kind="stable")[:, :count]
            people[part] = self.people[columns]
            distances[part] = np.take_along_axis(found, columns, axis=1)
        return people, distances


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Labelled faces as if nobody had said who they are: how far from their own person, and from the others."""

    own: Floats  # to the person without this face; NaN where there is no other face
    other: Ids  # the nearest other person; NOBODY where there is none
    other_distance: Floats  # infinite where there is none
    third: Ids  # the nearest after these
    third_distance: Floats

    def take(self, rows: Ids | Mask) -> LeftOut:
        """Some of them."""
        return LeftOut(
            self.own[rows], self.other[rows], self.other_distance[rows], self.third[rows], self.third_distance[rows]
        )

    @property
    def right(self) -> Mask:
        """Whether their own person is the nearest; not where there is no other face of it."""
        return self.own < self.other_distance


def leave_one_out(labelled: Labelled, member: Ids, metric: Metric, centroids: Centroids) -> LeftOut:
    """Compare each labelled face with everybody, and with its own person as far as the other faces make it up.

    `member` says in which centroid each is. Faces of people who have no centroid are strangers.
    """
    table, faces = Table.of(metric, centroids), labelled.faces
    column = np.searchsorted(table.people, labelled.person_id)
    column = np.where(np.isin(labelled.person_id, table.people), column, NOBODY)
    own = _without_itself(labelled, member, metric, centroids)
    other, third = np.full((2, len(labelled)), NOBODY, np.int64)
    near, far = np.full((2, len(labelled)), np.inf, np.float32)
    for part, distances in table.blocks(faces.vectors):
        rows = np.arange(len(distances))
        mine = column[part] != NOBODY
        distances[rows[mine], column[part][mine]] = np.inf
        for whom, how_far in ((other, near), (third, far)):
            best = distances.argmin(axis=1)
            how_far[part] = distances[rows, best]
            whom[part] = np.where(np.isfinite(how_far[part]), table.people[best], NOBODY)
            distances[rows, best] = np.inf
    return LeftOut(own, other, near, third, far)


def _without_itself(labelled: Labelled, member: Ids, metric: Metric, centroids: Centroids) -> Floats:
    """To the nearest centroid of one's own person, the own one without this face. (n,), NaN where there is none."""
    own = np.full(len(labelled), np.nan, np.float32)
    weight = labelled.faces.quality.astype(np.float64)
    alone = (member != NOBODY) & (centroids.faces[member] > 1)
    for start in range(0, len(labelled), _ROWS):
        rows = start + np.flatnonzero(alone[start : start + _ROWS])
        if len(rows):
            mine, mass = member[rows], weight[rows]
            rest = centroids.weights[mine] - mass
            prepared = metric.prepare(labelled.faces.vectors[rows])
            total = centroids.weights[mine][:, None] * centroids.means[mine]
            means = (total - mass[:, None] * prepared) / rest[:, None]
            worth = rest**2 / (centroids.squares[mine] - mass**2)
            own[rows] = metric.paired(labelled.faces.vectors[rows], means.astype(np.float32), worth.astype(np.float32))
    # The other centroids of the same person, few and of few people.
    for number in _of_many(centroids):
        rows = np.flatnonzero((labelled.person_id == centroids.person_id[number]) & (member != number))
        if len(rows):
            one = slice(number, number + 1)
            away = metric.distances(labelled.faces.vectors[rows], centroids.means[one], centroids.counts[one])
            own[rows] = np.fmin(own[rows], away[:, 0])
    held = np.flatnonzero((member == NOBODY) & np.isin(labelled.person_id, centroids.person_id) & np.isnan(own))
    if len(held):
        first = np.searchsorted(centroids.person_id, labelled.person_id[held])
        own[held] = metric.paired(labelled.faces.vectors[held], centroids.means[first], centroids.counts[first])
    return own


_ROWS = 8192  # labelled faces at once


def _of_many(centroids: Centroids) -> list[int]:
    """The centroids of people who have several."""
    people, counts = np.unique(centroids.person_id, return_counts=True)
    return np.flatnonzero(np.isin(centroids.person_id, people[counts > 1])).tolist()
