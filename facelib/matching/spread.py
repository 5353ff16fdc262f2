"""How the encodings of one model spread: their mean, covariance between people and within one person's faces, typical faces.

Estimated from labelled faces by expectation-maximisation in the two-covariance model (`metric.py` says what that is), with what
was known before as a prior of so many people and faces (inverse Wishart, taken at its mode). So one procedure makes the
packaged priors, starts a library with nothing but one of them, and lets the user's own labels take over as they come.

Covariances are of vectors brought to length one: what the length of dlib's vectors says is noise (on one half of LFW, at 0.1 %
strangers, plda names .92 of the known faces without it, and .89 with it).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.linalg

from facelib.matching.faces import Doubles, Floats, Ids, members

_ROUNDS = 20  # of expectation and maximisation; on LFW more change no distance by a thousandth
_MOST_FACES = 30.0  # that one person counts as: a child with ten thousand faces is not all of the library
_LEAST = 1e-6  # of the mean variance: keeps covariances invertible


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and covariances, and how much they rest on."""

    mean: Doubles  # (dimensions,) of unit vectors
    between: Doubles  # (dimensions, dimensions) of unit vectors
    within: Doubles  # (dimensions, dimensions) of unit vectors
    variance: Doubles  # (dimensions,) of the vectors as they are, over all faces
    typical: Doubles  # (few, dimensions) unit vectors: what faces of many people look like; may be none
    people: float  # what mean and `between` weigh when they are mixed with others, in people
    faces: float  # what `within` and `variance` weigh, in faces

    @property
    def dimensions(self) -> int:
        """The length of the encodings."""
        return len(self.mean)

    def weighing(self, people: float, faces: float) -> Spread:
        """The same numbers, resting on so much."""
        return replace(self, people=people, faces=faces)


def unit(vectors: Floats | Doubles) -> Doubles:
    """Vectors brought to length one."""
    found = np.asarray(vectors, np.float64)
    length: Doubles = np.linalg.norm(found, axis=-1, keepdims=True)
    return found / np.maximum(length, 1e-12)


def isotropic(dimensions: int, people: float, faces: float, share: float = 0.5) -> Spread:
    """What is known of a model that nobody measured: only that people differ, in all directions alike.

    `share` of the variance lies between people.
    """
    even = np.eye(dimensions) / dimensions
    nobody = np.zeros((0, dimensions))
    variance = np.full(dimensions, 1 / dimensions)
    return Spread(np.zeros(dimensions), share * even, (1 - share) * even, variance, nobody, people, faces)


def estimate(vectors: Floats, person_id: Ids, before: Spread) -> Spread:
    """What labelled faces (one row each, in an order that does not matter but for rounding) say, mixed with `before`."""
    if not len(vectors):
        return before
    groups = members(person_id)
    counts = np.array([len(rows) for _, rows in groups], np.float64)
    weights = np.minimum(counts, _MOST_FACES) / counts
    means = np.zeros((len(groups), before.dimensions))
    scatter = np.zeros((before.dimensions, before.dimensions))
    for person, (_, rows) in enumerate(groups):
        theirs = unit(vectors[rows])
        means[person] = theirs.mean(axis=0)
        theirs -= means[person]
        scatter += weights[person] * (theirs.T @ theirs)
    found = before
    for _ in range(_ROUNDS):
        found = _improve(found, before, means, counts * weights, scatter)
    return replace(found, variance=_variance(vectors, before))


def _improve(now: Spread, before: Spread, means: Doubles, counts: Doubles, scatter: Doubles) -> Spread:
    """One round: where each person is, judged by the covariances; then the covariances, judged by where people are."""
    values, basis = scipy.linalg.eigh(now.between, now.within)
    values = np.maximum(values, 0)
    back = np.linalg.inv(basis)  # from the space where `within` is the unit matrix to that of the encodings
    known = counts[:, None] * values
    person = now.mean + (known / (1 + known) * ((means - now.mean) @ basis)) @ back
    doubt = values / (1 + known)  # variance of where the person is, in that space
    people, faces = before.people + len(means), before.faces + counts.sum()
    mean = (before.people * before.mean + person.sum(axis=0)) / people
    apart, shift, rest = person - mean, before.mean - mean, means - person
    between = before.people * (before.between + np.outer(shift, shift)) + apart.T @ apart
    between += (back.T * doubt.sum(axis=0)) @ back
    within = before.faces * before.within + scatter + (rest * counts[:, None]).T @ rest
    within += (back.T * (doubt * counts[:, None]).sum(axis=0)) @ back
    return replace(
        now,
        mean=mean,
        between=_invertible(between / people),
        within=_invertible(within / faces),
        people=people,
        faces=faces,
    )


def _invertible(covariance: Doubles) -> Doubles:
    """The same, symmetric and with a floor under its variances."""
    even = (covariance + covariance.T) / 2
    floor: Doubles = _LEAST * np.trace(even) / len(even) * np.eye(len(even))
    return even + floor


def _variance(vectors: Floats, before: Spread) -> Doubles:
    """The variance of each dimension over all faces, mixed with the one before."""
    own = np.var(vectors, axis=0, dtype=np.float64)
    mixed: Doubles = (before.faces * before.variance + len(vectors) * own) / (before.faces + len(vectors))
    return mixed
