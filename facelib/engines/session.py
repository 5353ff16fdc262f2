"""Files of ONNX models: read, checked by digest, opened; and what a file says of itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facelib.engines.base import RGB
from facelib.engines.providers import Session, choose
from facelib.errors import WeightsError

CURE = "take the file from its publisher again (facelib models fetch NAME, or facelib models add FOLDER)"

Floats = NDArray[np.float32]

Shape = tuple[int | None, ...]
"""Sizes of a tensor; None where a size is free."""


@dataclass(frozen=True, slots=True)
class Model:
    """An open model with one picture as its input."""

    session: Session
    input_name: str
    input_shape: Shape
    output_shapes: tuple[Shape, ...]
    first_operators: frozenset[str]  # what the picture goes through before the first convolution

    def run(self, pixels: Floats) -> list[Floats]:
        """All outputs for a batch of pictures."""
        return self.session.run(**{self.input_name: pixels})


def load(weights: Path, digest: str | None = None, provider: str = "cpu") -> Model:
    """Open the model file `weights`, whose SHA-256 has to be `digest` where that is given.

    Raises WeightsError where the file is missing, cut off, another one, or no model that takes pictures; EngineError where
    `provider` is not installed. The bytes that were hashed are the ones that run: no file can be exchanged in between.
    """
    try:
        data = weights.read_bytes()
    except OSError as error:
        raise unreadable(weights, error) from error
    if digest is not None and (found := hashlib.sha256(data).hexdigest()) != digest:
        problem = f"cut off, damaged or another file: its SHA-256 is {found[:12]}..., not {digest[:12]}..."
        raise WeightsError(weights, problem, CURE)
    provider = choose(provider)  # its own error, before everything else is taken for the file's fault
    try:
        session = Session(data, provider)
    except Exception as error:  # ONNX Runtime's exceptions have no base of their own
        raise WeightsError(weights, "cut off, damaged or no ONNX model", CURE) from error
    inputs, outputs = session.inputs, session.outputs
    if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(inputs[0].shape) != 4:
        raise WeightsError(weights, "an ONNX model, but none that takes pictures", CURE)
    name, shapes = inputs[0].name, tuple(_shape(one.shape) for one in outputs)
    return Model(session, name, _shape(inputs[0].shape), shapes, _first_operators(data, name))


def file_digest(weights: Path) -> str:
    """The SHA-256 of a model file. Raises WeightsError where it cannot be read."""
    try:
        with weights.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(weights, error) from error


def unreadable(weights: Path, error: OSError) -> WeightsError:
    """The error for a model file that the system does not hand out."""
    if isinstance(error, FileNotFoundError):
        return WeightsError(weights, "is missing", CURE)
    return WeightsError(weights, f"cannot be read: {error.strerror or error}", CURE)


def checked(image: RGB) -> RGB:
    """`image` itself, contiguous. Raises ValueError where it is no uint8 (rows, columns, 3)."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ValueError(f"an image must be uint8 (rows, columns, 3), not {image.dtype} {image.shape}")
    return np.ascontiguousarray(image)


def five_points(landmarks: Any) -> NDArray[np.float64]:
    """Landmarks of faces as (n, 5, 2), n perhaps 0. Raises ValueError where no face can be aligned by them."""
    points = np.asarray(landmarks, np.float64)
    if not points.size:
        return np.zeros((0, 5, 2))
    if points.shape[1:] != (5, 2):
        raise ValueError(f"landmarks must be (n, 5, 2), not {points.shape}")
    # 2**20 is beyond any picture.
    if not (np.abs(points) < 2**20).all() or (np.ptp(points, axis=1) == 0).all(axis=1).any():
        raise ValueError("landmarks must be finite pixels, and of one face not all in one place")
    return points


def _shape(sizes: Sequence[Any]) -> Shape:
    return tuple(size if isinstance(size, int) and size > 0 else None for size in sizes)


# ------------------------------------------------------------------------------------------- the graph in the file


def _first_operators(data: bytes, picture: str) -> frozenset[str]:
    """The operators between the input and the first convolution.

    ONNX Runtime does not tell the graph, and the package `onnx` would be 20 MB for it. Field numbers of onnx.proto, which are
    never changed: ModelProto.graph 7; GraphProto.node 1; NodeProto.input 1, output 2, op_type 4. Nodes are in the order
    in which they are computed.
    """
    flowing = {picture.encode()}
    found: set[str] = set()
    for field, graph in _fields(memoryview(data)):
        if field != 7:
            continue
        for kind, node in _fields(graph):
            if kind != 1:
                continue
            parts: dict[int, list[bytes]] = {1: [], 2: [], 4: []}
            for number, value in _fields(node):
                if number in parts:
                    parts[number].append(bytes(value))
            if flowing.isdisjoint(parts[1]):
                continue
            operator = parts[4][0].decode()
            if operator == "Conv":
                return frozenset(found)
            found.add(operator)
            flowing.update(parts[2])
    return frozenset(found)


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Number and bytes of each field of a Protocol Buffers message; numbers, which nobody here needs, are passed by."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        wire = key & 7
        if wire == 0:
            _, at = _varint(message, at)
            continue
        size, at = _varint(message, at) if wire == 2 else ({1: 8, 5: 4}[wire], at)
        yield key >> 3, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A number, seven bits to a byte and the lowest first, and where it ends."""
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at
