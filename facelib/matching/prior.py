"""What is known about a model's encodings before anybody has named a face: its prior, a small file of numbers.

`python -m bench.prior` makes the packaged ones, `priors/MODEL.npz`, from the faces of a thousand people. A file holds the
spread of the encodings (`spread.py`), which metric does best with them, and how near strangers come to people by chance.
There is nobody's encoding in it: a typical face is the mean of dozens of people.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from facelib.errors import EngineError
from facelib.matching.faces import Doubles, Floats
from facelib.matching.metric import METRICS
from facelib.matching.spread import Spread, isotropic

Arrays = Mapping[str, NDArray[np.generic]]

# How much a prior weighs against the user's own labels, in people and faces. On one half of LFW, half of it labelled, plda names
# .967 of the known faces at 1 % strangers with these; with a tenth of them .957, and with the prior alone .958.
PRIOR_PEOPLE, PRIOR_FACES = 200.0, 1000.0
_UNKNOWN_PEOPLE, _UNKNOWN_FACES = 20.0, 100.0  # and of a model that nobody measured

# Mean and spread of the cosine of two strangers where nobody measured them. A cautious guess: for MobileFaceNet they are 0.01
# and 0.10. Too high a guess asks for closer resemblance than needed, until the user's own labels say more.
_UNKNOWN_COSINE = (0.05, 0.16)
# Models whose prior serves, as far as strangers go, for others of their kind, by the beginning of the name.
_KIN = {"arcface": "arcface-b7120c095d60"}
_PLAIN = ("euclid", "cosine", "deviation", "variance")  # metrics that are one where nothing is known


# What a prior's chances count as against the strangers in the user's own library. Four in 800 are the default error, 1 in 200.
# On one half of LFW 400 to 1600 do alike.
MEASURED_STRANGERS, _KIN_STRANGERS, _UNKNOWN_STRANGERS = 800.0, 200.0, 100.0


@dataclass(frozen=True, slots=True)
class Tails:
    """How probably a stranger's face comes this near to one centroid, by metric and by how many faces the centroid has."""

    chances: Doubles  # (q,) probabilities, falling
    counts: Doubles  # (b,) faces of a centroid, rising: a row holds from its count up to the next
    distances: dict[str, Doubles]  # metric -> (b, q), falling along q
    strangers: float = MEASURED_STRANGERS  # of the user's own that these chances count as

    def chance(self, metric: str, distance: float, counts: Floats) -> float:
        """How probably a stranger is as near as `distance` to at least one of centroids of so many faces each."""
        row_of = np.clip(np.searchsorted(self.counts, counts, side="right") - 1, 0, None)
        rows, many = np.unique(row_of, return_counts=True)
        one = np.array([self._one(self.distances[metric][row], distance) for row in rows.tolist()])
        return float(-np.expm1((many * np.log1p(-np.minimum(one, 1 - 1e-9))).sum()))

    def _one(self, distances: Doubles, distance: float) -> float:
        """Logarithms of chances are straight lines between what was measured, and beyond."""
        near, logs = distances[::-1], np.log(self.chances[::-1])  # rising
        at = int(np.clip(np.searchsorted(near, distance), 1, len(near) - 1))
        slope = (logs[at] - logs[at - 1]) / max(near[at] - near[at - 1], 1e-9)
        return float(np.exp(min(logs[at - 1] + slope * (distance - near[at - 1]), 0.0)))


@dataclass(frozen=True, slots=True)
class Prior:
    """All that is known of a model."""

    model: str  # as in encoding.model
    metric: str  # which does best with it
    spread: Spread
    tails: Tails

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Everything as arrays, covariances as their upper triangles; `from_arrays` takes them back."""
        spread, upper = self.spread, np.triu_indices(self.spread.dimensions)
        made: dict[str, NDArray[np.generic]] = {
            "model": np.array(self.model),
            "metric": np.array(self.metric),
            "mean": spread.mean.astype(np.float32),
            "between": spread.between[upper].astype(np.float32),
            "within": spread.within[upper].astype(np.float32),
            "variance": spread.variance.astype(np.float32),
            "typical": spread.typical.astype(np.float32),
            "weight": np.array([spread.people, spread.faces, self.tails.strangers]),
            "chances": self.tails.chances,
            "counts": self.tails.counts,
        }
        return made | {f"tail-{name}": rows.astype(np.float32) for name, rows in self.tails.distances.items()}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Prior:
        """What `to_arrays` made."""
        numbers = {key: np.asarray(arrays[key], np.float64) for key in arrays if key not in ("model", "metric")}
        size = len(numbers["mean"])
        people, faces, strangers = numbers["weight"].tolist()
        spread = Spread(
            numbers["mean"],
            _square(numbers["between"], size),
            _square(numbers["within"], size),
            numbers["variance"],
            numbers["typical"],
            people,
            faces,
        )
        distances = {name: numbers[f"tail-{name}"] for name in METRICS if f"tail-{name}" in numbers}
        tails = Tails(numbers["chances"], numbers["counts"], distances, strangers)
        return cls(str(arrays["model"]), str(arrays["metric"]), spread, tails)


def _square(upper: Doubles, size: int) -> Doubles:
    whole = np.zeros((size, size))
    whole[np.triu_indices(size)] = upper
    return whole + np.triu(whole, 1).T


def measured() -> list[str]:
    """The models that have a packaged prior."""
    folder = resources.files("facelib.matching") / "priors"
    return sorted(item.name.removesuffix(".npz") for item in folder.iterdir() if item.name.endswith(".npz"))


def load(model: str, dimensions: int) -> Prior:
    """The packaged prior of a model, or what can be said of one that nobody measured.

    Raises EngineError where vectors of this model have another length than the `dimensions` asked for.
    """
    if model not in measured():
        return unknown(model, dimensions)
    prior = _read(model)
    if prior.spread.dimensions != dimensions:
        raise EngineError(
            f"encodings of {model} have {prior.spread.dimensions} numbers, not {dimensions}; encode again"
        )
    return prior


def _read(model: str) -> Prior:
    content = (resources.files("facelib.matching") / "priors" / f"{model}.npz").read_bytes()
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return Prior.from_arrays(arrays)


def unknown(model: str, dimensions: int) -> Prior:
    """Little: that its vectors have length one, and strangers' are at right angles, more or less.

    A model of a known kind has the tails of its kin.
    """
    spread = isotropic(dimensions, _UNKNOWN_PEOPLE, _UNKNOWN_FACES)
    kin = next((name for start, name in _KIN.items() if model.split("-")[0] == start), None)
    if kin is not None and kin in measured():
        tails = _read(kin).tails
        near = {name: tails.distances[name] for name in _PLAIN}
        tails = Tails(tails.chances, tails.counts, _generic(tails.chances, spread) | near, _KIN_STRANGERS)
    else:
        chances = 10.0 ** -np.arange(1.0, 6.5, 0.5)
        tails = Tails(chances, np.ones(1), _generic(chances, spread), _UNKNOWN_STRANGERS)
    return Prior(model, "cosine", spread, tails)


def _generic(chances: Doubles, spread: Spread) -> dict[str, Doubles]:
    """Tails where only the spread of cosines between strangers is known."""
    mean, spread_of_cosine = _UNKNOWN_COSINE
    plain = np.sqrt(2 - 2 * np.minimum(mean + spread_of_cosine * norm.isf(chances), 1.0))[None]
    within = float(np.trace(spread.within)) / spread.dimensions
    made = dict.fromkeys(_PLAIN, plain)
    # A likelihood ratio of 1 : x cannot come by chance more often than once in x.
    return made | {"covariance": plain / np.sqrt(within), "plda": np.log10(chances)[None]}
