"""facenet-pytorch: what MTCNN finds in real photographs, how faces are cut out for the encoder, and every file it refuses."""

from __future__ import annotations

import hashlib
import importlib
import json
import math
import os
import pickle
import socket
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import DATA, needs
from hypothesis import given
from hypothesis import strategies as st

from facelib import images
from facelib.config import ImageOptions
from facelib.engines import facenet
from facelib.engines.base import RGB, Detected
from facelib.engines.facenet import Device, FacenetEncoder, MtcnnDetector
from facelib.errors import DeviceMemoryError, EngineError, WeightsError
from facelib.geometry import overlap
from facelib.models import ARCFACE_POINTS, Box

needs_groups = needs("group-photos")
needs_facenet = pytest.mark.skipif(
    not (find_spec("torch") and find_spec("facenet_pytorch")), reason=f"no facenet-pytorch: {facenet.INSTALL}"
)

VGGFACE2 = "20180402-114759-vggface2.pt"
CASIA = "20180408-102900-casia-webface.pt"


def one_line(error: pytest.ExceptionInfo[Any]) -> str:
    """An error's message, which has to be one line and to say where the weights are."""
    text = str(error.value)
    assert "\n" not in text
    assert facenet.RELEASE in text
    return text


def photo(name: str, longest: int = 1200) -> tuple[RGB, float]:
    """A group photograph, and how many of its own pixels one of these is."""
    with images.open_photo(str(DATA / "group-photos" / name), ImageOptions()) as source:
        pixels = source.shrunk(longest)
        return pixels, source.facts.width / pixels.shape[1]


def truth() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((DATA / "group-photos/gt.json").read_text())["photos"]
    return content


def noise(*shape: int, seed: int = 0) -> RGB:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


# ------------------------------------------------------------------------------------------------- without the package


def test_the_module_needs_and_loads_nothing_heavy() -> None:
    heavy = ("torch", "torchvision", "facenet_pytorch", "numpy", "onnxruntime", "dlib", "PIL")
    code = f"import sys; import facelib.engines.facenet; print([n for n in {heavy} if n in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_the_name_of_a_detector_says_its_version_and_settings() -> None:
    assert MtcnnDetector().name == facenet.detector_name() == "mtcnn-1 min=20 score=0.6,0.7,0.9 in=1200"
    other = MtcnnDetector(min_face=40, thresholds=(0.5, 0.6, 0.7), size=800)
    assert other.name == "mtcnn-1 min=40 score=0.5,0.6,0.7 in=800"


@pytest.mark.parametrize("thresholds", [(0.6, 0.7), (0.6, 0.7, 1.0), (0.0, 0.7, 0.7), (0.6, math.nan, 0.7)])
def test_scores_with_which_mtcnn_cannot_work_are_refused(thresholds: tuple[float, ...]) -> None:
    with pytest.raises(EngineError, match="three scores between 0 and 1"):
        MtcnnDetector(thresholds=thresholds)


@pytest.mark.parametrize("min_face", [11, 2000])
def test_a_smallest_face_that_mtcnn_cannot_have_is_refused(min_face: int) -> None:
    with pytest.raises(EngineError, match="12 to 1200 pixels"):
        MtcnnDetector(min_face=min_face)


def test_a_model_is_named_by_the_content_of_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "own.pt"
    own.write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    assert facenet.encoder_name(own) == FacenetEncoder(own).name == f"facenet-{digest[:8]}"
    monkeypatch.setitem(facenet.PUBLISHED, digest, facenet.Published(VGGFACE2, "facenet-vggface2", 7))
    assert facenet.encoder_name(own) == "facenet-vggface2"  # whatever the file is called
    named = tmp_path / VGGFACE2
    named.write_bytes(b"weights")
    assert FacenetEncoder(named).name == "facenet-vggface2"


def test_the_published_files_are_known_by_name_digest_and_size() -> None:
    assert {known.file: known.model for known in facenet.PUBLISHED.values()} == {
        VGGFACE2: "facenet-vggface2",
        CASIA: "facenet-casia-webface",
    }
    assert all(len(digest) == 64 for digest in facenet.PUBLISHED)


def test_an_encoder_without_a_file_says_which_to_fetch() -> None:
    for ask in (facenet.encoder_name, FacenetEncoder):
        with pytest.raises(EngineError) as error:
            ask(None)
        text = one_line(error)
        assert VGGFACE2 in text
        assert CASIA in text


def test_a_file_that_is_not_there_or_no_file_is_named_with_what_to_fetch(tmp_path: Path) -> None:
    for path, problem in ((tmp_path / "none.pt", "is missing"), (tmp_path, "cannot be read")):
        with pytest.raises(WeightsError) as error:
            FacenetEncoder(path)
        text = one_line(error)
        assert text.startswith(f"{path}: {problem}")
        assert VGGFACE2 in text


@pytest.mark.parametrize("name", [VGGFACE2, CASIA])
def test_a_file_with_the_name_of_a_published_one_has_to_be_it(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"half of it")
    with pytest.raises(WeightsError, match=r"cut off: 10 of 11\d{7} bytes") as error:
        facenet.encoder_name(path)
    one_line(error)
    size = next(known.size for known in facenet.PUBLISHED.values() if known.file == name)
    with path.open("wb") as stream:
        stream.truncate(size)
    with pytest.raises(WeightsError, match="damaged or not the published file of this name") as error:
        facenet.encoder_name(path)
    one_line(error)


def test_without_the_package_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    (tmp_path / "own.pt").write_bytes(b"weights")
    encoder = FacenetEncoder(tmp_path / "own.pt")
    face = np.array([[(30, 30), (60, 30), (45, 50), (33, 65), (57, 65)]], np.float32)
    asked: list[Callable[[], object]] = [
        lambda: MtcnnDetector().detect([noise(100, 100, 3)]),
        lambda: encoder.align(noise(100, 100, 3), face),
        lambda: encoder.encode(noise(1, 160, 160, 3)),
        lambda: facenet.choose("auto"),
    ]
    for ask in asked:
        with pytest.raises(EngineError) as error:
            ask()
        assert "facenet-pytorch is not installed" in str(error.value)
        assert "pip install 'facelib[facenet]'" in str(error.value)


def test_releases_that_do_not_fit_together_are_told_apart_from_a_missing_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(name: str) -> None:
        raise RuntimeError("operator torchvision::nms does not exist\nand much more")

    monkeypatch.setattr(importlib, "import_module", broken)
    with pytest.raises(EngineError) as error:
        facenet.choose("cpu")
    assert "torchvision::nms does not exist; install it again" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_provider_that_pytorch_does_not_have_is_refused_by_name() -> None:
    with pytest.raises(EngineError, match="no provider 'openvino', it has auto, cuda and cpu"):
        facenet.choose("openvino")


def test_the_full_memory_of_a_gpu_is_an_error_of_its_own_and_others_stay_what_they_are() -> None:
    with pytest.raises(DeviceMemoryError, match="cuda: CUDA out of memory"), facenet._memory_of(Device("cuda", "")):
        raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB\nmore")
    with pytest.raises(RuntimeError, match="^illegal"), facenet._memory_of(Device("cuda", "")):
        raise RuntimeError("illegal memory access")
    with pytest.raises(RuntimeError, match="^out of memory"), facenet._memory_of(Device("cpu", "")):
        raise RuntimeError("out of memory")


# ------------------------------------------------------------------------------------------------ the box of a face

FACE = ((30.0, 30.0), (60.0, 30.0), (45.0, 48.0), (33.0, 63.0), (57.0, 63.0))
TURNED = ((30.0, 32.0), (52.0, 28.0), (50.0, 48.0), (34.0, 64.0), (52.0, 61.0))


@given(
    x=st.floats(-1000, 1000),
    y=st.floats(-1000, 1000),
    zoom=st.floats(0.05, 50),
    face=st.sampled_from([FACE, TURNED]),
)
def test_the_box_goes_and_grows_with_the_points(
    x: float, y: float, zoom: float, face: Sequence[tuple[float, float]]
) -> None:
    box = facenet.box_around([(px * zoom + x, py * zoom + y) for px, py in face])
    expected = [edge * zoom + shift for edge, shift in zip(facenet.box_around(face), (x, y, x, y), strict=True)]
    assert box == pytest.approx(expected, abs=1e-6)


def test_the_mirrored_face_has_the_mirrored_box() -> None:
    left, top, right, bottom = facenet.box_around(TURNED)
    order = (1, 0, 2, 4, 3)
    mirrored = facenet.box_around([(-TURNED[i][0], TURNED[i][1]) for i in order])
    assert mirrored == pytest.approx((-right, top, -left, bottom))


@given(st.floats(-math.pi, math.pi))
def test_a_face_that_leans_has_a_box_of_the_same_size(turn: float) -> None:
    cos, sin = math.cos(turn), math.sin(turn)
    left, top, right, bottom = facenet.box_around([(x * cos - y * sin, x * sin + y * cos) for x, y in FACE])
    upright = facenet.box_around(FACE)
    assert (right - left, bottom - top) == pytest.approx((upright[2] - upright[0], upright[3] - upright[1]))


@needs_groups
def test_the_box_drawn_around_known_points_is_about_the_known_box() -> None:
    shared = []
    for said in truth().values():
        for face in said["faces"]:
            drawn = Box(*map(round, facenet.box_around(face["kps"])))
            shared.append(overlap(drawn, Box(*map(round, face["box"]))))
    assert len(shared) == 180
    assert np.median(shared) > 0.7  # SCRFD frames a face tighter than MTCNN


@needs_facenet
@pytest.mark.parametrize("shape", [(3, 2), (5, 3), (4, 2)])
def test_points_of_another_shape_are_refused(tmp_path: Path, shape: tuple[int, int]) -> None:
    encoder = _unloaded(tmp_path)
    with pytest.raises(ValueError, match="landmarks must be"):
        encoder.align(noise(50, 50, 3), np.zeros((1, *shape), np.float32))


@pytest.mark.parametrize("points", [np.zeros((1, 5, 2)), np.full((1, 5, 2), np.nan), np.array([FACE]) * 1e9])
def test_points_that_are_no_face_are_refused(tmp_path: Path, points: Any) -> None:
    with pytest.raises(ValueError, match="landmarks must be finite"):
        _unloaded(tmp_path).align(noise(50, 50, 3), points)


def test_no_faces_need_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    encoder = _unloaded(tmp_path)
    assert encoder.align(noise(50, 50, 3), np.zeros((0, 5, 2), np.float32)).shape == (0, 160, 160, 3)
    assert encoder.encode(np.zeros((0, 160, 160, 3), np.uint8)).shape == (0, 512)
    assert MtcnnDetector().detect([]) == []


def _unloaded(folder: Path) -> FacenetEncoder:
    """An encoder whose weights are never looked at."""
    path = folder / "none.pt"
    path.write_bytes(b"")
    return FacenetEncoder(path)


# -------------------------------------------------------------------------------------------------- with the package


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever goes to the network fails."""

    def refuse(*args: object) -> None:
        raise AssertionError(f"the network was asked for {args}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def inside(face: Detected, box: Sequence[float], zoom: float) -> bool:
    x, y = (side * zoom for side in face.box.center)
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


@needs_facenet
@needs_groups
@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("name", ["human-samples/group-1.jpg", "human-samples/solvay1927.jpg"])
def test_mtcnn_finds_the_faces_of_a_group_photograph_with_their_landmarks(name: str) -> None:
    pixels, zoom = photo(name)
    said = truth()[name]
    (faces,) = MtcnnDetector().detect([pixels])
    assert [face.score for face in faces] == sorted((face.score for face in faces), reverse=True)
    assert all(0.9 < face.score <= 1 and face.detector == "mtcnn" for face in faces)
    free, errors = list(faces), []
    for true in said["faces"]:
        hit = next((face for face in free if inside(face, true["box"], zoom)), None)
        assert hit is not None
        free.remove(hit)
        off = np.array(hit.landmarks) * zoom - np.array(true["kps"])
        errors.append(np.hypot(*off.T).mean() / (true["box"][2] - true["box"][0]))
        drawn = facenet.box_around(hit.landmarks or ())
        assert overlap(Box(*map(round, drawn)), hit.box) > 0.6  # the encoder's box is the detector's
    assert [face for face in free if not any(inside(face, box, zoom) for box in said.get("ignore", ()))] == []
    assert np.median(errors) < 0.06  # of the face's width: the order of the points is right too
    assert np.quantile(errors, 0.9) < 0.1


@needs_facenet
@needs_groups
def test_a_larger_picture_is_shrunk_and_its_faces_are_where_they_are() -> None:
    pixels, _ = photo("human-samples/group-1.jpg", 600)
    doubled = pixels.repeat(2, axis=0).repeat(2, axis=1)
    detector = MtcnnDetector(size=600)
    small, large = detector.detect([pixels, doubled])
    assert small
    assert len(small) == len(large)
    for face in small:
        twice = Box(2 * face.box.left, 2 * face.box.top, 2 * face.box.right, 2 * face.box.bottom)
        assert max(overlap(twice, other.box) for other in large) > 0.8


@needs_facenet
@needs_groups
def test_a_batch_of_pictures_gives_what_each_gives_alone() -> None:
    pictures = [
        photo("human-samples/group-1.jpg", 500)[0],
        noise(40, 60, 3),
        photo("human-samples/group-7.jpg", 400)[0],
    ]
    detector = MtcnnDetector()
    assert detector.detect(pictures) == [detector.detect([picture])[0] for picture in pictures]


@needs_facenet
def test_pictures_of_every_shape_are_taken_and_nothing_is_found_in_nothing() -> None:
    shapes = [(1, 1), (1, 900), (900, 1), (3, 2000), (19, 400), (20, 20), (20, 400), (31, 33), (640, 640), (2500, 30)]
    for detector in (MtcnnDetector(), MtcnnDetector(min_face=13, size=300), MtcnnDetector(min_face=49)):
        assert detector.detect([np.zeros((*shape, 3), np.uint8) for shape in shapes]) == [[]] * len(shapes)
    for wrong in (np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3), np.float32), np.zeros((0, 9, 3), np.uint8)):
        with pytest.raises(ValueError, match="an image must be uint8"):
            MtcnnDetector().detect([wrong])  # type: ignore[list-item]


@needs_facenet
def test_loading_prints_nothing_warns_of_nothing_and_leaves_the_warning_filters_alone() -> None:
    code = (
        "import warnings; import numpy as np\n"
        "warnings.simplefilter('error'); before = list(warnings.filters)\n"
        "from facelib.engines import facenet\n"
        "facenet.MtcnnDetector(provider='auto').detect([np.zeros((99, 99, 3), np.uint8)])\n"
        "import torch; assert torch.get_num_threads() == 1\n"
        "assert warnings.filters == before, set(warnings.filters) - set(before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@needs_facenet
def test_a_damaged_network_of_mtcnn_is_named_with_its_cure(tmp_path: Path) -> None:
    spec = find_spec("facenet_pytorch")
    assert spec is not None
    data = Path((spec.submodule_search_locations or [""])[0]) / "data"
    facenet.verify_networks(data)
    for name in ("pnet.pt", "rnet.pt"):
        (tmp_path / name).write_bytes((data / name).read_bytes())
    with pytest.raises(WeightsError, match=r"onet.pt: is missing; install it again: pip install"):
        facenet.verify_networks(tmp_path)
    (tmp_path / "rnet.pt").write_bytes((data / "rnet.pt").read_bytes()[:-9])
    with pytest.raises(WeightsError, match=r"rnet.pt: damaged or of another version"):
        facenet.verify_networks(tmp_path)


@needs_facenet
def test_what_computes_is_said_and_a_gpu_that_is_not_there_leaves_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = importlib.import_module("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: True)
    version = f"PyTorch {torch.__version__}"
    assert facenet.choose("cpu") == facenet.choose("auto") == Device("cpu", f"{version}, cpu")
    refused = facenet.choose("cuda")
    assert refused.name == "cpu"
    assert refused.says == f"{version}, cpu (cuda refuses, the CPU computes: PyTorch sees no device)"
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: False)
    with pytest.raises(EngineError, match="has no CUDA"):
        facenet.choose("cuda")

    def warns() -> bool:
        warnings.warn("CUDA initialization: the driver is too old", stacklevel=2)
        return True

    monkeypatch.setattr(torch.cuda, "is_available", warns)
    for provider in ("auto", "cuda"):
        assert facenet.choose(provider) == Device("cuda", f"{version}, cuda")


@needs_facenet
@needs_groups
def test_faces_are_cut_out_as_the_package_cuts_them() -> None:
    from facenet_pytorch import extract_face  # type: ignore[import-not-found]
    from PIL import Image

    pixels, _ = photo("human-samples/group-1.jpg", 900)
    rows, columns = pixels.shape[:2]
    boxes = [face.box for face in MtcnnDetector().detect([pixels])[0]]
    boxes += [Box(-40, -30, 80, 90), Box(columns - 60, rows - 90, columns + 30, rows + 10), Box(5, 5, 600, 800)]
    for box in boxes:
        edges = (box.left, box.top, box.right, box.bottom)
        theirs = extract_face(Image.fromarray(pixels), edges, 160, facenet.MARGIN).numpy().transpose(1, 2, 0)
        ours = facenet.cut_out(pixels, edges)
        assert (ours.shape, ours.dtype) == ((160, 160, 3), np.uint8)
        assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= 1


@needs_facenet
def test_a_face_beside_the_picture_is_a_chip_all_the_same(tmp_path: Path) -> None:
    away = np.array([FACE], np.float32) + 500
    assert _unloaded(tmp_path).align(noise(50, 50, 3), away).shape == (1, 160, 160, 3)


@pytest.fixture(scope="module")
def state() -> dict[str, Any]:
    """The weights of an encoder that has learned nothing, with the last layer that the published files have."""
    torch = importlib.import_module("torch")
    package = importlib.import_module("facenet_pytorch")
    torch.manual_seed(1)
    network = package.InceptionResnetV1(pretrained=None, classify=True, num_classes=7)
    # Without learning all faces look alike to it. One look in training mode lets its normalisations tell them apart.
    for layer in network.modules():
        if isinstance(layer, (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)):
            layer.momentum = 1.0
    with torch.no_grad():
        network.train()((torch.tensor(blobs(8, seed=5)).permute(0, 3, 1, 2) - 127.5) / 128)
    made: dict[str, Any] = network.state_dict()
    return made


def blobs(count: int, seed: int = 0) -> RGB:
    """Chips that are less alike than noise is."""
    return noise(count, 5, 5, 3, seed=seed).repeat(32, axis=1).repeat(32, axis=2)


@pytest.fixture(scope="module")
def weights(state: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "random.pt"
    importlib.import_module("torch").save(state, path)
    return path


@needs_facenet
@pytest.mark.usefixtures("offline")
def test_the_encoder_gives_512_numbers_of_length_one_the_same_in_every_batch(weights: Path) -> None:
    encoder = FacenetEncoder(weights)
    chips = blobs(19)
    vectors = encoder.encode(chips)
    assert (vectors.shape, vectors.dtype) == ((19, encoder.dimensions), np.float32)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(19), abs=1e-5)
    assert (encoder.encode(chips) == vectors).all()
    assert (FacenetEncoder(weights).encode(chips) == vectors).all()
    single = np.concatenate([encoder.encode(chips[i : i + 1]) for i in range(19)])
    assert single == pytest.approx(vectors, abs=1e-5)
    assert (vectors @ vectors.T)[~np.eye(19, dtype=bool)].max() < 0.99  # and other faces have others
    assert encoder.name == f"facenet-{hashlib.sha256(weights.read_bytes()).hexdigest()[:8]}"
    assert encoder.landmark_kind == ARCFACE_POINTS


@needs_facenet
@needs_groups
def test_the_vectors_are_those_of_the_packages_own_way(weights: Path, state: dict[str, Any]) -> None:
    from facenet_pytorch import InceptionResnetV1, extract_face, fixed_image_standardization
    from PIL import Image

    torch = importlib.import_module("torch")
    pixels, _ = photo("human-samples/group-1.jpg", 700)
    faces = [face for face in MtcnnDetector().detect([pixels])[0] if face.landmarks][:3]
    encoder = FacenetEncoder(weights)
    points = np.array([face.landmarks for face in faces], np.float32)
    network = InceptionResnetV1(classify=True, num_classes=7).eval()
    network.load_state_dict(state)
    network.classify = False
    boxes = [facenet.box_around(face) for face in points.tolist()]
    crops = [extract_face(Image.fromarray(pixels), box, 160, facenet.MARGIN) for box in boxes]
    with torch.no_grad():
        theirs = network(fixed_image_standardization(torch.stack(crops))).numpy()
    ours = encoder.encode(encoder.align(pixels, points))
    assert (ours * theirs).sum(axis=1) == pytest.approx(np.ones(len(faces)), abs=1e-3)  # a grey level here and there


@needs_facenet
def test_the_old_format_of_the_published_files_is_read_too(
    weights: Path, state: dict[str, Any], tmp_path: Path
) -> None:
    old = tmp_path / "old.pt"
    importlib.import_module("torch").save(state, old, _use_new_zipfile_serialization=False)
    chips = blobs(2)
    assert (FacenetEncoder(old).encode(chips) == FacenetEncoder(weights).encode(chips)).all()


@needs_facenet
def test_nothing_is_cached_and_nothing_is_written(weights: Path, tmp_path: Path) -> None:
    FacenetEncoder(weights).encode(noise(1, 160, 160, 3))
    with pytest.raises(WeightsError):
        _unloaded(tmp_path).encode(noise(1, 160, 160, 3))
    assert not Path(os.environ["XDG_CACHE_HOME"]).exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["none.pt"]
    assert [path.name for path in weights.parent.iterdir()] == ["random.pt"]


class Bomb:
    """A pickle that makes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_the_bomb_of_the_next_test_is_one(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Bomb(tmp_path / "went off")))
    assert (tmp_path / "went off").is_dir()


@needs_facenet
@pytest.mark.parametrize("kind", ["pickle", "torch", "old torch"])
def test_a_pickle_that_would_run_something_is_refused_and_runs_nothing(tmp_path: Path, kind: str) -> None:
    torch = importlib.import_module("torch")
    path, marker = tmp_path / "foreign.pt", tmp_path / "went off"
    if kind == "pickle":
        path.write_bytes(pickle.dumps({"last_bn.weight": Bomb(marker)}))
    else:
        torch.save({"last_bn.weight": Bomb(marker)}, path, _use_new_zipfile_serialization=kind == "torch")
    with pytest.raises(WeightsError, match="cut off, damaged or no file of PyTorch weights") as error:
        FacenetEncoder(path).encode(noise(1, 160, 160, 3))
    assert one_line(error).startswith(f"{path}: ")
    assert not marker.exists()


@needs_facenet
def test_a_file_that_is_cut_off_or_another_kind_of_file_is_named_with_its_cure(weights: Path, tmp_path: Path) -> None:
    whole = weights.read_bytes()
    path = tmp_path / "bad.pt"
    for content in (
        b"",
        b"not weights",
        whole[:1000],
        whole[: len(whole) // 2],
        whole[:-5000],
        b"PK\x03\x04" + bytes(99),
    ):
        path.write_bytes(content)
        encoder = FacenetEncoder(path)
        for _ in range(2):  # and it stays so
            with pytest.raises(WeightsError, match="cut off, damaged or no file of PyTorch weights") as error:
                encoder.encode(noise(1, 160, 160, 3))
            assert one_line(error).startswith(f"{path}: ")


@needs_facenet
def test_weights_of_another_network_are_refused_with_the_tensor_that_tells(
    state: dict[str, Any], tmp_path: Path
) -> None:
    torch = importlib.import_module("torch")
    path = tmp_path / "other.pt"
    without = {name: value for name, value in state.items() if name != "last_linear.weight"}
    cases: list[tuple[object, str]] = [
        (without, "another network (last_linear.weight is missing)"),
        ({**state, "extra.bias": torch.zeros(2)}, "another network (extra.bias is too many)"),
        ({**state, "last_bn.bias": torch.zeros(128)}, "another network (last_bn.bias is (128,), not (512,))"),
        ({}, "another network (conv2d_1a.conv.weight is missing)"),
        ({3: torch.zeros(1)}, "another network (conv2d_1a.conv.weight is missing)"),
        ({"epoch": 3, "state_dict": state}, "PyTorch's, but no state dict"),
        ([torch.zeros(3)], "PyTorch's, but no state dict"),
        (torch.zeros(3), "PyTorch's, but no state dict"),
    ]
    for content, words in cases:
        torch.save(content, path)
        with pytest.raises(WeightsError) as error:
            FacenetEncoder(path).encode(noise(1, 160, 160, 3))
        text = one_line(error)
        assert text.startswith(f"{path}: ")
        assert words in text


@needs_facenet
def test_weights_that_are_no_numbers_are_refused_when_they_encode(state: dict[str, Any], tmp_path: Path) -> None:
    torch = importlib.import_module("torch")
    path = tmp_path / "nan.pt"
    torch.save({**state, "last_bn.bias": torch.full((512,), math.nan)}, path)
    with pytest.raises(WeightsError, match="damaged: it does not give 512 numbers") as error:
        FacenetEncoder(path).encode(noise(1, 160, 160, 3))
    one_line(error)


@needs_facenet
def test_a_file_that_was_exchanged_does_not_encode_under_the_first_ones_name(weights: Path, tmp_path: Path) -> None:
    path = tmp_path / "own.pt"
    path.write_bytes(b"first")
    encoder = FacenetEncoder(path)
    path.write_bytes(weights.read_bytes())
    with pytest.raises(WeightsError, match="has become another file"):
        encoder.encode(noise(1, 160, 160, 3))
    path.unlink()
    with pytest.raises(WeightsError, match="is missing"):
        encoder.encode(noise(1, 160, 160, 3))


@needs_facenet
def test_chips_of_another_kind_are_refused(weights: Path) -> None:
    encoder = FacenetEncoder(weights)
    for wrong in (noise(1, 112, 112, 3), noise(1, 160, 160, 3).astype(np.float32)):
        with pytest.raises(ValueError, match="chips must be uint8"):
            encoder.encode(wrong)  # type: ignore[arg-type]


@needs_facenet
def test_a_gpu_too_small_for_a_batch_encodes_halves_of_it(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = FacenetEncoder(weights)
    chips = blobs(9)
    expected = encoder.encode(chips)
    network = encoder.model
    sizes: list[int] = []

    def small(pixels: Any) -> Any:
        sizes.append(len(pixels))
        if len(pixels) > 3:
            raise RuntimeError("CUDA out of memory")
        return network(pixels)

    on_device = facenet._memory_of
    monkeypatch.setattr(facenet, "_memory_of", lambda _: on_device(Device("cuda", "")))
    vars(encoder)["model"] = small
    assert encoder.encode(chips) == pytest.approx(expected, abs=1e-5)
    assert sizes == [9, 4, 2, 2, 2, 2, 1]
