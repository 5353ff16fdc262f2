"""The gallery: everything that matching needs of the labelled faces, in a few arrays.

It is made once for many faces and can be kept: a million labelled faces of two thousand people are a few megabytes, and new faces
are compared with these and nothing else. The same labels give the same gallery.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields

import numpy as np
from numpy.typing import NDArray

from facelib.errors import EngineError
from facelib.matching.calibrate import Chances, Threshold, calibrate
from facelib.matching.centroids import Centroids, gather
from facelib.matching.faces import NOBODY, Ids, Labelled, members
from facelib.matching.metric import Metric, make
from facelib.matching.prior import PRIOR_FACES, PRIOR_PEOPLE, Prior
from facelib.matching.spread import estimate
from facelib.matching.table import LeftOut, Table, leave_one_out

WANTED = 0.005  # share of strangers who may get a name: 1 in 200
SUGGESTED = 0.05  # or a suggestion, which somebody looks at
_SAMPLE = 30  # faces of one person that the threshold is found with, at most

Arrays = Mapping[str, NDArray[np.generic]]
_VERSION = 1  # of the arrays; another one is refused


@dataclass(frozen=True, slots=True)
class Gallery:
    """The known people, as one model's encodings show them."""

    model: str  # as in encoding.model
    metric: Metric
    centroids: Centroids
    threshold: Threshold

    @property
    def people(self) -> Ids:
        """Everybody who can be recognised, ascending."""
        return np.unique(self.centroids.person_id)

    def table(self) -> Table:
        """What faces are compared with; make it once for many."""
        return Table.of(self.metric, self.centroids)

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Everything as arrays without objects (`numpy.savez`); `from_arrays` takes them back."""
        made: dict[str, NDArray[np.generic]] = {
            "version": np.array(_VERSION),
            "model": np.array(self.model),
            "metric": np.array(self.metric.name),
            "usual": np.array(self.metric.usual),
            "threshold": np.array(astuple(self.threshold), np.float64),
        }
        made |= {key: getattr(self.metric, key) for key in _METRIC}
        return made | {one.name: getattr(self.centroids, one.name) for one in fields(Centroids)}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Gallery:
        """What `to_arrays` made. Raises EngineError for arrays of another version of facelib: build it again."""
        if "version" not in arrays or int(np.asarray(arrays["version"], np.int64)) != _VERSION:
            raise EngineError("the kept gallery is another version's; build it again from the labels")
        numbers = {key: np.asarray(arrays[key], np.float64) for key in (*_METRIC, "usual", "threshold")}
        parts = {key: numbers[key] for key in _METRIC}
        metric = Metric(str(arrays["metric"]), **parts, usual=float(numbers["usual"]))
        centroids = Centroids(**{one.name: np.asarray(arrays[one.name]) for one in fields(Centroids)})  # type: ignore[arg-type]
        return cls(str(arrays["model"]), metric, centroids, Threshold(*numbers["threshold"].tolist()))


_METRIC = ("center", "transform", "between", "typical")


@dataclass(frozen=True, slots=True)
class Built:
    """A gallery and what came to light when it was made."""

    gallery: Gallery
    member: Ids  # in which centroid each labelled face is; NOBODY: held out, it fits no part of its person
    left: LeftOut  # of the labelled faces in `sample`
    sample: Ids  # rows of the labelled faces


def build(
    labelled: Labelled,
    prior: Prior,
    metric: str | None = None,
    *,
    wanted: float = WANTED,
    wanted_suggested: float = SUGGESTED,
    everything: bool = False,
) -> Built:
    """Make the gallery of labelled faces. Without `metric` it is the prior's, the one that does best with this model.

    The threshold is found with a sample of each person's faces; with `everything` with all of them. Raises EngineError
    where the faces' vectors have another length than the model's, or a wanted share is none.
    """
    if not 0 < wanted <= wanted_suggested < 1:
        raise EngineError(f"{wanted} and {wanted_suggested} are no shares of strangers: 0 < named <= suggested < 1")
    faces = labelled.faces
    if len(faces) and faces.dimensions != prior.spread.dimensions:
        raise EngineError(
            f"face {faces.face_id[0]}: its vector has {faces.dimensions} numbers, those of {prior.model}"
            f" {prior.spread.dimensions}; encode it again"
        )
    spread = estimate(faces.vectors, labelled.person_id, prior.spread.weighing(PRIOR_PEOPLE, PRIOR_FACES))
    chosen = make(metric or prior.metric, spread)
    centroids, member = gather(labelled, chosen, make("plda", spread))
    sample = np.arange(len(labelled)) if everything else _sample(labelled)
    left = leave_one_out(labelled.take(sample), member[sample], chosen, centroids)
    scored = member[sample] != NOBODY
    chances = Chances(prior.tails, chosen.name, centroids.counts)
    threshold = calibrate(labelled.person_id[sample][scored], left.take(scored), chances, wanted, wanted_suggested)
    return Built(Gallery(prior.model, chosen, centroids, threshold), member, left, sample)


def _sample(labelled: Labelled) -> Ids:
    """At most so many faces of each person, evenly over their ids."""
    some = [rows[:: -(-len(rows) // _SAMPLE)] for _, rows in members(labelled.person_id)]
    return np.sort(np.concatenate(some)) if some else np.zeros(0, np.int64)
