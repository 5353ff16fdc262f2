"""From one file to faces with encodings: decode, detect, align, encode, judge. Runs in a worker process.

Pixels are in memory once and never leave it; what goes back is an `Analysis`.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Iterator, Sequence

import numpy as np

from facelib import images
from facelib.config import DetectOptions, ImageOptions
from facelib.engines import quality, registry
from facelib.engines.base import RGB, Detected, Engine
from facelib.errors import PhotoError, PhotoUnavailableError
from facelib.geometry import clip_box, scale_box, scale_points
from facelib.models import Analysis, Box, Face, Job

# Loaded models stay for the life of the worker process.
_engine = functools.lru_cache(maxsize=1)(registry.load)


class _Clock:
    """CPU seconds of this process by phase."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        began = time.process_time()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.process_time() - began


def analyse(image_options: ImageOptions, detect_options: DetectOptions, job: Job) -> Analysis:
    """Do one job. A photo that cannot be read is a result; only an engine that cannot run raises (`FacelibError`)."""
    clock = _Clock()
    try:
        with images.open_photo(job.path, image_options, job.size, job.mtime_ns) as source:
            faces: tuple[Face, ...] | None = None
            if job.detect:
                faces = _faces(source, _engine(detect_options), detect_options, clock)
            return Analysis(job.photo_id, source.facts, faces, seconds=clock.seconds)
    except PhotoUnavailableError as error:
        return Analysis(job.photo_id, error=str(error), unavailable=True, seconds=clock.seconds)
    except PhotoError as error:
        return Analysis(job.photo_id, error=str(error), seconds=clock.seconds)
    except MemoryError:
        return Analysis(
            job.photo_id, error="there is not enough memory to search it", crashed=True, seconds=clock.seconds
        )


def _faces(source: images.Source, engine: Engine, options: DetectOptions, clock: _Clock) -> tuple[Face, ...]:
    with clock.phase("decode"):
        canvas = source.shrunk(options.canvas)
    with clock.phase("detect"):
        found = engine.detector.detect([canvas])[0]
    faces: list[Face] = []
    for picture, group in _pictures(source, canvas, found, options, clock):
        faces += _encode(source, canvas, picture, group, engine, clock)
    # Left to right, top to bottom: the same order whichever picture a face was encoded from.
    return tuple(sorted(faces, key=lambda face: (face.box.left, face.box.top, face.box.right, face.box.bottom)))


def _pictures(
    source: images.Source, canvas: RGB, found: Sequence[Detected], options: DetectOptions, clock: _Clock
) -> Iterator[tuple[RGB, list[Detected]]]:
    """The picture that each face is encoded from: the canvas, or a larger decode for those that are small on it."""
    longest, whole = max(canvas.shape[:2]), max(source.facts.width, source.facts.height)
    small = [face for face in found if face.box.width < options.encode_min_face] if whole > longest else []
    large = [face for face in found if face not in small]
    if large:
        yield canvas, large
    if small:
        need = options.encode_min_face / max(1, min(face.box.width for face in small))
        with clock.phase("decode"):
            picture = source.at_least(min(round(longest * need), options.encode_canvas))
        yield picture, small


def _encode(
    source: images.Source, canvas: RGB, picture: RGB, found: Sequence[Detected], engine: Engine, clock: _Clock
) -> Iterator[Face]:
    """Align, encode and judge faces in a picture that may be larger than the canvas they were found on."""
    facts = source.facts
    zoom_x, zoom_y = picture.shape[1] / canvas.shape[1], picture.shape[0] / canvas.shape[0]
    with clock.phase("landmarks"):
        if all(face.landmarks is not None for face in found):
            landmarks = np.array([scale_points(face.landmarks or (), zoom_x, zoom_y) for face in found], np.float32)
        else:
            landmarks = engine.landmarker.locate(picture, [scale_box(face.box, zoom_x, zoom_y) for face in found])
    with clock.phase("encode"):
        chips = engine.encoder.align(picture, landmarks)
        vectors = engine.encoder.encode(chips)
    to_full = facts.width / picture.shape[1], facts.height / picture.shape[0]
    for face, points, vector, chip in zip(found, landmarks, vectors, chips, strict=True):
        box = _full_box(face.box, canvas, facts.width, facts.height)
        yield Face(
            box=box,
            score=face.score,
            detector=face.detector,
            landmarks=scale_points(((float(x), float(y)) for x, y in points), *to_full),
            quality=quality.measure(chip, points, box.width),
            encodings={engine.encoder.name: np.ascontiguousarray(vector, "<f4").tobytes()},
        )


def _full_box(box: Box, canvas: RGB, width: int, height: int) -> Box:
    return clip_box(scale_box(box, width / canvas.shape[1], height / canvas.shape[0]), width, height)
