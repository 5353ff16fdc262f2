"""Read dlib's serialized face networks: bytes of a `.dat` file -> frozen dataclasses.

Source of the format: dlib/serialize.h (numbers, strings), dlib/dnn/tensor.h, dlib/dnn/core.h (nesting) and
dlib/dnn/layers.h, input.h, loss.h (details). The format says no lengths and no types beforehand, so whoever reads
must know the network; this reader knows the layers that dlib's two face networks are made of.

A network is nested, outermost first, but what is said before the innermost layer is only one version number per
level, and everything else follows from the inside out. So the file is read in one straight pass without recursion:
loss, versions, input, layers. Every size is checked against the bytes that are left before anything is made of it,
and arrays are views of the file's bytes; the work is bounded by the length of the file.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from facelib.errors import WeightsError

MAX_LEVELS = 1000  # the encoder, the deeper of the two, has 130

_ADD_LAYER, _TAG = 2, 1  # version numbers, which are the only thing that tells the two kinds of level apart


@dataclass(frozen=True)
class Convolution:
    """`con_`: a correlation (the kernel is not flipped)."""

    filters: NDArray[np.float32]  # (outputs, inputs, rows, columns)
    biases: NDArray[np.float32]  # (outputs,)
    stride: tuple[int, int]  # rows, columns
    padding: tuple[int, int]  # rows, columns, each on both sides
    relu: bool


@dataclass(frozen=True)
class Affine:
    """`affine_`, or `bn_` with its running averages: y = gamma x + beta for each channel."""

    gamma: NDArray[np.float64]  # (channels,)
    beta: NDArray[np.float64]  # (channels,)


@dataclass(frozen=True)
class Relu:
    """`relu_`."""


@dataclass(frozen=True)
class AddPrevious:
    """`add_prev_`: adds what the tag before it holds."""


@dataclass(frozen=True)
class Tag:
    """`add_tag_layer` or `add_skip_layer`: the file tells them apart only by where they stand."""


@dataclass(frozen=True)
class Pool:
    """`max_pool_` or `avg_pool_`; a window of (0, 0) is the whole image."""

    average: bool
    window: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]


@dataclass(frozen=True)
class FullyConnected:
    """`fc_`: y = x . weights + biases."""

    weights: NDArray[np.float32]  # (inputs, outputs)
    biases: NDArray[np.float32] | None  # (outputs,)


@dataclass(frozen=True)
class RgbInput:
    """`input_rgb_image_sized` or `input_rgb_image_pyramid`: (pixel - average) / 256."""

    average: tuple[float, float, float]  # red, green, blue
    size: tuple[int, int] | None  # rows, columns; None for a pyramid
    padding: int  # of a pyramid: pixels between its tiles
    outer_padding: int  # of a pyramid: pixels around all of them


@dataclass(frozen=True)
class MetricOptions:
    """`loss_metric_`."""

    margin: float
    threshold: float  # the distance under which two faces are one person


@dataclass(frozen=True)
class MmodOptions:
    """`loss_mmod_`: what finding boxes in the network's output needs of `mmod_options`."""

    windows: tuple[tuple[int, int], ...]  # width, height in pixels
    nms_iou: float
    nms_covered: float


Loss = MetricOptions | MmodOptions
Level = Convolution | Affine | Relu | AddPrevious | Tag | Pool | FullyConnected


@dataclass(frozen=True)
class Network:
    """A whole network; `levels` from the image to the loss."""

    input: RgbInput
    levels: tuple[Level, ...]
    loss: Loss


def parse(data: bytes, path: Path) -> Network:
    """Read a whole `.dat` file whose bytes are `data`; `path` is for messages only.

    Raises WeightsError where the bytes are not those of such a network, end early or go on after its end.
    """
    reader = _Reader(data, path)
    if reader.integer() != 1:
        reader.fail("not a dlib network")
    loss = reader.loss()
    versions: list[int] = []
    while (number := reader.integer()) in (1, 2, 3):
        versions.append(number)
        if len(versions) > MAX_LEVELS:
            reader.fail("nested too deeply")
    # The number that is no version is the length of the input layer's name.
    image = reader.input(reader.text(number))
    if not versions or versions[-1] not in (2, 3) or 3 in versions[:-1]:
        reader.fail("the levels of the network are of an unknown version")
    innermost = reader.layer()
    reader.layer_state()
    reader.tensor()  # grad_final
    if versions.pop() == 3:
        reader.integer()  # sample_expansion_factor
    levels: list[Level] = [innermost]
    for version in reversed(versions):
        if version == _TAG:
            levels.append(Tag())
            continue
        levels.append(reader.layer())
        reader.layer_state()
        reader.tensor()  # params_grad
    if reader.left():
        reader.fail(f"{reader.left()} bytes follow the network's end")
    return Network(image, tuple(levels), loss)


class _Reader:
    """A place in the bytes; each method reads what it is named after and moves on."""

    def __init__(self, data: bytes, path: Path) -> None:
        self.data = data
        self.path = path
        self.at = 0
        self.layers: dict[str, Callable[[], Level]] = {
            "con_4": lambda: self.convolution(4),
            "con_5": lambda: self.convolution(5),
            "con_6": lambda: self.convolution(6),
            "affine_": lambda: self.affine(1),
            "affine_2": lambda: self.affine(2),
            "bn_con2": self.batch_norm,
            "relu_": Relu,
            "relu_2": self.relu2,
            "add_prev_": AddPrevious,
            "max_pool_2": lambda: self.pool(average=False),
            "avg_pool_2": lambda: self.pool(average=True),
            "fc_2": lambda: self.fully_connected(2),
            "fc_3": lambda: self.fully_connected(3),
        }

    def fail(self, problem: str) -> NoReturn:
        raise WeightsError(self.path, f"damaged or of another kind: {problem} (near byte {self.at})")

    def left(self) -> int:
        return len(self.data) - self.at

    def take(self, count: int) -> bytes:
        if count > self.left():
            self.fail("it ends early")
        self.at += count
        return self.data[self.at - count : self.at]

    def integer(self) -> int:
        """Control byte (0x80 the sign, 0x0F the number of bytes), then the absolute value, little end first."""
        control = self.take(1)[0]
        size = control & 0x0F
        if control & 0x70 or not 1 <= size <= 8:
            # 0x70 also marks the decimal numbers of dlib before 18; neither face network was ever written so.
            self.fail("a number was expected")
        value = int.from_bytes(self.take(size), "little")
        return -value if control & 0x80 else value

    def count(self) -> int:
        """A size; beyond 31 bits there is no tensor of it in any file."""
        value = self.integer()
        if not 0 <= value < 2**31:
            self.fail("a size is out of range")
        return value

    def pair(self) -> tuple[int, int]:
        return self.count(), self.count()

    def boolean(self) -> bool:
        byte = self.take(1)
        if byte not in (b"0", b"1"):
            self.fail("a truth value was expected")
        return byte == b"1"

    def real(self) -> float:
        """Mantissa and exponent of two; infinities and nan, which dlib can write, are in no sound network."""
        mantissa, exponent = self.integer(), self.integer()
        if not -2000 < exponent < 900:
            self.fail("a number is not finite")
        return math.ldexp(mantissa, exponent)

    def reals(self, count: int) -> list[float]:
        return [self.real() for _ in range(count)]

    def text(self, length: int | None = None) -> str:
        size = self.count() if length is None else length
        if not 0 <= size <= 100:
            self.fail("a name was expected")
        raw = self.take(size)
        if not raw.isascii():
            self.fail("a name was expected")
        return raw.decode("ascii")

    def tensor(self) -> NDArray[np.float32]:
        """`resizable_tensor`, flat (num_samples * k * nr * nc)."""
        if self.integer() != 2:
            self.fail("a tensor was expected")
        size = math.prod(self.count() for _ in range(4))
        raw = self.take(4 * size)
        values = np.frombuffer(raw, dtype="<f4").astype(np.float32, copy=False)
        if not np.isfinite(values).all():
            self.fail("a weight is not finite")
        return values

    def alias(self) -> tuple[int, int, int, int]:
        """`alias_tensor`: a shape without values."""
        if self.integer() != 1:
            self.fail("a tensor's shape was expected")
        return self.count(), self.count(), self.count(), self.count()

    def layer_state(self) -> None:
        """What `add_layer` keeps beside its layer: three flags and two tensors of the last training step."""
        for _ in range(3):
            self.boolean()
        self.tensor()
        self.tensor()

    def layer(self) -> Level:
        name = self.text()
        if name not in self.layers:
            self.fail(f"a layer {name[:20]!r} is not known")
        return self.layers[name]()

    def convolution(self, version: int) -> Convolution:
        params = self.tensor()
        outputs, rows, columns = self.count(), self.count(), self.count()
        stride, padding = self.pair(), self.pair()
        shape, bias_shape = self.alias(), self.alias()
        self.reals(4)  # multipliers of learning rate and weight decay
        use_bias = self.boolean() if version >= 5 else True
        relu = self.boolean() if version >= 6 else False
        size = math.prod(shape)
        if (
            (shape[0], *shape[2:]) != (outputs, rows, columns)
            or not size
            or 0 in stride
            or (use_bias and math.prod(bias_shape) != outputs)
            or len(params) != size + (outputs if use_bias else 0)
        ):
            self.fail("a convolution's sizes do not agree")
        biases = params[size:] if use_bias else np.zeros(outputs, np.float32)
        return Convolution(params[:size].reshape(shape), biases, stride, padding, relu)

    def affine(self, version: int) -> Affine:
        params = self.tensor()
        channels = self.affine_channels(params)
        self.integer()  # mode
        if version >= 2 and self.boolean():
            self.fail("an affine layer is disabled")
        wide = params.astype(np.float64)
        return Affine(wide[:channels], wide[channels:])

    def affine_channels(self, params: NDArray[np.float32]) -> int:
        gamma, beta = self.alias(), self.alias()
        channels = math.prod(gamma)
        if gamma != beta or gamma[1] != channels or not channels or len(params) != 2 * channels:
            self.fail("an affine layer's sizes do not agree")
        return channels

    def batch_norm(self) -> Affine:
        """Batch normalisation as dlib applies it once trained, i.e. as `affine_` made from `bn_` (layers.h)."""
        params = self.tensor()
        channels = self.affine_channels(params)
        self.tensor()  # means and invstds of the last batch
        self.tensor()
        means, variances = self.tensor(), self.tensor()
        self.integer()  # num_updates
        self.integer()  # running_stats_window_size
        self.reals(4)  # multipliers of learning rate and weight decay
        eps = self.real()
        if len(means) != channels or len(variances) != channels or not 0 < eps < 1 or (variances < 0).any():
            self.fail("a batch normalisation's values do not agree")
        wide = params.astype(np.float64)
        gamma = wide[:channels] / np.sqrt(variances.astype(np.float64) + eps)
        return Affine(gamma, wide[channels:] - gamma * means)

    def relu2(self) -> Relu:
        if self.boolean():
            self.fail("a relu layer is disabled")
        return Relu()

    def pool(self, *, average: bool) -> Pool:
        window, stride, padding = self.pair(), self.pair(), self.pair()
        if 0 in stride or (0 in window and any(window)):
            self.fail("a pooling layer's sizes do not agree")
        return Pool(average, window, stride, padding)

    def fully_connected(self, version: int) -> FullyConnected:
        outputs, inputs = self.count(), self.count()
        params = self.tensor()
        self.alias()
        self.alias()
        use_bias = self.integer() == 0  # fc_bias_mode: FC_HAS_BIAS, FC_NO_BIAS
        self.reals(4)  # multipliers of learning rate and weight decay
        if version >= 3:
            use_bias = self.boolean() and use_bias
        size = inputs * outputs
        if not size or len(params) != size + (outputs if use_bias else 0):
            self.fail("a fully connected layer's sizes do not agree")
        return FullyConnected(params[:size].reshape(inputs, outputs), params[size:] if use_bias else None)

    def input(self, name: str) -> RgbInput:
        if name not in ("input_rgb_image_sized", "input_rgb_image_pyramid", "input_rgb_image_pyramid2"):
            self.fail(f"an input {name[:30]!r} is not known")
        red, green, blue = self.reals(3)
        size = self.pair() if name.endswith("sized") else None
        # create_tiled_pyramid's paddings, where the file is older than they are
        padding, outer = self.pair() if name.endswith("2") else (10, 11)
        if (size is not None and not 1 <= min(size) <= max(size) <= 4096) or max(padding, outer) > 1000:
            self.fail("the input's sizes are out of range")
        return RgbInput((red, green, blue), size, padding, outer)

    def loss(self) -> Loss:
        name = self.text()
        if name == "loss_metric_2":
            return MetricOptions(self.real(), self.real())
        if name != "loss_mmod_":
            self.fail(f"a loss {name[:20]!r} is not known")
        version = self.integer()
        if not 1 <= version <= 4:
            self.fail("mmod_options are of an unknown version")
        windows = (self.pair(),) if version == 1 else tuple(self.window() for _ in range(min(self.count(), 100)))
        self.reals(3)  # loss_per_false_alarm, loss_per_missed_target, truth_match_iou_threshold
        iou, covered = self.reals(2)
        self.reals(2)  # overlaps_ignore
        if version >= 3:
            self.take(1)  # assume_image_pyramid
        if version >= 4 and (self.boolean(), self.real())[0]:
            self.fail("bounding box regression is not known")
        if not all(1 <= min(window) <= max(window) <= 4096 for window in windows):
            self.fail("a window's size is out of range")
        return MmodOptions(windows, iou, covered)

    def window(self) -> tuple[int, int]:
        """`mmod_options::detector_window_details`."""
        version = self.integer()
        size = self.pair()
        if version >= 2:
            self.text()  # label
        return size
