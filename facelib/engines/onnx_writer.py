"""Write ONNX models (opset 13, IR 8) without the `onnx` package.

The package would be a dependency of 20 MB, with protobuf and ml_dtypes behind it, for a dozen fields: a model is a
Protocol Buffers message, and such a message is only keys, lengths and bytes. Field numbers are those of onnx.proto
(onnx/onnx on GitHub); they are never changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

IR_VERSION = 8
OPSET = 13

# TensorProto.DataType
FLOAT, UINT8, INT64 = 1, 2, 7
_DATA_TYPES = {np.dtype(np.float32): FLOAT, np.dtype(np.uint8): UINT8, np.dtype(np.int64): INT64}

# AttributeProto.AttributeType
_INT, _STRING, _INTS = 2, 3, 7

# Protocol Buffers' wire types
_VARINT, _BYTES = 0, 2

Attribute = int | str | Sequence[int]


class Graph:
    """A graph that grows by one node at a time; values are known by their names."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes: list[bytes] = []
        self._initializers: list[bytes] = []
        self._inputs: list[bytes] = []
        self._outputs: list[bytes] = []
        self._count = 0

    def input(self, name: str, data_type: int, shape: Sequence[int | str]) -> str:
        """Declare an input; a dimension that is a string is a free one. Returns the name."""
        self._inputs.append(_value_info(name, data_type, shape))
        return name

    def output(self, name: str, data_type: int, shape: Sequence[int | str]) -> None:
        """Declare the value `name` to be an output."""
        self._outputs.append(_value_info(name, data_type, shape))

    def constant(self, array: NDArray[np.float32] | NDArray[np.int64]) -> str:
        """Add a weight; returns the name that it was given."""
        name = self._fresh("w")
        tensor = b"".join(_field(1, size) for size in array.shape)
        tensor += _field(2, _DATA_TYPES[array.dtype]) + _field(8, name)
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        self._initializers.append(_field(5, tensor + _field(9, little.tobytes())))
        return name

    def node(self, op: str, inputs: Sequence[str], output: str | None = None, **attributes: Attribute) -> str:
        """Add a node with one output; returns the output's name, a new one unless given."""
        name = output or self._fresh(op.lower())
        parts = [_field(1, value) for value in inputs]
        parts += [_field(2, name), _field(3, name), _field(4, op)]
        parts += [_field(5, _attribute(key, value)) for key, value in attributes.items()]
        self._nodes.append(_field(1, b"".join(parts)))
        return name

    def model(self, metadata: Mapping[str, str]) -> bytes:
        """The finished model; `metadata` becomes metadata_props, which a session gives back."""
        graph = b"".join([*self._nodes, _field(2, self._name), *self._initializers])
        graph += b"".join(_field(11, value) for value in self._inputs)
        graph += b"".join(_field(12, value) for value in self._outputs)
        parts = [_field(1, IR_VERSION), _field(2, "facelib"), _field(8, _field(1, "") + _field(2, OPSET))]
        parts += [_field(7, graph), *(_metadata(key, value) for key, value in metadata.items())]
        return b"".join(parts)

    def _fresh(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count}"


def seal(model: bytes) -> bytes:
    """Add the SHA-256 of `model` to its end, as one more entry of metadata_props.

    Messages may be put together end to end, so the result still is a model that every ONNX program opens, and a
    cached file can be checked whole before it is believed: ONNX Runtime would run a model with a flipped weight.
    """
    return model + _metadata(_SEAL, hashlib.sha256(model).hexdigest())


def is_sealed(model: bytes) -> bool:
    """Whether `model` came from `seal` and not a bit of it has changed."""
    size = len(_metadata(_SEAL, "0" * 64))
    return len(model) > size and model == seal(model[:-size])


_SEAL = "sha256"


def _metadata(key: str, value: str) -> bytes:
    return _field(14, _field(1, key) + _field(2, value))


def _value_info(name: str, data_type: int, shape: Sequence[int | str]) -> bytes:
    dimensions = b"".join(_field(1, _field(1 if isinstance(size, int) else 2, size)) for size in shape)
    return _field(1, name) + _field(2, _field(1, _field(1, data_type) + _field(2, dimensions)))


def _attribute(name: str, value: Attribute) -> bytes:
    if isinstance(value, int):
        return _field(1, name) + _field(3, value) + _field(20, _INT)
    if isinstance(value, str):
        return _field(1, name) + _field(4, value) + _field(20, _STRING)
    return _field(1, name) + b"".join(_field(8, item) for item in value) + _field(20, _INTS)


def _field(number: int, value: int | str | bytes) -> bytes:
    """One field: an integer as a varint, text and messages with their length before them."""
    if isinstance(value, int):
        return _varint(number << 3 | _VARINT) + _varint(value)
    raw = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | _BYTES) + _varint(len(raw)) + raw


def _varint(value: int) -> bytes:
    """Seven bits to a byte, the lowest first; the models here have no negative numbers."""
    if value < 0:
        raise ValueError("a negative varint")
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
