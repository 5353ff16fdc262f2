"""Pairs of vectors that are near, found by matrix products in blocks: all distances are computed, few are kept.

For some ten thousand vectors of 128 numbers this is as fast as an index, exact, and bounded in memory by the block and by how
many neighbours of each are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from facelib.matching.faces import Floats, Ids, Mask

_MOST = 128  # neighbours of one vector that are kept, the nearest
_BLOCK = 1 << 24  # distances held at once: 64 MiB
_PAIRS = 20_000  # whose common neighbours are looked up at once


@dataclass(frozen=True, slots=True)
class Edges:
    """Pairs of rows that are near, ascending, no pair twice."""

    one: Ids  # one < other
    other: Ids
    square: Floats  # squared distance, with what is added for counts

    def __len__(self) -> int:
        return len(self.one)

    def take(self, rows: Mask) -> Edges:
        """Some of them."""
        return Edges(self.one[rows], self.other[rows], self.square[rows])


def near(points: Floats, limit: float, offsets: Floats | None = None, most: int = _MOST) -> Edges:
    """Pairs of points whose squared distance, with both offsets added, is within the limit; of each point the nearest `most`."""
    count = len(points)
    added = np.zeros(count, np.float32) if offsets is None else offsets
    parts = [_nearest(*found, most) for found in within(points, added, points, added, limit, most)]
    one, other = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    square = np.concatenate([part[2] for part in parts])
    low, high = np.minimum(one, other), np.maximum(one, other)
    _, first = np.unique(low * count + high, return_index=True)
    first = first[low[first] != high[first]]
    return Edges(low[first], high[first], square[first])


def within(
    rows: Floats,
    row_offsets: Floats,
    columns: Floats,
    column_offsets: Floats,
    limit: float,
    most: int | None = None,
) -> Iterator[tuple[Ids, Ids, Floats]]:
    """Row, column and squared distance of what is within the limit, block by block of rows: n x m products, few kept.

    With `most`, of each row the nearest so many, and what is as near as the last of them.
    """
    turned = np.ascontiguousarray(columns.T)
    right = np.einsum("nd,nd->n", columns, columns) + column_offsets
    left = np.einsum("nd,nd->n", rows, rows) + row_offsets
    step = max(1, _BLOCK // max(1, len(columns)))
    for start in range(0, len(rows), step):
        part = rows[start : start + step] @ turned
        part *= -2
        part += right
        part += left[start : start + step, None]
        row, column = np.nonzero(part <= _limits(part, np.float32(limit), most))
        yield row + start, column, np.maximum(part[row, column], 0)


def _limits(part: Floats, limit: np.float32, most: int | None) -> Floats:
    """The limit of each row: smaller where more than so many are within it. A column."""
    limits = np.full((len(part), 1), limit)
    if most is not None and most < part.shape[1]:
        crowded = np.flatnonzero(np.count_nonzero(part <= limit, axis=1) > most)
        for start in range(0, len(crowded), 64):
            some = crowded[start : start + 64]
            limits[some, 0] = np.partition(part[some], most - 1, axis=1)[:, most - 1]
    return limits


def _nearest(row: Ids, column: Ids, square: Floats, most: int) -> tuple[Ids, Ids, Floats]:
    """At most so many of each row; rows are ascending."""
    _, starts, counts = np.unique(row, return_index=True, return_counts=True)
    if not len(counts) or counts.max() <= most:
        return row, column, square
    order = np.lexsort((square, row))
    keep = order[np.arange(len(row)) - np.repeat(starts, counts) < most]
    return row[keep], column[keep], square[keep]


def supported(edges: Edges, count: int, strict: float) -> Edges:
    """Without the pairs beyond `strict` that have no neighbour in common."""
    graph = graph_of(edges, np.ones(len(edges), np.float32), count)
    keep = edges.square <= strict
    loose = np.flatnonzero(~keep)
    for start in range(0, len(loose), _PAIRS):
        some = loose[start : start + _PAIRS]
        common = graph[edges.one[some]].multiply(graph[edges.other[some]])
        keep[some] = np.asarray(common.sum(axis=1)).ravel() > 0
    return edges.take(keep)


def graph_of(edges: Edges, weights: Floats, count: int) -> csr_matrix:
    """The pairs as a symmetric matrix with these weights."""
    ends = np.concatenate([edges.one, edges.other]), np.concatenate([edges.other, edges.one])
    return csr_matrix((np.concatenate([weights, weights]), ends), shape=(count, count))
