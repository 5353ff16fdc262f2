"""From one file to faces with encodings: decode, detect, align, encode, judge. Runs in a worker process.

Pixels are in memory once and never leave it; what goes back is an `Analysis`.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from facelib import images
from facelib.config import Config, EngineOptions
from facelib.engines import quality, registry
from facelib.engines.base import RGB, Detected, Engine
from facelib.errors import PhotoError, PhotoUnavailableError
from facelib.geometry import Point, clip_box, scale_box, scale_points
from facelib.models import ARCFACE_POINTS, Analysis, Box, Encoded, Face, Job, KnownFace, Quality
from facelib.picasa.join import fit

# Loaded models stay for the life of the worker process.
_engine = functools.lru_cache(maxsize=1)(registry.load)
# What Picasa's boxes have around a detector's, in shares of width and height: measured on 84 real ones with YuNet.
_MARGINS = (0.21, 0.20, 0.18, 0.10)
_ON_CPU = EngineOptions(runtime="onnx", provider="cpu")


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


def analyse(config: Config, job: Job) -> Analysis:
    """Do one job. A photo that cannot be read is a result; only an engine that cannot run raises (`FacelibError`)."""
    clock = _Clock()
    seconds = clock.seconds
    try:
        with images.open_photo(job.path, config.images, job.size, job.mtime_ns) as source:
            if not job.detect and not job.faces:
                return Analysis(job.photo_id, source.facts, seconds=seconds)
            engine = _engine(config.detect, config.encode, _ON_CPU if job.on_cpu else config.engine)
            work = _Work(source, engine, config, clock)
            faces = work.detect() if job.detect else None
            encoded = work.encode_known(job.faces)
            return Analysis(job.photo_id, source.facts, faces, encoded, engine=engine.says, seconds=seconds)
    except PhotoUnavailableError as error:
        return Analysis(job.photo_id, error=str(error), unavailable=True, seconds=seconds)
    except PhotoError as error:
        return Analysis(job.photo_id, error=str(error), seconds=seconds)
    except MemoryError:
        return Analysis(job.photo_id, error="there is not enough memory to search it", crashed=True, seconds=seconds)


@dataclass(frozen=True, slots=True)
class _Aligned:
    """A face with its points, in pixels of the full-size photo, its vector and how good it is."""

    landmarks: tuple[Point, ...]
    vector: bytes
    quality: Quality


@dataclass(frozen=True, slots=True)
class _Look:
    """Where a face is to be aligned: its box as a detector would draw it, and its points where they are known."""

    box: Box
    points: Sequence[Point] | None = None
    seen: bool = True  # False: no detector sees a face there


def look_inside(picture: RGB, box: Box, source: str, engine: Engine) -> _Look:
    """The face in a box that somebody drew into the picture, by a detector that looks at this part of it only.

    Where it sees none, a profile or the back of a head, the box stands for the face: Picasa's without its margins.
    """
    margin = max(box.width, box.height) // 2
    rows, columns = picture.shape[:2]
    part = clip_box(Box(box.left - margin, box.top - margin, box.right + margin, box.bottom + margin), columns, rows)
    (found,) = engine.detector.detect([np.ascontiguousarray(picture[part.top : part.bottom, part.left : part.right])])
    best, how_well = None, 0.0
    for face in found:
        there = Box(
            face.box.left + part.left, face.box.top + part.top, face.box.right + part.left, face.box.bottom + part.top
        )
        if (well := fit(box, there)) > how_well:
            points = None
            if face.landmarks and engine.encoder.landmark_kind == ARCFACE_POINTS:
                points = tuple((x + part.left, y + part.top) for x, y in face.landmarks)
            best, how_well = _Look(there, points), well
    if best is not None:
        return best
    left, top, right, bottom = _MARGINS if source == "picasa" else (0.0, 0.0, 0.0, 0.0)
    inner = Box(
        round(box.left + left * box.width),
        round(box.top + top * box.height),
        round(box.right - right * box.width),
        round(box.bottom - bottom * box.height),
    )
    return _Look(clip_box(inner, columns, rows), seen=False)


@dataclass(frozen=True, slots=True)
class _Work:
    """One open photo on its way through an engine."""

    source: images.Source
    engine: Engine
    config: Config
    clock: _Clock

    def detect(self) -> tuple[Face, ...]:
        """Find faces and encode them: left to right, top to bottom."""
        facts, options = self.source.facts, self.config.detect
        with self.clock.phase("decode"):
            canvas = self.source.shrunk(options.canvas, options.min_canvas)
        with self.clock.phase("detect"):
            found = self.engine.detector.detect([canvas])[0]
        to_full = facts.width / canvas.shape[1], facts.height / canvas.shape[0]
        faces = []
        for picture, group in self._pictures(canvas, found):
            zoom = picture.shape[1] / canvas.shape[1], picture.shape[0] / canvas.shape[0]
            boxes = [scale_box(face.box, *zoom) for face in group]
            points = [self._usable(face.landmarks, ARCFACE_POINTS, zoom) for face in group]
            full = [clip_box(scale_box(face.box, *to_full), facts.width, facts.height) for face in group]
            for face, box, aligned in zip(group, full, self._align(picture, boxes, points, full), strict=True):
                encodings = {self.engine.encoder.name: aligned.vector}
                kind = self.engine.encoder.landmark_kind
                faces.append(Face(box, face.score, face.detector, aligned.landmarks, kind, aligned.quality, encodings))
        return tuple(sorted(faces, key=lambda face: (face.box.left, face.box.top, face.box.right, face.box.bottom)))

    def _pictures(self, canvas: RGB, found: Sequence[Detected]) -> Iterator[tuple[RGB, list[Detected]]]:
        """The picture that each face is encoded from: the canvas, or a larger decode for those that are small on it."""
        options = self.config.encode
        longest, whole = max(canvas.shape[:2]), max(self.source.facts.width, self.source.facts.height)
        small = [face for face in found if face.box.width < options.min_face] if whole > longest else []
        large = [face for face in found if face not in small]
        if large:
            yield canvas, large
        if small:
            need = options.min_face / max(1, min(face.box.width for face in small))
            try:
                with self.clock.phase("decode"):
                    picture = self.source.at_least(min(round(longest * need), options.canvas))
            except PhotoUnavailableError:
                raise
            except PhotoError:  # the larger picture is over the budget, say; the faces are there all the same
                picture = canvas
            yield picture, small

    def encode_known(self, known: Sequence[KnownFace]) -> tuple[Encoded, ...]:
        """Encode faces of the database from their boxes and landmarks, on a picture as large as detection would have used."""
        if not known:
            return ()
        facts, options, searched = self.source.facts, self.config.encode, self.config.detect
        whole = max(facts.width, facts.height)
        with self.clock.phase("decode"):
            if whole <= searched.canvas:  # the very picture that would be searched
                picture = self.source.shrunk(searched.canvas, searched.min_canvas)
            else:
                enough = whole * options.min_face / max(1, min(face.box.width for face in known))
                picture = self.source.at_least(round(min(max(enough, searched.canvas), options.canvas)))
        zoom = picture.shape[1] / facts.width, picture.shape[0] / facts.height
        looks = [self._look(picture, face, zoom) for face in known]
        made = self._align(
            picture, [look.box for look in looks], [look.points for look in looks], [face.box for face in known]
        )
        encoder = self.engine.encoder
        return tuple(
            Encoded(
                face.face_id,
                one.landmarks,
                encoder.landmark_kind,
                one.quality if look.seen else quality.unseen(one.quality),
                encoder.name,
                one.vector,
            )
            for face, look, one in zip(known, looks, made, strict=True)
        )

    def _look(self, picture: RGB, face: KnownFace, zoom: tuple[float, float]) -> _Look:
        """Where to align a known face. A box that somebody else drew is searched: its frame is not a detector's."""
        box = scale_box(face.box, *zoom)
        points = self._usable(face.landmarks, face.landmark_kind, zoom)
        if face.source == "detector" or points:
            return _Look(box, points)
        with self.clock.phase("detect"):
            return look_inside(picture, box, face.source, self.engine)

    def _usable(
        self, landmarks: Sequence[Point] | None, kind: str | None, zoom: tuple[float, float]
    ) -> tuple[Point, ...] | None:
        """Landmarks in pixels of another picture; None where there are none, or others than the encoder aligns by."""
        return scale_points(landmarks, *zoom) if landmarks and kind == self.engine.encoder.landmark_kind else None

    def _align(
        self,
        picture: RGB,
        boxes: Sequence[Box],
        points: Sequence[Sequence[Point] | None],
        full: Sequence[Box],
    ) -> list[_Aligned]:
        """Faces of a picture, given by boxes and, where known, points in it; `full` are their boxes in the photo."""
        with self.clock.phase("landmarks"):
            landmarks = np.array(
                [
                    known or self.engine.landmarker.locate(picture, [box])[0]
                    for box, known in zip(boxes, points, strict=True)
                ],
                np.float32,
            )
        with self.clock.phase("encode"):
            chips = self.engine.encoder.align(picture, landmarks)
            vectors = self.engine.encoder.encode(chips)
        facts = self.source.facts
        to_full = facts.width / picture.shape[1], facts.height / picture.shape[0]
        return [
            _Aligned(
                scale_points(((float(x), float(y)) for x, y in marks), *to_full),
                np.ascontiguousarray(vector, "<f4").tobytes(),
                quality.measure(chip, marks, self.engine.encoder.landmark_kind, box.width),
            )
            for marks, vector, chip, box in zip(landmarks, vectors, chips, full, strict=True)
        ]
