"""SCRFD, YuNet and ArcFace: what they find in real photographs, and what they make of models and files of other shapes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from conftest import DATA, needs
from numpy.typing import NDArray

from facelib import images
from facelib.config import ImageOptions
from facelib.engines import arcface, packs, scrfd, square, yunet
from facelib.engines.arcface import ArcfaceEncoder, DetectorLandmarks
from facelib.engines.base import RGB, Detected, Detector
from facelib.engines.dlib_native import FivePointLandmarks, resize
from facelib.engines.onnx_writer import FLOAT, Graph
from facelib.engines.scrfd import ScrfdDetector
from facelib.engines.yunet import YunetDetector
from facelib.errors import EngineError, WeightsError
from facelib.models import Box

MODELS = DATA / "models"
SCRFD, MOBILE, YUNET = (
    MODELS / name for name in ("det_500m.onnx", "MobileFaceNet.onnx", "face_detection_yunet_2023mar.onnx")
)

needs_models = needs("models")
needs_groups = needs("group-photos")
needs_lfw = needs("lfw")


def photo(path: Path, longest: int = 1200) -> tuple[RGB, float]:
    """A photograph, and how many of its own pixels one of these is."""
    with images.open_photo(str(path), ImageOptions()) as source:
        pixels = source.shrunk(longest)
        return pixels, source.facts.width / pixels.shape[1]


def lfw(name: str, number: str) -> RGB:
    return photo(DATA / "lfw" / name / f"{name}_{int(number):04}.jpg")[0]


def noise(*shape: int, seed: int = 0) -> RGB:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


# ---------------------------------------------------------------------------------------------------------- detectors


@needs_models
@needs_groups
@pytest.mark.parametrize(("make", "worst"), [(ScrfdDetector, 0.10), (YunetDetector, 0.15)])
def test_the_faces_of_group_photographs_are_found_with_their_landmarks(
    make: Callable[[Path], Detector], worst: float
) -> None:
    detector = make(SCRFD if make is ScrfdDetector else YUNET)
    truth = json.loads((DATA / "group-photos/gt.json").read_text())["photos"]
    found = total = extra = 0
    errors = []
    for name, said in truth.items():
        pixels, zoom = photo(DATA / "group-photos" / name)
        (faces,) = detector.detect([pixels])
        assert [face.score for face in faces] == sorted((face.score for face in faces), reverse=True)
        free = list(faces)
        for true in said["faces"]:
            total += 1
            hit = next((face for face in free if inside(face, true["box"], zoom)), None)
            if hit is not None:
                free.remove(hit)
                found += 1
                off = np.array(hit.landmarks) * zoom - np.array(true["kps"])
                errors.append(np.hypot(*off.T).mean() / (true["box"][2] - true["box"][0]))
        extra += sum(not any(inside(face, box, zoom) for box in said.get("ignore", ())) for face in free)
    assert total == 180
    assert found >= 177
    assert extra <= 1
    assert np.median(errors) < worst / 2  # of the face's width: the order of the points is right too
    assert np.quantile(errors, 0.95) < worst


def inside(face: Detected, box: Sequence[float], zoom: float) -> bool:
    x, y = (side * zoom for side in face.box.center)
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


@needs_models
@needs_lfw
@pytest.mark.parametrize("half", [125, 90, 70, 50])
def test_a_face_that_fills_the_picture_is_found(half: int) -> None:
    detector = ScrfdDetector(SCRFD)
    for name in ("Aaron_Peirsol", "Abdullah_Gul", "Adrien_Brody", "Al_Gore"):
        part = np.ascontiguousarray(lfw(name, "1")[125 - half : 125 + half, 125 - half : 125 + half])
        (faces,) = detector.detect([resize(part, 900, 900)])
        assert any(abs(face.box.center[0] - 450) < 150 for face in faces), name


@needs_models
def test_pictures_of_every_shape_are_taken_and_nothing_is_found_in_nothing() -> None:
    shapes = [(1, 1), (1, 900), (900, 1), (3, 2000), (31, 33), (640, 640)]
    for detector in (ScrfdDetector(SCRFD), YunetDetector(YUNET), ScrfdDetector(SCRFD, size=64)):
        assert detector.detect([]) == []
        assert detector.detect([np.zeros((*shape, 3), np.uint8) for shape in shapes]) == [[]] * len(shapes)
        for wrong in (np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3), np.float32), np.zeros((0, 9, 3), np.uint8)):
            with pytest.raises(ValueError, match="an image must be uint8"):
                detector.detect([wrong])  # type: ignore[list-item]


@needs_models
def test_the_name_of_a_detector_says_which_bytes_and_which_settings() -> None:
    assert ScrfdDetector(SCRFD).name == "scrfd-5e4447f50245 in=640 score=0.5"
    assert ScrfdDetector(SCRFD, size=320, threshold=0.25).name == "scrfd-5e4447f50245 in=320 score=0.25"
    assert YunetDetector(YUNET).name == "yunet-8f2383e4dd3c in=640 score=0.7"
    assert ArcfaceEncoder(MOBILE).name == "arcface-b7120c095d60"


@needs_models
def test_a_size_that_the_detector_cannot_have_is_refused_with_one_that_it_can() -> None:
    with pytest.raises(EngineError, match="multiple of 32, such as 640"):
        ScrfdDetector(SCRFD, size=500)
    with pytest.raises(EngineError, match="pictures of 640 pixels only"):
        YunetDetector(YUNET, size=320).detect([noise(50, 50, 3)])


def planted(landmarks: bool = True, batch: bool = False) -> list[NDArray[np.float32]]:
    """SCRFD's outputs for 64 pixels: one face, second anchor, stride 8, third column and fifth row."""
    widths, strides = (1, 4, 10) if landmarks else (1, 4), (8, 16, 32)
    outputs = [np.zeros(((64 // stride) ** 2 * 2, width), np.float32) for width in widths for stride in strides]
    place = (4 * 8 + 2) * 2 + 1
    outputs[0][place] = 0.9
    outputs[3][place] = (1, 2, 3, 4)
    if landmarks:
        outputs[6][place] = (-1, -1, 1, -1, 0, 0, -1, 1, 1, 1)
    return [one[None] for one in outputs] if batch else outputs


@pytest.mark.parametrize("batch", [False, True])
def test_scrfds_outputs_are_told_apart_by_shape_whatever_their_order(batch: bool) -> None:
    for seed in range(5):
        outputs = planted(batch=batch)
        np.random.default_rng(seed).shuffle(outputs)  # type: ignore[arg-type]
        found = scrfd.decode(outputs, 64, 0.5)
        assert found.boxes.tolist() == [[16 - 8, 32 - 16, 16 + 24, 32 + 32]]
        assert found.scores.tolist() == [np.float32(0.9)]
        assert found.landmarks is not None
        assert found.landmarks.tolist() == [[[8, 24], [24, 24], [16, 32], [8, 40], [24, 40]]]


def test_an_scrfd_without_landmarks_gives_boxes() -> None:
    found = scrfd.decode(planted(landmarks=False), 64, 0.5)
    assert found.landmarks is None
    (face,) = square.to_detected(found, square.letterbox(noise(64, 64, 3), 64, 64), "scrfd")
    assert (face.box, face.landmarks) == (Box(8, 16, 40, 64), None)


@pytest.mark.parametrize("wrong", [planted()[:5], [*planted(), planted()[0]], [one[:7] for one in planted()], []])
def test_outputs_that_are_not_scrfds_are_refused(wrong: list[NDArray[np.float32]]) -> None:
    with pytest.raises(ValueError, match="it has|an output has"):
        scrfd.decode(wrong, 64, 0.5)


def test_of_overlapping_boxes_the_surest_stays() -> None:
    boxes = np.array([(0, 0, 99, 99), (10, 0, 109, 99), (60, 0, 159, 99), (300, 300, 310, 310)], np.float32)
    assert square.suppress(boxes, 0.4) == [0, 2, 3]
    assert square.suppress(boxes[:0], 0.4) == []


@pytest.mark.parametrize("shape", [(480, 640), (640, 480), (100, 37), (2000, 1500), (5000, 400)])
def test_what_the_letterbox_shrinks_is_found_again_where_it_was(shape: tuple[int, int]) -> None:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    ramp = np.stack([columns * 255 / shape[1], rows * 255 / shape[0], rows * 0], axis=2).astype(np.uint8)
    letter = square.letterbox(ramp, 320, 320)
    for x, y in ((3, 3), (15, 200), (200, 15), (20, 20)):
        if not letter.pixels[y, x].any():
            continue  # black: outside of the picture
        there = np.array([x, y]) * letter.zoom + letter.origin
        value = letter.pixels[y, x, :2] / 255 * (shape[1], shape[0])
        assert np.abs(there - value).max() < max(shape) / 100


def test_yunets_class_and_object_scores_need_not_be_told_apart() -> None:
    outputs = []
    for width, value in ((1, 0.81), (1, 1.0), (4, 0.0), (10, 0.5)):
        for stride in (8, 16, 32):
            side = 64 // stride
            one = np.zeros((1, side * side, width), np.float32)
            if stride == 16:
                one[0, 6] = value  # third column, second row
            outputs.append(one)
    for order in (range(12), (3, 4, 5, 0, 1, 2, *range(6, 12))):
        found = yunet.decode([outputs[i] for i in order], 64, 0.5)
        assert found.scores.tolist() == pytest.approx([0.9])
        assert found.boxes.tolist() == [[32 - 8, 16 - 8, 32 + 8, 16 + 8]]
        assert found.landmarks is not None
        assert found.landmarks[0].tolist() == [[40, 24]] * 5
    with pytest.raises(ValueError, match="outputs"):
        yunet.decode(outputs[:9], 64, 0.5)


# ---------------------------------------------------------------------------------------------------------- alignment


def moved(points: NDArray[np.float64], turn: float, zoom: float, x: float, y: float) -> NDArray[np.float64]:
    cos, sin = np.cos(turn) * zoom, np.sin(turn) * zoom
    return points @ np.array([(cos, sin), (-sin, cos)]) + (x, y)


@pytest.mark.parametrize("turn", [0.0, 0.5, np.pi / 2, np.pi])
@pytest.mark.parametrize("zoom", [0.1, 1.0, 7.0])
def test_the_best_turn_scale_and_shift_are_found(turn: float, zoom: float) -> None:
    face = moved(arcface.TEMPLATE, turn, zoom, 40, -8)
    matrix, left_over = arcface.similarity(face, arcface.TEMPLATE)
    assert face @ matrix[:, :2].T + matrix[:, 2] == pytest.approx(arcface.TEMPLATE, abs=1e-6)
    assert left_over == pytest.approx(0, abs=1e-9)


def test_a_mirrored_face_is_turned_and_not_mirrored_back() -> None:
    matrix, left_over = arcface.similarity(arcface.TEMPLATE * (-1, 1), arcface.TEMPLATE)
    assert np.linalg.det(matrix[:, :2]) > 0
    assert left_over > 0.1


def drawn(turn: float, zoom: float) -> tuple[RGB, NDArray[np.float32]]:
    """A picture with a smooth pattern that is laid under the template by the points."""
    size = round(112 * zoom * 1.6)
    points = moved(arcface.TEMPLATE - 56, turn, zoom, size / 2, size / 2)
    back, _ = arcface.similarity(points, arcface.TEMPLATE)
    rows, columns = np.mgrid[:size, :size]
    places = np.stack([columns, rows], axis=-1) @ back[:, :2].T + back[:, 2]
    return pattern(places), points.astype(np.float32)


def pattern(places: NDArray[np.float64]) -> RGB:
    x, y = places[..., 0], places[..., 1]
    waves = [np.sin(x / 9) * 100 + 128, np.cos(y / 11) * 100 + 128, np.sin((x + y) / 13) * 100 + 128]
    return np.rint(np.stack(waves, axis=-1)).astype(np.uint8)


@pytest.mark.parametrize("turn", [0.0, 0.4, -2.0])
@pytest.mark.parametrize("zoom", [0.7, 1.0, 1.9, 2.3, 6.5])
def test_a_chip_shows_the_face_on_the_template_whatever_its_size_and_turn(turn: float, zoom: float) -> None:
    encoder = ArcfaceEncoder(Path("none"), digest="0" * 64, dimensions=128)
    picture, points = drawn(turn, zoom)
    (chip,) = encoder.align(picture, points[None])
    rows, columns = np.mgrid[:112, :112]
    expected = pattern(np.stack([columns, rows], axis=-1).astype(np.float64))
    difference = np.abs(chip.astype(int) - expected)
    assert difference.mean() < 2
    assert difference.max() < 12


def test_a_large_face_is_averaged_and_not_picked_at() -> None:
    encoder = ArcfaceEncoder(Path("none"), digest="0" * 64, dimensions=128)
    points = moved(arcface.TEMPLATE, 0, 8, 10, 10).astype(np.float32)[None]
    (chip,) = encoder.align(noise(1000, 1000, 3), points)
    assert chip.std() < 15  # bilinear sampling alone would leave 50 of the noise's 74


def test_beyond_the_edge_a_chip_is_black() -> None:
    encoder = ArcfaceEncoder(Path("none"), digest="0" * 64, dimensions=128)
    white = np.full((60, 60, 3), 255, np.uint8)
    (chip,) = encoder.align(white, arcface.TEMPLATE.astype(np.float32)[None])
    assert (chip[:59, :59] == 255).all()
    assert not chip[61:].any()
    (far,) = encoder.align(white, arcface.TEMPLATE.astype(np.float32)[None] + 5000)
    assert not far.any()


def test_landmarks_that_are_no_face_are_refused() -> None:
    encoder = ArcfaceEncoder(Path("none"), digest="0" * 64, dimensions=128)
    picture = noise(200, 200, 3)
    assert encoder.align(picture, np.zeros((0, 5, 2), np.float32)).shape == (0, 112, 112, 3)
    for wrong in (np.zeros((1, 5, 2)), np.full((1, 5, 2), np.nan), np.zeros((1, 68, 2)), np.full((1, 5, 2), 1e9)):
        with pytest.raises(ValueError, match="landmarks must be"):
            encoder.align(picture, wrong.astype(np.float32))


@needs_models
@needs_groups
def test_dlibs_five_points_are_told_from_insightfaces_and_refused_with_the_cure() -> None:
    encoder = ArcfaceEncoder(MOBILE)
    truth = json.loads((DATA / "group-photos/gt.json").read_text())["photos"]
    for name in list(truth)[:8]:
        pixels, zoom = photo(DATA / "group-photos" / name)
        boxes = [Box(*(round(side / zoom) for side in face["box"])) for face in truth[name]["faces"]]
        with pytest.raises(EngineError, match="needs a detector with landmarks"):
            encoder.align(pixels, FivePointLandmarks().locate(pixels, boxes))
    for said in truth.values():
        for face in said["faces"]:
            assert not arcface.are_dlibs(np.array([face["kps"]], np.float64))


@needs_models
@needs_groups
def test_faces_found_otherwise_get_their_landmarks_from_a_detector_around_the_box() -> None:
    locator = DetectorLandmarks(ScrfdDetector(SCRFD))
    truth = json.loads((DATA / "group-photos/gt.json").read_text())["photos"]
    name = next(iter(truth))
    pixels, _ = photo(DATA / "group-photos" / name, 4000)
    boxes = [Box(*map(round, face["box"])) for face in truth[name]["faces"]]
    off = locator.locate(pixels, boxes) - np.array([face["kps"] for face in truth[name]["faces"]], np.float32)
    widths = np.array([box.width for box in boxes])
    assert (np.hypot(off[..., 0], off[..., 1]).mean(axis=1) / widths).max() < 0.1
    (nowhere,) = locator.locate(np.zeros((300, 300, 3), np.uint8), [Box(100, 100, 200, 200)])
    assert nowhere[0].tolist() == pytest.approx([128, 140])  # the mean face
    assert locator.locate(pixels, []).shape == (0, 5, 2)


# ----------------------------------------------------------------------------------------------------------- encoding


def small_encoder(
    path: Path, *, batch: int | str = "n", channels_last: bool = False, normalise: bool = False, size: int = 112
) -> Path:
    """A recogniser in miniature: the mean of each channel over sixteen fields of the picture, 48 numbers."""
    graph = Graph("small")
    shape = [batch, size, size, 3] if channels_last else [batch, 3, size, size]
    value = graph.input("data", FLOAT, shape)
    if normalise:
        value = graph.node("Sub", [value, graph.constant(np.array([127.5], np.float32))])
        value = graph.node("Mul", [value, graph.constant(np.array([1 / 127.5], np.float32))])
    if channels_last:
        value = graph.node("Transpose", [value], perm=[0, 3, 1, 2])
    eye = np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1)
    value = graph.node("Conv", [value, graph.constant(eye)])
    value = graph.node("AveragePool", [value], kernel_shape=[28, 28], strides=[28, 28])
    graph.node("Flatten", [value], "vector")
    graph.output("vector", FLOAT, [batch, 48])
    path.write_bytes(graph.model({}))
    return path


@pytest.mark.parametrize("batch", ["n", 1, 4])
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("normalise", [False, True])
def test_the_layout_batch_and_normalisation_of_a_recogniser_are_its_files_own(
    tmp_path: Path, batch: int | str, channels_last: bool, normalise: bool
) -> None:
    path = small_encoder(tmp_path / "e.onnx", batch=batch, channels_last=channels_last, normalise=normalise)
    encoder = ArcfaceEncoder(path)
    assert encoder.dimensions == 48
    assert arcface.normalises(encoder.model) == normalise
    chips = noise(6, 112, 112, 3)
    fields = chips.reshape(6, 4, 28, 4, 28, 3).mean(axis=(2, 4)).transpose(0, 3, 1, 2).reshape(6, 48) / 127.5 - 1
    expected = fields / np.linalg.norm(fields, axis=1, keepdims=True)
    found = encoder.encode(chips)
    assert (found.dtype, found.shape) == (np.float32, (6, 48))
    assert np.abs(found - expected).max() < 1e-4
    assert encoder.encode(chips[:0]).shape == (0, 48)
    with pytest.raises(ValueError, match="chips must be uint8"):
        encoder.encode(chips[:, :100])


@needs_models
@needs_lfw
def test_on_pairs_of_lfw_the_same_person_is_told_from_another() -> None:
    detector, encoder = ScrfdDetector(SCRFD), ArcfaceEncoder(MOBILE)
    lines = [line.split() for line in (DATA / "lfw/pairs-dev.txt").read_text().splitlines()]
    same, other = [one for one in lines if len(one) == 3], [one for one in lines if len(one) == 4]
    vectors: dict[tuple[str, str], NDArray[np.float32]] = {}

    def vector(name: str, number: str) -> NDArray[np.float32]:
        if (name, number) not in vectors:
            pixels = lfw(name, number)
            (faces,) = detector.detect([pixels])
            face = min(faces, key=lambda one: np.hypot(one.box.center[0] - 125, one.box.center[1] - 125))
            chips = encoder.align(pixels, np.array([face.landmarks], np.float32))
            (vectors[name, number],) = encoder.encode(chips)
        return vectors[name, number]

    near = np.array([vector(a, i) @ vector(a, j) for a, i, j in same[:: len(same) // 50][:50]])
    far = np.array([vector(a, i) @ vector(b, j) for a, i, b, j in other[:: len(other) // 50][:50]])
    best = max(((near >= t).mean() + (far < t).mean()) / 2 for t in np.concatenate([near, far]))
    assert best > 0.97
    assert all(np.linalg.norm(one) == pytest.approx(1, abs=1e-5) for one in vectors.values())


# -------------------------------------------------------------------------------------------------------- wrong files


@pytest.mark.parametrize("make", [ScrfdDetector, YunetDetector, ArcfaceEncoder])
def test_a_missing_cut_off_or_foreign_file_is_named_in_one_line_with_its_cure(
    tmp_path: Path, make: Callable[..., ScrfdDetector | YunetDetector | ArcfaceEncoder]
) -> None:
    def use(path: Path, **options: str) -> None:
        made = make(path, **options)
        if isinstance(made, ArcfaceEncoder):
            made.encode(noise(1, 112, 112, 3))
        else:
            made.detect([noise(64, 64, 3)])

    whole = small_encoder(tmp_path / "whole.onnx", size=56).read_bytes()
    files = {"empty": b"", "cut": whole[: len(whole) // 2], "text": b"<html>not found</html>", "other": whole}
    for name, data in files.items():
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(data)
        with pytest.raises(WeightsError) as error:
            use(path)
        said = str(error.value)
        assert said.startswith(f"{path}: ")
        assert "facelib models" in said
        assert "\n" not in said
    with pytest.raises(WeightsError, match="is missing"):
        use(tmp_path / "nothing.onnx")
    with pytest.raises(WeightsError, match="cut off, damaged or another file: its SHA-256 is"):
        use(tmp_path / "whole.onnx", digest="0" * 64)


def test_a_folder_of_onnx_files_is_an_engine_without_being_added(tmp_path: Path) -> None:
    small_encoder(tmp_path / "own.onnx")
    pack = packs.read(tmp_path)
    assert pack.encoder is not None
    assert (pack.encoder.role, pack.encoder.dimensions, pack.free) == ("arcface", 48, False)
    assert packs.load_encoder(pack).encode(noise(2, 112, 112, 3)).shape == (2, 48)
    with pytest.raises(WeightsError, match="there is no face detector in it"):
        packs.load_detector(pack)


@needs_models
def test_a_pack_gives_its_detector_and_encoder() -> None:
    pack = packs.read(MODELS)
    assert packs.load_detector(pack).name == ScrfdDetector(SCRFD).name
    assert packs.load_detector(pack, size=320).name == "scrfd-5e4447f50245 in=320 score=0.5"
    assert packs.load_encoder(pack).dimensions == 128
    assert packs.encoder_name(pack) == packs.load_encoder(pack).name
    alone = packs.Pack("y", MODELS, tuple(item for item in pack.items if item.role == "yunet"))
    for one, sizes in ((pack, (None, 320, 1280)), (alone, (None,))):
        for size in sizes:
            assert packs.detector_name(one, size=size) == packs.load_detector(one, size=size).name
    assert ScrfdDetector(SCRFD).name == packs.detector_name(pack)  # the defaults of the classes are those of packs
    assert YunetDetector(YUNET).name == packs.detector_name(alone)
    assert pack.notice is not None
    assert "det_500m.onnx: for non-commercial research only" in pack.notice
