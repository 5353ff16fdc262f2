"""Metrics: how far a face is from a centroid. Whichever it is, all distances are one matrix product.

A metric gives each face a row of *features* and each centroid a column of *coefficients*; their product is the square of a
distance, or minus the evidence where the metric is a likelihood ratio. Smaller is always nearer.

| name | distance |
|---|---|
| euclid | the plain one |
| cosine | the plain one after faces and centroids are brought to length one: orders like the angle between them |
| relative | cosine, less a part of the distance to the nearest typical face: near is nearer than such faces are to anybody |
| deviation | squared differences weighted by the standard deviation of each dimension, mean 1 |
| variance | the same, weighted by the variance |
| covariance | Mahalanobis: what differs among one person's faces counts little |
| plda | minus the decimal logarithm of how many times likelier the face is this person's than a stranger's |

plda is the two-covariance model (Brümmer and de Villiers, "The speaker partitioning problem", Odyssey 2010; Ioffe, ECCV 2006): a
face is mean + person + occasion, both normally distributed, and of length one (Garcia-Romero and Espy-Wilson, Interspeech
2011). It knows that a centroid of one face is worth less than one of thirty. In the space where the covariance within people is
the unit matrix and that between people diagonal, the ratio is a sum over dimensions of terms in x², x and 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.linalg

from facelib.errors import EngineError
from facelib.matching.faces import Doubles, Floats
from facelib.matching.spread import Spread, unit

METRICS = ("euclid", "cosine", "relative", "deviation", "variance", "covariance", "plda")

# Of `relative`, for dlib's encodings, found on half of LFW's people (bench/matching.py judges on others). Squared distances.
_TYPICAL_SHARE = (
    0.25  # of the distance to the nearest typical face; .2 to .4 are as good, 0 (cosine) misses a quarter more
)
_COUNT_PENALTY = (
    0.012  # a centroid of many faces has to be nearer than one of a single face by this; .006 to .018 alike
)

_LEAST_VARIANCE = 1e-6  # of the largest: below it a dimension says nothing and would divide by nought
_BLOCK = 1 << 22  # distances held at once: 16 MiB of float32


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric with its numbers, for the encodings of one model."""

    name: str
    center: Doubles  # (dimensions,) taken off first
    transform: Doubles  # (dimensions, k)
    between: Doubles  # (k,) of plda: variance between people in units of that within one; else (0,)
    typical: Doubles  # (few, dimensions) of relative; else (0, dimensions)
    usual: float = 0.0  # of relative: what the squared distance to the nearest typical face usually is

    @property
    def dimensions(self) -> int:
        """The length of the vectors that it takes."""
        return len(self.center)

    def prepare(self, vectors: Floats) -> Doubles:
        """Vectors as they are averaged to centroids: of length one, but for the metrics that want them as they are."""
        if vectors.ndim != 2 or vectors.shape[1] != self.dimensions:
            raise EngineError(
                f"vectors of {vectors.shape[-1]} numbers cannot be compared with those of {self.dimensions};"
                " encode all faces by one model"
            )
        if self.name in ("euclid", "deviation", "variance"):
            return np.asarray(vectors, np.float64)
        return unit(vectors)

    def project(self, prepared: Doubles | Floats) -> Doubles:
        """Prepared vectors, or means of them, in the space where distances are plain. (n, k).

        The variance within people is 1 there for covariance and plda.
        """
        found = unit(prepared) if self.name in ("cosine", "relative") else np.asarray(prepared, np.float64)
        projected: Doubles = (found - self.center) @ self.transform
        return projected

    def features(self, vectors: Floats) -> Floats:
        """A row for each face, to be multiplied with `coefficients`. (n, f)."""
        x = self.project(self.prepare(vectors))
        one = np.ones((len(x), 1))
        if self.name == "plda":
            return np.concatenate([x, x**2, one], axis=1).astype(np.float32)
        square = (x**2).sum(axis=1, keepdims=True)
        if self.name == "relative":
            nearest = 2 - 2 * (x @ self.typical.T).max(axis=1, keepdims=True)
            square += _TYPICAL_SHARE * (self.usual - nearest)
        return np.concatenate([x, square, one], axis=1).astype(np.float32)

    def coefficients(self, means: Floats, counts: Floats) -> Floats:
        """A column for each centroid: the mean of prepared vectors, of so many faces (need not be whole). (f, m)."""
        c, n = self.project(means), np.asarray(counts, np.float64)
        if self.name == "plda":
            known = n[:, None] * self.between
            expected = known / (1 + known) * c  # where the person's next face is expected
            spread, stranger = 1 + self.between / (1 + known), 1 + self.between  # how far around it, and a stranger's
            rest = 0.5 * (expected**2 / spread + np.log(spread / stranger)).sum(axis=1)
            rows = [-(expected / spread).T, (0.5 / spread - 0.5 / stranger).T, rest[None]]
            return np.asarray(np.concatenate(rows) / np.log(10), np.float32)
        rest = (c**2).sum(axis=1)
        if self.name == "relative":
            rest += _COUNT_PENALTY * (1 - 1 / n)
        return np.concatenate([-2 * c.T, np.ones((1, len(c))), rest[None]]).astype(np.float32)

    def finish(self, products: Floats) -> Floats:
        """Products of features and coefficients as distances; changes them in place."""
        if self.name != "plda":
            np.maximum(products, 0, out=products)
            np.sqrt(products, out=products)
        return products

    def distances(self, vectors: Floats, means: Floats, counts: Floats) -> Floats:
        """Of each face to each centroid: (n, m). For many faces use `blocks`."""
        return self.finish(self.features(vectors) @ self.coefficients(means, counts))

    def paired(self, vectors: Floats, means: Floats, counts: Floats) -> Floats:
        """Of each face to the centroid in the same row: (n,)."""
        products: Floats = np.einsum("nf,fn->n", self.features(vectors), self.coefficients(means, counts))
        return self.finish(products)


def blocks(metric: Metric, vectors: Floats, coefficients: Floats) -> Iterator[tuple[slice, Floats]]:
    """Distances of many faces in bounded memory: which rows, and their distances to all centroids.

    The array is used again for the next rows.
    """
    rows = max(1, _BLOCK // max(1, coefficients.shape[1]))
    space = np.empty((min(rows, len(vectors)), coefficients.shape[1]), np.float32)
    for start in range(0, len(vectors), rows):
        part = slice(start, min(start + rows, len(vectors)))
        room = space[: part.stop - start]
        np.matmul(metric.features(vectors[part]), coefficients, out=room)
        yield part, metric.finish(room)


def make(name: str, spread: Spread) -> Metric:
    """The metric of this name from what is known about the encodings.

    Raises EngineError for a name that is none, and for relative where no typical faces are known.
    """
    size = spread.dimensions
    plain, none, nobody = np.eye(size), np.zeros(0), np.zeros((0, size))
    if name in ("euclid", "cosine"):
        return Metric(name, np.zeros(size), plain, none, nobody)
    if name == "relative":
        if not len(spread.typical):
            raise EngineError(
                "the metric relative needs typical faces, which this model's prior does not have; use cosine"
            )
        usual = float(np.trace(spread.between + spread.within) / 2)
        return Metric(name, np.zeros(size), plain, none, spread.typical, usual)
    if name in ("deviation", "variance"):
        weights = np.sqrt(spread.variance) if name == "deviation" else spread.variance
        return Metric(name, np.zeros(size), np.diag(np.sqrt(weights / weights.mean())), none, nobody)
    if name == "covariance":
        values, basis = np.linalg.eigh(spread.within)
        floor = np.maximum(values, _LEAST_VARIANCE * values[-1])
        return Metric(name, spread.mean, basis / np.sqrt(floor), none, nobody)
    if name == "plda":
        values, basis = scipy.linalg.eigh(spread.between, spread.within)
        return Metric(name, spread.mean, basis[:, ::-1], np.maximum(values[::-1], _LEAST_VARIANCE), nobody)
    raise EngineError(f"there is no metric {name!r}; there are {', '.join(METRICS)}")
