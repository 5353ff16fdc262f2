"""What dlib's two face networks on ONNX Runtime promise: dlib's own results, and a clear error for anything else."""

from __future__ import annotations

import importlib.util
import os
import pickle
import random
import re
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import dlib
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from facelib.engines.dlib_dat import parse
from facelib.engines.dlib_graphs import build_detector, build_encoder, detector_model, encoder_model
from facelib.engines.dlib_native import face_chips
from facelib.engines.dlib_onnx import CnnDetector, ResnetEncoder, lay_out, tiled_pyramid
from facelib.engines.onnx_writer import is_sealed
from facelib.errors import WeightsError

DATA = Path(os.environ.get("FACELIB_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
PHOTOS = DATA / "group-photos"

Pixels = NDArray[np.uint8]
needs_photos = pytest.mark.skipif(not PHOTOS.is_dir(), reason=f"no photographs in {PHOTOS}; set FACELIB_DATA")


def _weights(name: str) -> Path:
    spec = importlib.util.find_spec("face_recognition_models")  # found, not imported: its import needs pkg_resources
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("face_recognition_models is not installed", allow_module_level=True)
    return Path(spec.submodule_search_locations[0]) / "models" / name


DETECTOR = _weights("mmod_human_face_detector.dat")
ENCODER = _weights("dlib_face_recognition_resnet_model_v1.dat")
LANDMARKS = _weights("shape_predictor_5_face_landmarks.dat")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def dlib_detector() -> Callable[..., list[dlib.mmod_rectangle]]:
    found: Callable[..., list[dlib.mmod_rectangle]] = dlib.cnn_face_detection_model_v1(str(DETECTOR))
    return found


def photo(name: str, crop: tuple[int, int, int, int] | None = None, scale: float = 1.0) -> Pixels:
    """A part (left, top, right, bottom) of a photograph, scaled, as RGB."""
    with Image.open(PHOTOS / name) as file:
        image = file.convert("RGB").crop(crop) if crop else file.convert("RGB")
    return np.array(image.resize((round(image.width * scale), round(image.height * scale))))


# ---- the detector


@needs_photos
@pytest.mark.parametrize(
    ("part", "upsample", "faces"),
    [
        (("dlib-faces/bald_guys.jpg", (300, 200, 801, 603), 1.0), 0, 3),
        (("dlib-faces/bald_guys.jpg", (351, 57, 652, 300), 1.0), 0, 3),  # faces cut by the edges
        (("dlib-faces/bald_guys.jpg", (75, 396, 376, 639), 1.0), 0, 1),
        (("dlib-faces/bald_guys.jpg", (91, 412, 392, 655), 0.45), 1, 2),
        (("human-samples/group-2.jpg", (0, 0, 401, 333), 0.53), 1, 1),
        (("dlib-faces/2008_001009.jpg", (0, 0, 47, 450), 1.0), 0, 0),  # tall and narrow
        (("dlib-faces/2008_001009.jpg", (0, 0, 333, 32), 1.0), 1, 0),  # as low as it may be
    ],
)
def test_detector_finds_the_boxes_and_scores_of_dlib(
    cache: Path,
    dlib_detector: Callable[..., list[dlib.mmod_rectangle]],
    part: tuple[str, tuple[int, int, int, int], float],
    upsample: int,
    faces: int,
) -> None:
    image = photo(*part)
    theirs = dlib_detector(image, upsample)
    (ours,) = CnnDetector(DETECTOR, cache, upsample=upsample).detect([image])
    assert [(face.box.left, face.box.top, face.box.right, face.box.bottom) for face in ours] == [
        (face.rect.left(), face.rect.top(), face.rect.right() + 1, face.rect.bottom() + 1) for face in theirs
    ]
    assert [face.score for face in ours] == pytest.approx([face.confidence for face in theirs], abs=1e-4)
    assert all(face.detector == "cnn" and face.landmarks is None for face in ours)
    assert len(ours) == faces


@needs_photos
def test_detector_gives_one_list_per_image_whatever_their_sizes(cache: Path) -> None:
    large, small = photo("dlib-faces/bald_guys.jpg", (300, 200, 801, 603)), np.zeros((40, 60, 3), np.uint8)
    detector = CnnDetector(DETECTOR, cache)
    found = detector.detect([small, large, small])
    assert [len(faces) for faces in found] == [0, 3, 0]
    assert found[1] == detector.detect([large])[0]
    assert detector.detect([]) == []


@needs_photos
def test_threshold_keeps_the_faces_with_a_higher_score(cache: Path) -> None:
    image = photo("dlib-faces/bald_guys.jpg", (300, 200, 801, 603))
    (faces,) = CnnDetector(DETECTOR, cache).detect([image])
    scores = [face.score for face in faces]
    assert scores == sorted(scores, reverse=True)
    (fewer,) = CnnDetector(DETECTOR, cache, threshold=scores[1]).detect([image])
    assert fewer == faces[:1]


@pytest.mark.parametrize(
    "shape", [(31, 400), (400, 31), (1, 1), (5, 5), (0, 7), (8, 200), (32, 32), (32, 700), (700, 32)]
)
def test_the_smallest_and_narrowest_images_have_no_faces(cache: Path, shape: tuple[int, int]) -> None:
    assert CnnDetector(DETECTOR, cache, upsample=1).detect([np.zeros((*shape, 3), np.uint8)]) == [[]]


@pytest.mark.parametrize(("shape", "kind"), [((64, 64), "uint8"), ((64, 64, 4), "uint8"), ((64, 64, 3), "float32")])
def test_images_that_are_not_rgb_bytes_are_refused(cache: Path, shape: tuple[int, ...], kind: str) -> None:
    with pytest.raises(ValueError, match="an image must be uint8"):
        CnnDetector(DETECTOR, cache).detect([np.zeros(shape, kind)])


@needs_photos
@pytest.mark.parametrize("band", [1, 7, 32, 40])
def test_bands_give_the_scores_of_a_single_run_to_the_bit(cache: Path, band: int) -> None:
    image = photo("human-samples/group-2.jpg", (101, 50, 402, 313))
    detector = CnnDetector(DETECTOR, cache)
    _, geometry = detector._loaded
    tiles = lay_out(image.shape[0], image.shape[1], geometry)
    pixels = tiled_pyramid(image, tiles, geometry)
    whole = detector.scores(pixels, 10_000)
    assert len(whole) > 80
    assert np.array_equal(detector.scores(pixels, band), whole)


@pytest.mark.parametrize("size", [(32, 32), (150, 150), (1201, 37), (37, 1201), (480, 641), (1080, 1920)])
def test_levels_lie_inside_of_the_picture_and_apart(cache: Path, size: tuple[int, int]) -> None:
    _, geometry = CnnDetector(DETECTOR, cache)._loaded
    tiles = lay_out(*size, geometry)
    taken = np.zeros((tiles.rows, tiles.columns), bool)
    for left, top, right, bottom in tiles.places:
        assert 0 <= left < right <= tiles.columns
        assert 0 <= top < bottom <= tiles.rows
        assert not taken[top:bottom, left:right].any()
        taken[top:bottom, left:right] = True


# ---- the encoder


@pytest.fixture(scope="module")
def faces() -> tuple[Pixels, list[dlib.full_object_detection]]:
    """A photograph and the landmarks of its faces."""
    if not PHOTOS.is_dir():
        pytest.skip(f"no photographs in {PHOTOS}; set FACELIB_DATA")
    image = photo("dlib-faces/bald_guys.jpg", (300, 200, 801, 603))
    predictor = dlib.shape_predictor(str(LANDMARKS))
    return image, [predictor(image, box) for box in dlib.get_frontal_face_detector()(image, 0)]


def points(shapes: list[dlib.full_object_detection]) -> NDArray[np.float64]:
    return np.array([[(part.x, part.y) for part in shape.parts()] for shape in shapes], np.float64)


def test_encoder_gives_the_numbers_of_dlib(cache: Path, faces: tuple[Pixels, list[dlib.full_object_detection]]) -> None:
    image, shapes = faces
    assert len(shapes) >= 2
    network = dlib.face_recognition_model_v1(str(ENCODER))
    theirs = np.array([network.compute_face_descriptor(image, shape) for shape in shapes])
    encoder = ResnetEncoder(ENCODER, cache, mirror=False)
    ours = encoder.encode(encoder.align(image, points(shapes) + 0.3))  # rounded back
    assert encoder.name == "dlib-resnet-v1"
    assert ours.dtype == np.float32
    assert ours.shape == (len(shapes), encoder.dimensions)
    assert np.abs(ours - theirs).max() < 1e-5


def test_mirror_averages_the_chip_and_its_mirror_image(
    cache: Path, faces: tuple[Pixels, list[dlib.full_object_detection]]
) -> None:
    image, shapes = faces
    network = dlib.face_recognition_model_v1(str(ENCODER))
    chips = [dlib.get_face_chip(image, shape, size=150, padding=0.25) for shape in shapes[:2]]
    theirs = [
        (np.array(network.compute_face_descriptor(chip)) + network.compute_face_descriptor(chip[:, ::-1].copy())) / 2
        for chip in chips
    ]
    encoder = ResnetEncoder(ENCODER, cache, mirror=True)
    assert encoder.name == "dlib-resnet-v1+mirror"
    assert np.abs(encoder.encode(encoder.align(image, points(shapes[:2]))) - np.array(theirs)).max() < 1e-5


def test_an_encoding_does_not_depend_on_the_faces_beside_it(
    cache: Path, faces: tuple[Pixels, list[dlib.full_object_detection]]
) -> None:
    image, shapes = faces
    encoder = ResnetEncoder(ENCODER, cache)
    many = encoder.encode(encoder.align(image, np.tile(points(shapes[:2]), (10, 1, 1))))
    assert len(many) == 20
    assert np.abs(many - np.tile(encoder.encode(encoder.align(image, points(shapes[:2]))), (10, 1))).max() < 1e-6


def test_extreme_pixels_encode_as_with_dlib(cache: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (150, 150, 3), np.uint8)
    network = dlib.face_recognition_model_v1(str(ENCODER))
    encoder = ResnetEncoder(ENCODER, cache, mirror=False)
    for chip in (noise, np.zeros_like(noise), np.full_like(noise, 255)):
        ours = encoder._encode(chip[None])[0]
        assert np.abs(ours - np.array(network.compute_face_descriptor(chip))).max() < 1e-5


@pytest.mark.parametrize("shape", [(0, 5, 2), (0,)])
def test_no_faces_have_no_encodings(tmp_path: Path, shape: tuple[int, ...]) -> None:
    encoder = ResnetEncoder(tmp_path / "nothing.dat", tmp_path)
    out = encoder.encode(encoder.align(np.zeros((40, 40, 3), np.uint8), np.zeros(shape)))
    assert out.shape == (0, 128)
    assert out.dtype == np.float32


@pytest.mark.parametrize(
    ("shape", "value"), [((1, 68, 2), 0), ((5, 2), 0), ((1, 5, 2), np.nan), ((1, 5, 2), 7), ((1, 5, 2), 1e12)]
)
def test_landmarks_without_a_face_in_them_are_refused(cache: Path, shape: tuple[int, ...], value: float) -> None:
    bad = np.full(shape, value) * (np.arange(shape[-2])[:, None] if value > 10 else 1)
    with pytest.raises(ValueError, match="landmarks must be"):
        ResnetEncoder(ENCODER, cache).align(np.zeros((40, 40, 3), np.uint8), bad)


@pytest.mark.parametrize("reach", [1, 30, 3000, 2**20 - 1])
def test_faces_larger_or_smaller_than_the_image_have_a_chip(reach: int) -> None:
    corners = np.array([[[reach, 0], [reach, 0], [0, 0], [0, 0], [reach // 2, reach]]], np.float64)
    assert face_chips(np.zeros((40, 40, 3), np.uint8), corners).shape == (1, 150, 150, 3)


# ---- bytes that are not the weights


def cut(data: bytes) -> Iterator[bytes]:
    """Truncations: at every early byte, at random, and just before the end."""
    chance = random.Random(1)
    sizes = [*range(200), *(chance.randrange(len(data)) for _ in range(100)), *range(len(data) - 20, len(data))]
    return (data[:size] for size in sizes)


def flipped(data: bytes, count: int) -> Iterator[bytes]:
    """One or a few bits flipped where they hurt: in the header and around the names of the layers."""
    chance = random.Random(2)
    places = [*range(150)]
    for name in re.finditer(rb"(con_|affine_|bn_con|relu_|max_pool|avg_pool|add_prev|fc_2)", data):
        places += range(max(0, name.start() - 60), min(len(data), name.end() + 30))
    for _ in range(count):
        broken = bytearray(data)
        for place in chance.sample(places, chance.choice((1, 1, 1, 4))):
            broken[place] ^= 1 << chance.randrange(8)
        yield bytes(broken)


@pytest.mark.parametrize("weights", [DETECTOR, ENCODER], ids=["detector", "encoder"])
def test_a_truncated_file_is_a_weights_error_at_any_length(weights: Path) -> None:
    for data in cut(weights.read_bytes()):
        with pytest.raises(WeightsError):
            parse(data, weights)


@pytest.mark.parametrize(("weights", "count"), [(DETECTOR, 400), (ENCODER, 40)], ids=["detector", "encoder"])
def test_flipped_bits_are_read_or_refused_but_never_worse(weights: Path, count: int) -> None:
    build = build_detector if weights == DETECTOR else build_encoder
    refused = 0
    for data in flipped(weights.read_bytes(), count):
        try:
            build(parse(data, weights), weights)
        except WeightsError:
            refused += 1
    assert refused > count // 3


def test_a_tensor_that_claims_to_be_immense_takes_no_memory() -> None:
    data = DETECTOR.read_bytes()
    place = data.index(b"con_4") + len(b"con_4")
    huge = data[:place] + b"\x01\x02" + b"\x04\xff\xff\xff\x7f" * 4 + data[place:]
    tracemalloc.start()
    try:
        with pytest.raises(WeightsError, match="ends early"):
            parse(huge, DETECTOR)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_levels_without_end_and_bytes_after_the_end_are_refused() -> None:
    data = DETECTOR.read_bytes()
    place = data.index(b"\x01\x17input_rgb_image_pyramid")
    with pytest.raises(WeightsError, match="too deeply"):
        parse(data[:place] + b"\x01\x02" * 100_000 + data[place:], DETECTOR)
    with pytest.raises(WeightsError, match="1 bytes follow"):
        parse(data + b"\0", DETECTOR)


def _foreign(kind: str) -> bytes:
    if kind == "flipped":  # one bit of one weight, which nothing but the digest can tell
        data = bytearray(DETECTOR.read_bytes())
        data[len(data) // 2] ^= 1
        return bytes(data)
    return {
        "empty": b"",
        "zeros": bytes(5000),
        "text": b"404: not found\n" * 40,
        "jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(3000),
        "landmarks": LANDMARKS.read_bytes()[:100_000],
        "encoder": ENCODER.read_bytes(),
        "half": DETECTOR.read_bytes()[:365_000],
    }[kind]


@pytest.mark.parametrize("kind", ["empty", "zeros", "text", "jpeg", "landmarks", "encoder", "half", "flipped"])
def test_a_foreign_file_is_a_weights_error_that_names_it_and_leaves_no_cache(tmp_path: Path, kind: str) -> None:
    weights, cache = tmp_path / "mmod.dat", tmp_path / "cache"
    weights.write_bytes(_foreign(kind))
    with pytest.raises(WeightsError) as caught:
        CnnDetector(weights, cache).detect([np.zeros((64, 64, 3), np.uint8)])
    message = str(caught.value)
    assert caught.value.path == weights
    assert message.startswith(f"{weights}: ")
    assert "pip install" in message
    assert "\n" not in message
    assert not cache.exists()


def test_a_file_that_is_not_there_is_a_weights_error(tmp_path: Path) -> None:
    chip = np.zeros((64, 64, 3), np.uint8)
    with pytest.raises(WeightsError, match="cannot be read: No such file"):
        ResnetEncoder(tmp_path / "none.dat", tmp_path).encode(chip[None])


def test_each_network_is_refused_in_place_of_the_other() -> None:
    with pytest.raises(WeightsError, match="not the face encoder"):
        build_encoder(parse(DETECTOR.read_bytes(), DETECTOR), DETECTOR)
    with pytest.raises(WeightsError, match="not the face detector"):
        build_detector(parse(ENCODER.read_bytes(), ENCODER), ENCODER)


def test_a_weights_error_comes_back_whole_from_another_process() -> None:
    error = WeightsError(Path("a: b; c.dat"), "it ends early; twice")
    again = pickle.loads(pickle.dumps(error))
    assert (again.path, str(again)) == (error.path, str(error))


# ---- the cache


@pytest.mark.parametrize("weights", [DETECTOR, ENCODER], ids=["detector", "encoder"])
def test_the_model_is_built_once_and_kept_whole(tmp_path: Path, weights: Path) -> None:
    cache = tmp_path / "new" / "cache"
    make = detector_model if weights == DETECTOR else encoder_model
    model = make(weights, cache)
    (place,) = cache.iterdir()
    assert place.read_bytes() == model
    assert is_sealed(model)
    before = place.stat()
    assert make(weights, cache) == model
    assert place.stat().st_ino == before.st_ino  # not written again


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b"",
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: data + b"\0",
        lambda data: b"\0" * len(data),
        lambda data: data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :],
    ],
    ids=["empty", "one byte less", "half", "one byte more", "zeros", "a flipped bit"],
)
def test_a_spoilt_cache_is_built_again(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    model = detector_model(DETECTOR, tmp_path)
    (place,) = tmp_path.iterdir()
    place.write_bytes(spoil(model))
    assert detector_model(DETECTOR, tmp_path) == model
    assert [file.name for file in tmp_path.iterdir()] == [place.name]
    assert place.read_bytes() == model


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_bytes(b"in the way")
    assert is_sealed(detector_model(DETECTOR, blocked / "cache"))
    assert is_sealed(detector_model(DETECTOR, blocked))
