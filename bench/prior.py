"""`python -m bench.prior`: make the packaged priors of facelib/matching/priors from the faces of LFW in the test data.

The people of the album in the test data are left out, so that tests with it judge people whom the priors do not know.
Results are the same each time.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from bench import lfw
from bench.measure import BenchError, bench_in, data
from facelib.matching.faces import Doubles, Floats, Ids, members
from facelib.matching.metric import METRICS, make
from facelib.matching.prior import Prior, Tails
from facelib.matching.spread import Spread, estimate, isotropic, unit

FOLDER = Path(__file__).resolve().parents[1] / "facelib" / "matching" / "priors"

# The bench's models by the names that encodings have, and the metric that does best with each (`python -m bench matching`).
NAMES = {
    "dlib-resnet-v1": "dlib-resnet-v1",
    "dlib-resnet-v1+mirror": "dlib-resnet-v1+mirror",
    "arcface": "arcface-b7120c095d60",  # MobileFaceNet.onnx
}
BEST = {"dlib-resnet-v1": "relative", "dlib-resnet-v1+mirror": "relative", "arcface": "cosine"}

# Chosen on one half of LFW's people by what names most of held-out ones at 0.1 to 5 % strangers.
_PEOPLE, _FACES, _SHARE = (
    100.0,
    1000.0,
    0.7,
)  # the isotropic covariances that the estimate starts with, and their weight
_TYPICAL = 16  # 8 to 64 are as good; 1 and 4 are worse than none
_LEAST_PEOPLE = 5  # that a typical face is the mean of: it must not be anybody

_CHANCES = 10.0 ** -np.arange(1.0, 5.1, 0.5)
_COUNTS = (1, 2, 4, 8)
_DRAWS = 4  # of the faces that make up a centroid


def learn(model: str, vectors: Floats, names: NDArray[np.str_]) -> Prior:
    """The prior of one of the bench's models from the faces of these people."""
    _, person_id = np.unique(names, return_inverse=True)
    spread = _spread(vectors, person_id)
    return Prior(NAMES[model], BEST[model], spread, _tails(vectors, person_id))


def _spread(vectors: Floats, person_id: Ids) -> Spread:
    found = unit(vectors)
    means = np.array([found[rows].mean(axis=0) for _, rows in members(person_id)])
    total = float(found.var(axis=0).sum())
    even = isotropic(vectors.shape[1], _PEOPLE, _FACES, _SHARE)
    start = replace(
        even,
        mean=means.mean(axis=0),
        between=even.between * total,
        within=even.within * total,
        variance=np.var(vectors, axis=0, dtype=np.float64),
    )
    return replace(estimate(vectors, person_id, start), typical=_typical(unit(means)))


def _typical(means: Doubles) -> Doubles:
    """Mean faces of the groups that people fall into by themselves."""
    groups = KMeans(min(_TYPICAL, len(means) // _LEAST_PEOPLE), n_init=10, random_state=0).fit(means)
    large = np.flatnonzero(np.bincount(groups.labels_) >= _LEAST_PEOPLE)
    return unit(groups.cluster_centers_[large])


def _tails(vectors: Floats, person_id: Ids) -> Tails:
    """How near strangers come to centroids, by metrics that were fitted to the other half of the people."""
    rng = np.random.default_rng(0)
    people = rng.permutation(np.unique(person_id))
    odd = np.isin(person_id, people[::2])
    near: dict[tuple[str, int], list[NDArray[np.float32]]] = {}
    for half in (odd, ~odd):
        spread = _spread(vectors[~half], person_id[~half])
        metrics = [make(name, spread) for name in METRICS]
        faces, whose = vectors[half], person_id[half]
        for count in _COUNTS * _DRAWS:
            chosen = [
                (one, rng.permutation(rows)[:count]) for one, rows in members(whose) if len(rows) > count or count == 1
            ]
            stranger = whose[:, None] != np.array([one for one, _ in chosen])
            for metric in metrics:
                prepared = metric.prepare(faces)
                means = np.array([prepared[rows].mean(axis=0) for _, rows in chosen], np.float32)
                away = metric.distances(faces, means, np.full(len(means), count, np.float32))
                near.setdefault((metric.name, count), []).append(away[stranger])
    distances = {
        name: np.array([np.quantile(np.concatenate(near[name, count]), _CHANCES) for count in _COUNTS])
        for name in METRICS
    }
    return Tails(_CHANCES, np.array(_COUNTS, np.float64), distances)


def album_people() -> set[str]:
    """Whom the album shows."""
    truth = json.loads((data("album") / "gt.json").read_text(encoding="utf-8"))
    return {face["id"] for photo in truth["photos"].values() for face in photo["faces"]}


def write(priors: Mapping[str, Prior], folder: Path) -> None:
    """One file per model."""
    folder.mkdir(exist_ok=True)
    for model, prior in priors.items():
        arrays: dict[str, Any] = prior.to_arrays()
        np.savez_compressed(folder / f"{model}.npz", **arrays)


def main() -> int:
    """Make all of them."""
    parser = argparse.ArgumentParser(prog="python -m bench.prior", description="Make the packaged priors.")
    parser.add_argument("--folder", type=Path, help="where the encodings are kept [default: temporary]")
    chosen = parser.parse_args()
    try:
        with bench_in(chosen.folder, False) as bench:
            faces, known = lfw.faces(bench), album_people()
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    rows = ~np.isin(faces.names, sorted(known))
    print(f"{rows.sum()} faces of {len(np.unique(faces.names[rows]))} people; {len(known)} of the album are left out")
    write({NAMES[model]: learn(model, faces.vectors[model][rows], faces.names[rows]) for model in lfw.MODELS}, FOLDER)
    for file in sorted(FOLDER.glob("*.npz")):
        print(f"{file.name}: {file.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
