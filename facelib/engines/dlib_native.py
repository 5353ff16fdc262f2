"""dlib's own detectors, landmarks and encoder: the reference that everything else is compared with.

The numbers are those of face_recognition 1.3.0, which calls the same functions with the same arguments; a test holds it.
dlib is imported in this file only.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import dlib
import numpy as np
from numpy.typing import NDArray

from facelib.engines import weights
from facelib.engines.base import RGB, Chips, Detected, Points, Vectors
from facelib.errors import DeviceMemoryError, EngineError, is_memory_error
from facelib.models import DLIB_POINTS, Box

CHIP_SIZE = 150  # pixels; what the encoder was trained on (dlib, dnn_face_recognition_ex.cpp)
CHIP_PADDING = 0.25
# Below this dlib's network has no room for one window and raises; no face is that small either.
_MIN_CNN_SIDE = 32
# With CUDA: each side of a canvas is a multiple of this, so that photos shrunk to 1200 px need three of them (4:3 lying and
# standing, and square); and so many pictures go together, which with one upsampling take some 6 GB.
_CANVAS_STEP = 300
_BATCH = 8


class HogDetector:
    """dlib's frontal face detector: HOG features, five linear filters, 80 px window (40 px with one upsampling)."""

    def __init__(self, upsample: int = 1) -> None:
        self.name = f"hog-1 up={upsample}"
        self._upsample = upsample

    @cached_property
    def _model(self) -> Any:
        return dlib.get_frontal_face_detector()

    def detect(self, images: Sequence[RGB]) -> list[list[Detected]]:
        """The faces of each picture, surest first; scores are the margins of the best filter."""
        return [self._one(image) for image in images]

    def _one(self, image: RGB) -> list[Detected]:
        rectangles, scores, _ = self._model.run(image, self._upsample, 0.0)
        return [Detected(_box(r), float(score), "hog") for r, score in zip(rectangles, scores, strict=True)]


class CnnDetector:
    """dlib's MMOD network (arXiv 1502.00046): on a CPU 7 CPU-seconds and 900 MB per megapixel, one picture at a time.

    A dlib with CUDA chooses its algorithms anew for each size of picture, and takes batches of one size: there pictures are
    laid on black canvases of a few sizes, and those of one size go together. What is on the canvas beside the picture changes
    scores near its edge a little.
    """

    def __init__(self, upsample: int = 0, *, batches: bool | None = None) -> None:
        """`batches`: whether to work as for CUDA; by default, whether dlib has it and a device."""
        self.name = f"cnn-1 up={upsample}"
        self._upsample = upsample
        self._batches = has_gpu() if batches is None else batches

    @cached_property
    def _model(self) -> Any:
        return _load(dlib.cnn_face_detection_model_v1, weights.MMOD)

    def detect(self, images: Sequence[RGB]) -> list[list[Detected]]:
        """The faces of each picture, surest first."""
        found: list[list[Detected]] = [[] for _ in images]
        for numbers in self._groups(images):
            canvases = [_on_canvas(images[n]) if self._batches else images[n] for n in numbers]
            for number, faces in zip(numbers, self._run(canvases), strict=True):
                found[number] = [Detected(_box(d.rect), float(d.confidence), "cnn") for d in faces]
        return found

    def _groups(self, images: Sequence[RGB]) -> list[list[int]]:
        """Which pictures go into the network together."""
        large = [n for n, image in enumerate(images) if min(image.shape[:2]) >= _MIN_CNN_SIDE]
        if not self._batches:
            return [[n] for n in large]
        sizes: dict[tuple[int, int], list[int]] = {}
        for n in large:
            sizes.setdefault(_canvas_size(images[n]), []).append(n)
        return [group[i : i + _BATCH] for group in sizes.values() for i in range(0, len(group), _BATCH)]

    def _run(self, images: list[RGB]) -> list[Any]:
        """What dlib finds in pictures of one size; in halves when a GPU's memory is not enough for all."""
        try:
            with _device_memory():
                return list(self._model(images, self._upsample, batch_size=len(images)))
        except DeviceMemoryError:
            if len(images) == 1:
                raise
            half = len(images) // 2
            return [*self._run(images[:half]), *self._run(images[half:])]


class FivePointLandmarks:
    """dlib's 5-point predictor: outer and inner corner of the eye on the picture's right, the same of the left, nose."""

    @cached_property
    def _model(self) -> Any:
        return _load(dlib.shape_predictor, weights.LANDMARKS_5)

    def locate(self, image: RGB, boxes: Sequence[Box]) -> Points:
        """(len(boxes), 5, 2) in pixels of `image`; whole numbers, as dlib gives them."""
        points = np.zeros((len(boxes), 5, 2), np.float32)
        for i, box in enumerate(boxes):
            shape = self._model(image, dlib.rectangle(box.left, box.top, box.right - 1, box.bottom - 1))
            points[i] = [(part.x, part.y) for part in shape.parts()]
        return points


class ResnetEncoder:
    """dlib_face_recognition_resnet_model_v1: 128 numbers per face; one person within a Euclidean distance of 0.6."""

    dimensions = 128
    landmark_kind = DLIB_POINTS

    def __init__(self, mirror: bool = False) -> None:
        self.name = "dlib-resnet-v1+mirror" if mirror else "dlib-resnet-v1"
        self._mirror = mirror

    @cached_property
    def _model(self) -> Any:
        return _load(dlib.face_recognition_model_v1, weights.RESNET)

    def align(self, image: RGB, landmarks: Points) -> Chips:
        """The aligned faces, (n, 150, 150, 3)."""
        return face_chips(image, landmarks)

    def encode(self, chips: Chips) -> Vectors:
        """(n, 128), without jitter: bit for bit what face_recognition's `face_encodings` gives with the small model."""
        if not len(chips):
            return np.zeros((0, self.dimensions), np.float32)
        with _device_memory():
            vectors: Vectors = np.array(self._model.compute_face_descriptor(list(chips)), np.float32)
            if self._mirror:
                turned = [np.ascontiguousarray(chip[:, ::-1]) for chip in chips]
                mirrored = np.array(self._model.compute_face_descriptor(turned), np.float32)
                vectors = (vectors + mirrored) * np.float32(0.5)
        return vectors


def face_chips(image: RGB, landmarks: Points) -> Chips:
    """Cut faces out upright and of one size (dlib.get_face_chips): (n, 150, 150, 3).

    Landmarks, (n, 5, 2), are rounded to whole pixels, as dlib's are. Raises ValueError where they are of another shape, not
    finite or all in one place.
    """
    points = np.asarray(landmarks, np.float64)
    if points.shape[1:] != (5, 2) and points.size:
        raise ValueError(f"landmarks must be (n, 5, 2), not {points.shape}")
    if not points.size:
        return np.zeros((0, CHIP_SIZE, CHIP_SIZE, 3), np.uint8)
    # 2**20 is beyond any image; dlib would ask for memory without end where a face is immensely large.
    if not (np.abs(points) < 2**20).all() or (np.ptp(np.rint(points), axis=1) == 0).all(axis=1).any():
        raise ValueError("landmarks must be finite pixels, and of one face not all in one place")
    faces = dlib.full_object_detections()
    for face in np.rint(points).astype(int).tolist():
        # The rectangle is not looked at: the chip's place follows from the landmarks (get_face_chip_details).
        faces.append(dlib.full_object_detection(dlib.rectangle(), [dlib.point(x, y) for x, y in face]))
    return np.stack(dlib.get_face_chips(image, faces, size=CHIP_SIZE, padding=CHIP_PADDING))


def resize(image: NDArray[Any], rows: int, columns: int) -> Any:
    """dlib.resize_image, bilinear, to the last bit what dlib's own pyramids are made with."""
    return dlib.resize_image(image, rows, columns)


def has_gpu() -> bool:
    """Whether this dlib computes on a GPU."""
    return bool(dlib.DLIB_USE_CUDA) and dlib.cuda.get_num_devices() > 0


def version() -> str:
    """dlib's version, and whether it computes on a GPU."""
    # Only DLIB_USE_CUDA tells: cuda.get_num_devices() answers 1 without CUDA too (face_recognition issue 796).
    cuda = f"CUDA, {dlib.cuda.get_num_devices()} device(s)" if dlib.DLIB_USE_CUDA else "without CUDA"
    return f"{dlib.__version__}, {cuda}"


def _canvas_size(image: RGB) -> tuple[int, int]:
    rows, columns = (-(-side // _CANVAS_STEP) * _CANVAS_STEP for side in image.shape[:2])
    return rows, columns


def _on_canvas(image: RGB) -> RGB:
    canvas = np.zeros((*_canvas_size(image), 3), np.uint8)
    canvas[: image.shape[0], : image.shape[1]] = image
    return canvas


def _box(r: Any) -> Box:
    return Box(r.left(), r.top(), r.right() + 1, r.bottom() + 1)  # dlib's right and bottom are inclusive


@contextlib.contextmanager
def _device_memory() -> Iterator[None]:
    """dlib's RuntimeError for a failed cudaMalloc as `DeviceMemoryError`; after it nothing more works in this process."""
    try:
        yield
    except RuntimeError as error:
        if dlib.DLIB_USE_CUDA and is_memory_error(error):
            raise DeviceMemoryError(f"dlib: {str(error).splitlines()[0]}") from error
        raise


def _load(model: Any, name: str) -> Any:
    path = weights.find(name)
    try:
        return model(str(path))
    except RuntimeError as error:
        weights.verify(name)  # names the file and the cure when that is the reason
        raise EngineError(f"dlib cannot load {path}: {error}") from error
