"""The model files of the package face_recognition_models, found without importing it.

Importing it needs `pkg_resources`, which current setuptools no longer have; the files are all that is wanted.
Checksums are those of version 0.3.0, whose files are the ones published on dlib.net/files.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

from facelib.errors import WeightsError

_PACKAGE = "face_recognition_models"

MMOD = "mmod_human_face_detector.dat"
RESNET = "dlib_face_recognition_resnet_model_v1.dat"
LANDMARKS_5 = "shape_predictor_5_face_landmarks.dat"

SHA256 = {
    MMOD: "4cb19393e2fbaf2b1609a9319ad5386618c886a6234ec1b971f3e87c85d87fe6",
    RESNET: "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
    LANDMARKS_5: "c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",
}


def find(name: str) -> Path:
    """The path of a model file. Raises `WeightsError` when it is not there."""
    spec = find_spec(_PACKAGE)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    if not folders:
        raise WeightsError(Path(name), "is missing", f"install it: pip install {_PACKAGE}")
    path = Path(folders[0]) / "models" / name
    if not path.is_file():
        raise WeightsError(path, "is missing")
    return path


def verify(name: str) -> Path:
    """The path of a model file whose every byte is right. Raises `WeightsError`."""
    path = find(name)
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != SHA256[name]:
        raise WeightsError(path, f"damaged or of another version (SHA-256 {found[:16]}...)")
    return path
