"""dlib's two face networks as ONNX graphs, made from the `.dat` files and kept in a cache.

Every rule by which dlib computes otherwise than ONNX's defaults is here: padding 0 where the stride is not 1, sizes
that round down, sums of unlike shapes, no normalisation at the end (dlib/dnn/layers.h, dlib/cuda/cpu_dlib.cpp).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facelib.engines import weights as weight_files
from facelib.engines.dlib_dat import (
    AddPrevious,
    Affine,
    Convolution,
    FullyConnected,
    Level,
    MetricOptions,
    MmodOptions,
    Network,
    Pool,
    Relu,
    Tag,
    parse,
)
from facelib.engines.onnx_writer import FLOAT, UINT8, Graph, is_sealed, seal
from facelib.errors import WeightsError

BUILDER_VERSION = 1  # to be raised whenever a graph changes; it is part of the cache's file names

# ONNX Runtime's blocked convolutions take channels in multiples of 16 (AVX-512) and fall back to slower ones
# otherwise; 45 channels filled up with zeros to 48 give the same scores in four fifths of the time.
CHANNEL_BLOCK = 16

_METADATA = "facelib"


@dataclass(frozen=True)
class DetectorGeometry:
    """What goes with the detector's graph; kept in the model's metadata, so that a cached model is complete."""

    average: tuple[float, float, float]  # red, green, blue; the graph takes (pixel - average) / 256
    window: tuple[int, int]  # width, height of a detection, pixels of its pyramid level
    nms_iou: float
    nms_covered: float
    padding: int  # pixels between the tiles of the pyramid
    outer_padding: int  # pixels around them
    stride: int  # pixels between two scores
    centre: int  # the pixel, right and down, under score (0, 0)
    field: int  # pixels that one feature before the padded convolutions sees
    halo: int  # features on each side that one score sees

    @classmethod
    def from_metadata(cls, metadata: dict[str, str]) -> DetectorGeometry:
        """Read what `detector_model` wrote."""
        values = json.loads(metadata[_METADATA])
        values["average"] = tuple(values["average"])
        values["window"] = tuple(values["window"])
        return cls(**values)


def encoder_model(weights: Path, cache: Path) -> bytes:
    """The encoder: `chips` uint8 (n, 150, 150, 3) RGB -> `encodings` float32 (n, 128).

    Raises WeightsError.
    """
    return _cached(weights, cache, "encoder", weight_files.SHA256[weight_files.RESNET], build_encoder)


def detector_model(weights: Path, cache: Path) -> bytes:
    """The detector: `pixels` float32 (1, 3, h, w), (RGB - average) / 256 -> `scores` float32 (1, 1, h', w').

    Its metadata hold a DetectorGeometry. Raises WeightsError.
    """
    return _cached(weights, cache, "detector", weight_files.SHA256[weight_files.MMOD], build_detector)


def _cached(weights: Path, cache: Path, kind: str, digest: str, build: Callable[[Network, Path], bytes]) -> bytes:
    try:
        data = weights.read_bytes()
    except OSError as error:
        raise WeightsError(weights, f"cannot be read: {error.strerror or error}") from error
    found = hashlib.sha256(data).hexdigest()
    # Another file could not carry the engine's name, because its numbers would not be comparable; and a flipped bit in a
    # weight shows in nothing but the digest.
    if found != digest:
        parse(data, weights)  # says more exactly what is wrong, if it can
        raise WeightsError(weights, f"damaged or of another version: not the {kind} whose SHA-256 is {digest[:12]}...")
    place = cache / f"dlib-{kind}-{digest}-{BUILDER_VERSION}.onnx"
    with contextlib.suppress(OSError):
        model = place.read_bytes()
        if is_sealed(model):
            return model
    model = seal(build(parse(data, weights), weights))
    # The cache saves a fifth of a second. A folder that cannot be written is no reason to find no faces.
    with contextlib.suppress(OSError):
        _write(place, model)
    return model


def _write(place: Path, data: bytes) -> None:
    """Write under another name, then rename: whoever reads at the same time sees a whole file or none."""
    place.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{place.name}.", suffix=".tmp", dir=place.parent)
    try:
        with open(handle, "wb") as file:
            file.write(data)
        os.replace(name, place)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def build_encoder(network: Network, path: Path) -> bytes:
    """Make the encoder's graph; `path` is for messages. Raises WeightsError where it is another network."""
    if not isinstance(network.loss, MetricOptions) or network.input.size is None:
        raise WeightsError(path, "a dlib network, but not the face encoder")
    levels = _folded(network, path)
    first = levels[0]
    if not isinstance(first, Convolution) or any(first.padding):
        # Padding is zeros of the normalised image, so the normalisation goes into the weights only without it.
        raise WeightsError(path, "a dlib network, but not the face encoder: its first layer is padded")
    levels[0] = _normalise_inside(first, network.input.average)
    graph = Graph("dlib_face_recognition_resnet_model_v1")
    rows, columns = network.input.size
    chips = graph.input("chips", UINT8, ["n", rows, columns, 3])
    pixels = graph.node("Cast", [graph.node("Transpose", [chips], perm=[0, 3, 1, 2])], to=FLOAT)
    _Residual(graph, path, pixels, (3, rows, columns)).build(levels)
    graph.output("encodings", FLOAT, ["n", 128])
    return graph.model({})


def build_detector(network: Network, path: Path) -> bytes:
    """Make the detector's graph; `path` is for messages. Raises WeightsError where it is another network."""
    loss = network.loss
    if not isinstance(loss, MmodOptions) or len(loss.windows) != 1 or network.input.size is not None:
        raise WeightsError(path, "a dlib network, but not the face detector")
    levels = _folded(network, path)
    convolutions = [level for level in levels if isinstance(level, Convolution)]
    shape = "".join("c" if isinstance(level, Convolution) else "r" for level in levels)
    known = all(isinstance(level, Convolution | Relu) for level in levels) and shape == "cr" * (len(shape) // 2) + "c"
    stride, centre, field, halo = 1, 0, 1, 0
    inputs = 3
    for convolution in convolutions:
        outputs, channels, rows, columns = convolution.filters.shape
        pad, step = convolution.padding[0], convolution.stride[0]
        known &= channels == inputs and rows == columns and rows % 2 == 1
        known &= convolution.padding == (pad, pad) and convolution.stride == (step, step)
        if halo or pad:
            # Bands of the image can be run one by one only if all padding is after all strides and keeps the size.
            known &= step == 1 and rows == 2 * pad + 1
        centre += stride * (rows // 2 - pad)
        if pad:
            halo += pad
        else:
            field += stride * (rows - 1)
        stride *= step
        inputs = outputs
    if not known or inputs != 1 or not halo:
        raise WeightsError(path, "a dlib network, but not the face detector: its layers are others")
    graph = Graph("mmod_human_face_detector")
    value = graph.input("pixels", FLOAT, [1, 3, "h", "w"])
    channels = 3
    for convolution in convolutions[:-1]:
        filters = _fill(convolution.filters, channels)
        biases = np.zeros(len(filters), np.float32)
        biases[: len(convolution.biases)] = convolution.biases
        value = graph.node("Relu", [_convolve(graph, value, filters, biases, convolution)])
        channels = len(filters)
    # The last convolution has a single output. Turned around, each feature spreads over the scores near it: a
    # matrix product and 81 shifted sums instead of a convolution that vectors cannot fill; a quarter of the time saved.
    last = convolutions[-1]
    kernel = np.zeros((channels, 1, *last.filters.shape[2:]), np.float32)
    kernel[: last.filters.shape[1], 0] = last.filters[0, :, ::-1, ::-1]
    weights = [graph.constant(kernel), graph.constant(last.biases)]
    graph.node("ConvTranspose", [value, *weights], "scores", pads=[*last.padding, *last.padding])
    graph.output("scores", FLOAT, [1, 1, "rows", "columns"])
    geometry = DetectorGeometry(
        average=network.input.average,
        window=loss.windows[0],
        nms_iou=loss.nms_iou,
        nms_covered=loss.nms_covered,
        padding=network.input.padding,
        outer_padding=network.input.outer_padding,
        stride=stride,
        centre=centre,
        field=field,
        halo=halo,
    )
    return graph.model({_METADATA: json.dumps(asdict(geometry))})


class _Residual:
    """Adds a residual network's levels to a graph, following shapes because dlib adds unlike ones."""

    def __init__(self, graph: Graph, path: Path, value: str, shape: tuple[int, int, int]) -> None:
        self.graph = graph
        self.path = path
        self.value = value
        self.shape = shape  # channels, rows, columns; channels only, once pooled or multiplied
        self.tags: list[tuple[str, tuple[int, int, int]]] = []

    def build(self, levels: list[Level]) -> None:
        """Add all levels; the last one's output is named `encodings`."""
        if not isinstance(levels[-1], FullyConnected):
            self.fail()
        for place, level in enumerate(levels):
            match level:
                case Convolution():
                    self.convolution(level)
                case Relu():
                    self.value = self.graph.node("Relu", [self.value])
                case Pool():
                    self.pool(level)
                case Tag():
                    # One tag begins a `residual`. Two in a row are tag2 and skip1 at the turn of a `residual_down`:
                    # what follows works on what tag1 holds, and tag2 is what will be added.
                    if place and isinstance(levels[place - 1], Tag) and len(self.tags) == 2:
                        self.value, self.shape = self.tags.pop(0)
                    else:
                        self.tags.append((self.value, self.shape))
                case AddPrevious() if len(self.tags) == 1:
                    self.add(*self.tags.pop())
                case FullyConnected() if level is levels[-1]:
                    self.fully_connected(level)
                case _:
                    self.fail()

    def fail(self) -> None:
        raise WeightsError(self.path, "a dlib network, but not the face encoder: its layers are others")

    def move(self, value: str, channels: int, level: Convolution | Pool, window: tuple[int, int]) -> None:
        """Go on from `value`, the result of a window that slid over rows and columns; sizes round down."""
        sizes = [
            1 + (size + 2 * pad - length) // step
            for size, pad, length, step in zip(self.shape[1:], level.padding, window, level.stride, strict=True)
        ]
        if min(sizes) < 1:
            self.fail()
        self.value, self.shape = value, (channels, sizes[0], sizes[1])

    def convolution(self, level: Convolution) -> None:
        outputs, inputs, rows, columns = level.filters.shape
        if inputs != self.shape[0]:
            self.fail()
        value = _convolve(self.graph, self.value, level.filters, level.biases, level)
        self.move(value, outputs, level, (rows, columns))

    def pool(self, level: Pool) -> None:
        if not any(level.window):
            self.value = self.graph.node("GlobalAveragePool" if level.average else "GlobalMaxPool", [self.value])
            self.shape = (self.shape[0], 1, 1)
            return
        if any(level.padding):
            # dlib averages over what is left of the window at an edge; none of the two networks needs that.
            self.fail()
        op = "AveragePool" if level.average else "MaxPool"
        value = self.graph.node(op, [self.value], kernel_shape=level.window, strides=level.stride)
        self.move(value, self.shape[0], level, level.window)

    def add(self, value: str, shape: tuple[int, int, int]) -> None:
        """`add_prev_`: the smaller is extended by zeros at its end, along each axis on its own (tt::add)."""
        channels, rows, columns = (max(pair) for pair in zip(self.shape, shape, strict=True))
        whole = (channels, rows, columns)
        sides = [self.extend(self.value, self.shape, whole), self.extend(value, shape, whole)]
        self.value, self.shape = self.graph.node("Add", sides), whole

    def extend(self, value: str, shape: tuple[int, int, int], whole: tuple[int, int, int]) -> str:
        if shape == whole:
            return value
        missing = [large - small for large, small in zip(whole, shape, strict=True)]
        return self.graph.node("Pad", [value, self.graph.constant(np.array([0] * 5 + missing, np.int64))])

    def fully_connected(self, level: FullyConnected) -> None:
        if self.shape != (len(level.weights), 1, 1) or level.weights.shape[1] != 128 or level.biases is not None:
            self.fail()
        flat = self.graph.node("Flatten", [self.value])
        self.graph.node("MatMul", [flat, self.graph.constant(level.weights)], "encodings")


def _convolve(
    graph: Graph, value: str, filters: NDArray[np.float32], biases: NDArray[np.float32], level: Convolution
) -> str:
    inputs = [value, graph.constant(filters), graph.constant(biases)]
    return graph.node("Conv", inputs, strides=level.stride, pads=[*level.padding, *level.padding])


def _folded(network: Network, path: Path) -> list[Level]:
    """The levels with each affine one folded into the convolution before it, in double precision."""
    levels: list[Level] = []
    for level in network.levels:
        if not isinstance(level, Affine):
            levels.append(level)
            if isinstance(level, Convolution) and level.relu:
                levels.append(Relu())
            continue
        before = levels.pop() if levels else level
        if not isinstance(before, Convolution) or before.relu or len(before.biases) != len(level.gamma):
            raise WeightsError(path, "a dlib network, but none of the face networks: an affine layer stands alone")
        filters = (before.filters * level.gamma[:, None, None, None]).astype(np.float32)
        biases = (before.biases * level.gamma + level.beta).astype(np.float32)
        levels.append(Convolution(filters, biases, before.stride, before.padding, relu=False))
    return levels


def _normalise_inside(convolution: Convolution, average: tuple[float, float, float]) -> Convolution:
    """The convolution that makes of raw pixels what `convolution` makes of (pixel - average) / 256."""
    filters = convolution.filters.astype(np.float64) / 256
    biases = convolution.biases - np.einsum("kcyx,c->k", filters, np.array(average))
    return Convolution(
        filters.astype(np.float32), biases.astype(np.float32), convolution.stride, convolution.padding, relu=False
    )


def _fill(filters: NDArray[np.float32], inputs: int) -> NDArray[np.float32]:
    """Filters for `inputs` channels with outputs filled up to a multiple of CHANNEL_BLOCK; what is new is zero."""
    outputs = -(-len(filters) // CHANNEL_BLOCK) * CHANNEL_BLOCK
    filled = np.zeros((outputs, inputs, *filters.shape[2:]), np.float32)
    filled[: len(filters), : filters.shape[1]] = filters
    return filled
