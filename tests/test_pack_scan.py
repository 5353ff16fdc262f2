"""A pack as the engine of a scan: found faces, vectors of its own model, and what is said about it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import DATA, draw, needs

from facelib import config as configuration
from facelib.config import Config, DetectOptions, EncodeOptions
from facelib.engines import packs, registry
from facelib.errors import ConfigError, EngineError
from facelib.models import ARCFACE_POINTS, DLIB_POINTS, Job, KnownFace
from facelib.stages.analyse import analyse

MODELS = DATA / "models"
GROUP = DATA / "group-photos/dlib-faces/2008_002079.jpg"
Result = subprocess.CompletedProcess[str]
pytestmark = [needs("models"), needs("group-photos")]


def install(name: str, *files: str) -> None:
    """A pack of these files among those of the user, which in tests is a temporary folder."""
    source = Path(os.environ["XDG_DATA_HOME"]) / "source" / name
    source.mkdir(parents=True)
    for file in files:
        shutil.copyfile(MODELS / file, source / file)
    with packs.staged(source, name, packs.models_folder()) as pack:
        packs.install(pack, packs.models_folder())


@pytest.fixture
def small() -> str:
    install("small", "det_500m.onnx", "MobileFaceNet.onnx")
    return "small"


def using(detector: str, model: str) -> Config:
    return Config(detect=DetectOptions(detector=detector), encode=EncodeOptions(model=model))


def job(**what: object) -> Job:
    status = GROUP.stat()
    return Job(1, str(GROUP), status.st_size, status.st_mtime_ns, **what)  # type: ignore[arg-type]


def distances(vectors: list[bytes]) -> np.ndarray:
    rows = np.array([np.frombuffer(vector, "<f4") for vector in vectors])
    return np.linalg.norm(rows[:, None] - rows[None], axis=2)


def test_a_pack_finds_and_encodes_under_names_of_its_own(small: str) -> None:
    config = using(small, small)
    made = analyse(config, job(detect=True))
    assert made.faces is not None
    assert len(made.faces) >= 5
    for face in made.faces:
        assert (face.detector, face.landmark_kind, len(face.landmarks)) == ("scrfd", ARCFACE_POINTS, 5)
        assert list(face.encodings) == [registry.encoder_key(config.detect, config.encode)] == ["arcface-b7120c095d60"]
        assert face.quality is not None
        left, right = face.landmarks[0], face.landmarks[1]
        assert face.box.left < left[0] < right[0] < face.box.right
    assert registry.detector_key(config.detect) == "scrfd-5e4447f50245 in=640 score=0.5 @700-1200"
    apart = distances([next(iter(face.encodings.values())) for face in made.faces])
    assert apart[~np.eye(len(apart), dtype=bool)].min() > 0.9  # as many people as faces


def test_yunet_is_a_detector_too() -> None:
    install("yunet", "face_detection_yunet_2023mar.onnx")
    made = analyse(using("yunet", "dlib-resnet-v1"), job(detect=True))
    assert made.faces is not None
    assert len(made.faces) >= 5
    # dlib's encoder has points of its own.
    assert {(face.detector, face.landmark_kind) for face in made.faces} == {("yunet", DLIB_POINTS)}


def test_faces_found_by_dlib_get_the_encodings_of_a_pack_and_keep_their_landmarks_apart(small: str) -> None:
    """Points of dlib's are not taken for those of the pack: it looks for its own, and the vectors are nearly those that its
    own detector leads to."""
    found = analyse(using("cnn", "dlib-resnet-v1"), job(detect=True)).faces
    alone = analyse(using(small, small), job(detect=True)).faces
    assert found is not None
    assert alone is not None
    known = tuple(KnownFace(i, face.box, face.landmarks, face.landmark_kind) for i, face in enumerate(found))
    encoded = analyse(using("cnn", small), job(faces=known)).encoded
    own = [next(iter(face.encodings.values())) for face in alone]
    assert len(encoded) == len(found) >= 5
    for one in encoded:
        assert (one.model, one.landmark_kind) == ("arcface-b7120c095d60", ARCFACE_POINTS)
        assert distances([one.vector, *own])[0, 1:].min() < 0.6


def test_a_pack_without_a_detector_needs_another_that_gives_landmarks(small: str) -> None:
    install("alone", "MobileFaceNet.onnx")
    with pytest.raises(EngineError, match="the pack alone has no face detector"):
        analyse(using("cnn", "alone"), job(detect=True))
    assert analyse(using(small, "alone"), job(detect=True)).faces


def test_a_detector_without_an_encoder_cannot_be_the_model() -> None:
    install("yunet", "face_detection_yunet_2023mar.onnx")
    with pytest.raises(Exception, match="there is no encoder in it"):
        registry.encoder_key(DetectOptions(), EncodeOptions(model="yunet"))


def test_the_name_of_a_pack_must_be_one_that_is_installed(small: str) -> None:
    with pytest.raises(ConfigError, match=r"there is no model 'buffalo'; there are dlib-resnet-v1, .*small"):
        registry.with_model(EncodeOptions(), "buffalo")
    assert registry.with_model(EncodeOptions(), small).model == small
    assert registry.with_model(EncodeOptions(), "dlib-resnet-v1") == EncodeOptions(mirror=False)
    assert registry.with_model(EncodeOptions(mirror=False), "dlib-resnet-v1+mirror") == EncodeOptions()


def test_the_licence_of_a_pack_in_use_is_said_and_an_unused_one_is_recommended(small: str) -> None:
    (said,) = registry.notices(using(small, small))
    assert "for non-commercial research only" in said
    (said,) = registry.notices(Config())
    assert said.startswith("the pack small is installed and not used")
    asked_for = configuration.parse('[detect]\ndetector = "cnn"\n', "config.toml")
    assert registry.notices(asked_for) == []


def test_without_packs_nothing_is_said() -> None:
    assert registry.notices(Config()) == []


def test_dlibs_own_network_takes_dlibs_own_pyramid_unless_somebody_set_one() -> None:
    config = Config(engine=replace(Config().engine, runtime="dlib"))
    assert registry.settled(config).detect.cnn_pyramid == 6
    assert registry.settled(Config()) == Config()
    asked_for = configuration.parse('[detect]\ncnn_pyramid = 5\n[engine]\nruntime = "dlib"\n', "config.toml")
    assert registry.settled(asked_for).detect.cnn_pyramid == 5


@pytest.fixture
def facelib(tmp_path: Path) -> Callable[..., Result]:
    def run(*arguments: object) -> Result:
        return subprocess.run(
            [sys.executable, "-m", "facelib", "--db", str(tmp_path / "facelib.db"), *map(str, arguments)],
            capture_output=True, text=True, timeout=300,
        )  # fmt: skip

    return run


def test_a_second_scan_with_another_model_adds_encodings_and_leaves_faces_alone(
    facelib: Callable[..., Result], small: str, tmp_path: Path
) -> None:
    root = tmp_path / "photos"
    draw(root / "none.png", ())
    shutil.copyfile(GROUP, root / GROUP.name)
    first = facelib("scan", root)
    assert "NOTICE the pack small is installed and not used" in first.stdout
    assert first.returncode == 0
    second = json.loads(facelib("--json", "scan", "--model", small).stdout.splitlines()[-1])
    assert second["detect"]["done"] == 0
    assert (second["encode"]["done"], second["encode"]["model"]) == (1, "arcface-b7120c095d60")
    assert second["encode"]["faces"] >= 5
    assert "non-commercial" in " ".join(second["notices"])
    third = json.loads(facelib("--json", "scan", "--detector", small, "--model", small).stdout.splitlines()[-1])
    assert third["detect"]["done"] == 2
    # The boxes are the same faces as before.
    assert "encoding" not in facelib("scan", "--detector", small, "--model", small).stderr
    import sqlite3

    with sqlite3.connect(tmp_path / "facelib.db") as db:
        models = dict(db.execute("SELECT model, count(*) FROM encoding GROUP BY model"))
        faces = db.execute("SELECT count(*) FROM face").fetchone()[0]
    assert models["arcface-b7120c095d60"] == faces
    assert models["dlib-resnet-v1+mirror"] == second["encode"]["faces"] <= faces


def test_doctor_names_the_engine_and_checks_the_packs(facelib: Callable[..., Result], small: str) -> None:
    said = facelib("doctor").stdout
    assert "ok    engine       cnn-1 up=1 pyramid=4 @700-1200; dlib-resnet-v1+mirror; ONNX Runtime" in said
    assert "ok    pack         small, " in said
    spoilt = packs.models_folder() / small / "det_500m.onnx"
    spoilt.write_bytes(spoilt.read_bytes()[:-1])
    result = facelib("doctor")
    assert (result.returncode, "WRONG pack" in result.stdout) == (1, True)
    result = facelib("scan", "--detector", small, GROUP.parent)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith(f"facelib: {spoilt}: cut off, damaged or another file")


def test_facenet_says_what_it_needs() -> None:
    """The package is an extra, and its recogniser a file that the user has to name."""
    assert registry.detector_key(DetectOptions("mtcnn")).startswith("mtcnn-1 ")
    with pytest.raises(Exception, match=r"20180402-114759-vggface2\.pt"):
        registry.encoder_key(DetectOptions(), EncodeOptions("facenet"))
    missing = EncodeOptions("facenet", "/nowhere/20180402-114759-vggface2.pt")
    with pytest.raises(Exception, match="/nowhere/20180402-114759-vggface2.pt: is missing"):
        registry.encoder_key(DetectOptions(), missing)
