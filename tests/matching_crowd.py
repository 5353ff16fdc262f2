"""Made people for the tests of matching: their encodings are spread like those of the model that facelib ships a prior for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facelib.matching.faces import NOBODY, Faces, Labelled
from facelib.matching.prior import Prior, load

MODEL = "dlib-resnet-v1+mirror"
SIZE = 128


def prior() -> Prior:
    """The packaged prior of the default model."""
    return load(MODEL, SIZE)


class Crowd:
    """People drawn from the prior's spread, and faces of them; the same for the same seed."""

    def __init__(self, people: int, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        spread = prior().spread
        self.people = self.rng.multivariate_normal(spread.mean, spread.between, people, method="cholesky")
        self._root = np.linalg.cholesky(spread.within)

    def faces(self, whose: list[int] | NDArray[np.int64]) -> NDArray[np.float32]:
        """A face of each of these people."""
        noise = self.rng.normal(size=(len(whose), SIZE)) @ self._root.T
        return (self.people[np.asarray(whose, np.int64)] + noise).astype(np.float32)

    def labelled(self, each: int, people: list[int] | None = None, first_id: int = 1) -> Labelled:
        """So many labelled faces of each person; person_id is the person's number plus 100, each face has its own photo."""
        whose = np.repeat(np.arange(len(self.people)) if people is None else np.asarray(people), each)
        ids = np.arange(first_id, first_id + len(whose))
        return Labelled(Faces.of(ids, ids, self.faces(whose)), whose + 100, np.full(len(whose), NOBODY))


def together(*parts: Labelled) -> Labelled:
    """Labelled faces of several drawings as one."""
    faces = [part.faces for part in parts]
    ids = np.concatenate([some.face_id for some in faces])
    order = np.argsort(ids)
    joined = Faces.of(
        ids,
        np.concatenate([some.photo_id for some in faces]),
        np.concatenate([some.vectors for some in faces]),
        np.concatenate([some.quality for some in faces]),
        np.concatenate([some.year for some in faces]),
    )
    person = np.concatenate([part.person_id for part in parts])[order]
    return Labelled(joined, person, np.concatenate([part.group_id for part in parts])[order])
