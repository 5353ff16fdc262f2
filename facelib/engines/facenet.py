"""facenet-pytorch, the extra `facelib[facenet]`: MTCNN (arXiv 1604.02878) finds faces, InceptionResnetV1 (1503.03832) encodes.

MTCNN's three networks come with the package; the encoder's weights are a file that the user fetches, because facelib
downloads nothing by itself. PyTorch is loaded when it is first needed: names can be asked for without it.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import io
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facelib.errors import DeviceMemoryError, EngineError, WeightsError, is_memory_error
from facelib.geometry import clip_box, scale_points
from facelib.models import ARCFACE_POINTS, Box

if TYPE_CHECKING:
    from facelib.engines.base import RGB, Chips, Detected, Points, Vectors

INSTALL = "pip install 'facelib[facenet]'"
RELEASE = "https://github.com/timesler/facenet-pytorch/releases/tag/v2.2.9"

# ------------------------------------------------------------------------------------------------------ tuned numbers

# Pixels; larger pictures are shrunk to it. Of the 180 faces of our group photographs 1200 shows 176, and 800 175.
SIZE = 1200
MIN_FACE = 20  # pixels of that picture; the package's own
# What a face must score in the first, second and third network. The package's own are 0.6, 0.7, 0.7; with 0.9 in the third,
# 1 of 177 faces is lost, and 6 of 7 that are none. All faces but that one score over 0.95.
THRESHOLDS = (0.6, 0.7, 0.9)

CHIP_SIZE = 160  # pixels; what the encoder was trained on
# Pixels of the chip around the box, both sides together: as in the package's own evaluation (examples/lfw_evaluate.ipynb).
MARGIN = 14
CHIPS_AT_ONCE = 16  # faces; more gain nothing on a CPU

# MTCNN's box, given its five points, in their root mean square distance from their middle; `_TURN` in what the nose is aside
# of the middle between the eyes, because the back of a head that is turned lies on the other side. Least squares over 360
# faces of group photographs and LFW, where box and estimate share .89 of their union (IoU).
_WIDTH, _HEIGHT, _DOWN, _TURN = 3.4, 4.5, -0.35, -1.3

_CELL = 12.0  # pixels; what MTCNN's first network looks at


# --------------------------------------------------------------------------------------------------------- known files


@dataclass(frozen=True, slots=True)
class Published:
    """A file of weights on the package's release page."""

    file: str
    model: str  # what stands in `encoding.model`
    size: int  # bytes


# By SHA-256. The publisher gives none; these are the ones that several projects pin for the release's files.
PUBLISHED = {
    "281cebca8662831adb987a874bdcb36e73f5b1c6dc5ee5878f305e985625d99b": Published(
        "20180402-114759-vggface2.pt", "facenet-vggface2", 111_898_327
    ),
    "7a67afdbbc995fce5e10128675e318799a70698c2f433ba75dd7eb9a2f096e7d": Published(
        "20180408-102900-casia-webface.pt", "facenet-casia-webface", 115_887_415
    ),
}
_CURE = f"fetch {' or '.join(known.file for known in PUBLISHED.values())} from {RELEASE}"

# The files of MTCNN inside the package: those of 2.5.2, 2.5.3 and 2.6.0 are the same.
_MTCNN_SHA256 = {
    "pnet.pt": "a2a71925e0b9996a42f63e47efc1ca19043e69558b5c523b978d611dfae49c8f",
    "rnet.pt": "bbb937de72efc9ef83b186c49f5f558467a1d7e3453a8ece0d71a886633f6a86",
    "onet.pt": "165bfbe42940416ccfb977545cf0e976d5bf321f67083ae2aaaa5c764280118d",
}
_REINSTALL = "install it again: pip install --force-reinstall --no-deps 'facenet-pytorch>=2.5.3,!=2.6.0'"


def detector_name(*, min_face: int = MIN_FACE, thresholds: Sequence[float] = THRESHOLDS, size: int = SIZE) -> str:
    """What stands in `detection.detector`. 1 is the version of the three networks, which the package does not change."""
    scores = ",".join(f"{threshold:g}" for threshold in thresholds)
    return f"mtcnn-1 min={min_face} score={scores} in={size}"


def encoder_name(weights: Path | None) -> str:
    """What stands in `encoding.model`: reads the whole file, and needs no PyTorch.

    Raises EngineError where no file is given, WeightsError where it is missing, or has the name of a published file without
    being it; both say which file to fetch.
    """
    return _name(_identify(_given(weights)))


# ------------------------------------------------------------------------------------------------------------ detector


class MtcnnDetector:
    """MTCNN: three networks, each looking closer at what the one before lets pass. They are loaded at first use."""

    def __init__(
        self,
        *,
        min_face: int = MIN_FACE,
        thresholds: Sequence[float] = THRESHOLDS,
        size: int = SIZE,
        provider: str = "cpu",
    ) -> None:
        """Look for faces from `min_face` pixels on, in pictures of at most `size` pixels; larger ones are shrunk.

        `thresholds` are the scores, 0..1, that a face must exceed in each of the networks. Raises EngineError for numbers
        with which it cannot work.
        """
        if len(thresholds) != 3 or not all(0 < threshold < 1 for threshold in thresholds):
            raise EngineError(f"MTCNN wants three scores between 0 and 1, not {', '.join(map(str, thresholds))}")
        if not _CELL <= min_face <= size:
            raise EngineError(f"MTCNN's smallest face must be {_CELL:g} to {size} pixels, not {min_face}")
        self.min_face, self.thresholds, self.size = min_face, tuple(thresholds), size
        self.provider = provider
        self.name = detector_name(min_face=min_face, thresholds=thresholds, size=size)

    @cached_property
    def model(self) -> Any:
        """The package's own MTCNN. Raises as `detect`."""
        package = _package()
        verify_networks(Path(package.__file__).parent / "data")
        with warnings.catch_warnings(action="ignore"):  # of old ways to load its own files
            return package.MTCNN(
                min_face_size=self.min_face,
                thresholds=list(self.thresholds),
                select_largest=False,
                keep_all=True,
                device=self.device.name,
            )

    @cached_property
    def device(self) -> Device:
        """What computes."""
        return choose(self.provider)

    def detect(self, images: Sequence[RGB]) -> list[list[Detected]]:
        """The faces of each picture, uint8 (rows, columns, 3) RGB, surest first, with landmarks (ARCFACE_POINTS).

        Raises EngineError where the package cannot be used, WeightsError where its files are damaged, ValueError where a
        picture is of another type or shape, DeviceMemoryError where a GPU is full.
        """
        from facelib.engines.session import checked

        return [self._detect(checked(image)) for image in images]

    def _detect(self, image: RGB) -> list[Detected]:
        from facelib.engines.base import Detected

        rows, columns = image.shape[:2]
        scale = min(1.0, self.size / max(rows, columns))
        fit = max(1, round(rows * scale)), max(1, round(columns * scale))
        # The package's own arithmetic: where no size of the picture has room for one cell it raises.
        if min(fit) * (_CELL / self.min_face) < _CELL:
            return []
        picture = image if scale == 1 else _resized(image, *fit)
        with _memory_of(self.device):
            boxes, scores, points = self.model.detect(picture, landmarks=True)
        if boxes is None:
            return []
        x, y = columns / fit[1], rows / fit[0]
        faces = []
        for box, score, marks in zip(boxes.tolist(), scores.tolist(), points.tolist(), strict=True):
            left, top, right, bottom = (round(edge * zoom) for edge, zoom in zip(box, (x, y, x, y), strict=True))
            whole = Box(left, top, max(right, left + 1), max(bottom, top + 1))
            faces.append(Detected(whole, score, "mtcnn", scale_points(marks, x, y)))
        return sorted(faces, key=lambda face: -face.score)


def verify_networks(folder: Path) -> None:
    """Compare MTCNN's networks in the package's folder with the published ones, before they are loaded. Raises WeightsError."""
    for name, digest in _MTCNN_SHA256.items():
        path = folder / name
        found, _ = _digest(path, _REINSTALL)
        if found != digest:
            raise WeightsError(path, f"damaged or of another version (SHA-256 {found[:12]}...)", _REINSTALL)


# ------------------------------------------------------------------------------------------------------------- encoder


class FacenetEncoder:
    """InceptionResnetV1: 512 numbers of length one, compared by their cosine. The weights are loaded at first use."""

    dimensions = 512
    landmark_kind = ARCFACE_POINTS

    def __init__(self, weights: Path | None, *, provider: str = "cpu") -> None:
        """Use the file `weights`, a state dict as the package publishes it, which is read now for its SHA-256.

        Raises as `encoder_name`.
        """
        self.weights = _given(weights)
        self.digest = _identify(self.weights)
        self.name = _name(self.digest)
        self.provider = provider

    @cached_property
    def model(self) -> Any:
        """The loaded network. Raises as `encode`."""
        package = _package()
        try:
            content = self.weights.read_bytes()
        except OSError as error:
            raise _unreadable(self.weights, error, _CURE) from error
        if hashlib.sha256(content).hexdigest() != self.digest:  # its vectors would stand under another file's name
            raise WeightsError(self.weights, "has become another file while facelib ran", "run it again")
        state = _state(self.weights, content)
        model = package.InceptionResnetV1(pretrained=None)  # anything else would download
        if odd := _difference(model.state_dict(), state):
            raise WeightsError(self.weights, f"the weights of another network ({odd})", _CURE)
        model.load_state_dict(state)
        return model.eval().to(self.device.name)

    @cached_property
    def device(self) -> Device:
        """What computes."""
        return choose(self.provider)

    def align(self, image: RGB, landmarks: Points) -> Chips:
        """The faces of one picture cut out as the package cuts them, upright and stretched: (n, 160, 160, 3).

        The box is the one that MTCNN would draw around the points, (n, 5, 2), whoever found them: the package's networks
        have learned from MTCNN's boxes. Raises ValueError where points are not finite or of another shape, EngineError where
        the package cannot be used.
        """
        import numpy as np

        from facelib.engines.session import checked, five_points

        image, points = checked(image), five_points(landmarks)
        if not len(points):
            return np.zeros((0, CHIP_SIZE, CHIP_SIZE, 3), np.uint8)
        return np.stack([cut_out(image, box_around(face)) for face in points.tolist()])

    def encode(self, chips: Chips) -> Vectors:
        """Encode aligned faces, uint8 (n, 160, 160, 3) RGB; returns (n, 512), each row of length one.

        Raises WeightsError where the weights cannot be used, EngineError where the package cannot, ValueError where the chips
        are of another type or shape, DeviceMemoryError where a GPU has no memory for one face.
        """
        import numpy as np

        from facelib.engines.providers import in_batches

        if chips.dtype != np.uint8 or chips.shape[1:] != (CHIP_SIZE, CHIP_SIZE, 3):
            raise ValueError(f"chips must be uint8 (n, {CHIP_SIZE}, {CHIP_SIZE}, 3), not {chips.dtype} {chips.shape}")
        if not len(chips):
            return np.zeros((0, self.dimensions), np.float32)
        vectors: Vectors = in_batches(self._encode, chips, CHIPS_AT_ONCE)
        if not np.isfinite(vectors).all():
            raise WeightsError(self.weights, "damaged: it does not give 512 numbers for each face", _CURE)
        return vectors

    def _encode(self, chips: Chips) -> Vectors:
        torch = _torch()
        with _memory_of(self.device), torch.inference_mode():
            pixels = torch.tensor(chips, device=self.device.name).permute(0, 3, 1, 2).float()
            # The package's fixed_image_standardization; the network itself brings its vectors to length one.
            vectors: Vectors = self.model((pixels - 127.5) / 128).cpu().numpy()
        return vectors


def box_around(points: Sequence[Sequence[float]]) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of the box that MTCNN would draw around a face with these five points (ARCFACE_POINTS)."""
    eye, other, nose, mouth, corner = (complex(x, y) for x, y in points)
    middle = (eye + other + nose + mouth + corner) / 5
    spread = math.sqrt(sum(abs(point - middle) ** 2 for point in (eye, other, nose, mouth, corner)) / 5)
    across = other - eye + corner - mouth  # along the face, whichever way it leans
    along = across / abs(across) if across else 1.0
    aside = ((nose - (eye + other) / 2) / along).real
    centre = middle + along * complex(_TURN * aside, _DOWN * spread)
    half = complex(_WIDTH * spread, _HEIGHT * spread) / 2
    low, high = centre - half, centre + half
    return low.real, low.imag, high.real, high.imag


def cut_out(image: RGB, box: Sequence[float]) -> RGB:
    """One face with its margin, (160, 160, 3): the package's extract_face, which cuts at the picture's edges and stretches."""
    left, top, right, bottom = box
    part = MARGIN / (CHIP_SIZE - MARGIN) / 2
    x, y = (right - left) * part, (bottom - top) * part
    edges = (math.floor(edge) for edge in (left - x, top - y, right + x, bottom + y))
    inside = clip_box(Box(*edges), image.shape[1], image.shape[0])
    return _resized(image[inside.top : inside.bottom, inside.left : inside.right], CHIP_SIZE, CHIP_SIZE)


# ---------------------------------------------------------------------------------------------------- files of weights


def _given(weights: Path | None) -> Path:
    """The path itself. Raises EngineError where there is none."""
    if weights is None:
        raise EngineError(
            f'the facenet encoder needs a file of weights: {_CURE} and name it in config.toml: [encode] weights = "PATH"'
        )
    return weights


def _identify(weights: Path) -> str:
    """The SHA-256 of the encoder's file. Raises WeightsError where it has the name of a published one and other bytes.

    Of a bit that flipped nothing tells but the digest.
    """
    digest, size = _digest(weights, _CURE)
    expected = next((known for known in PUBLISHED.values() if known.file == weights.name), None)
    if expected is None or digest in PUBLISHED:
        return digest
    problem = f"damaged or not the published file of this name: its SHA-256 is {digest[:12]}..."
    if size < expected.size:
        problem = f"cut off: {size} of {expected.size} bytes"
    cure = f"fetch it again from {RELEASE}; if it is another model, give it another name"
    raise WeightsError(weights, problem, cure)


def _digest(path: Path, cure: str) -> tuple[str, int]:
    """SHA-256 and size in bytes of a file. Raises WeightsError where it cannot be read."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest(), stream.tell()
    except OSError as error:
        raise _unreadable(path, error, cure) from error


def _unreadable(path: Path, error: OSError, cure: str) -> WeightsError:
    problem = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror or error}"
    return WeightsError(path, problem, cure)


def _name(digest: str) -> str:
    known = PUBLISHED.get(digest)
    return known.model if known else f"facenet-{digest[:8]}"


def _state(weights: Path, content: bytes) -> dict[str, Any]:
    """The tensors of the encoder in a file, without running what else a pickle may hold. Raises WeightsError."""
    torch = _torch()
    try:
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (
        Exception
    ) as error:  # whatever is wrong with a file comes as pickle's, zip's, torch's or Python's own exception
        raise WeightsError(weights, "cut off, damaged or no file of PyTorch weights", _CURE) from error
    if not isinstance(state, dict) or not all(torch.is_tensor(value) for value in state.values()):
        raise WeightsError(weights, "PyTorch's, but no state dict", _CURE)
    # The published files hold the last layer of their training too, one number per person, which encodes nothing.
    return {name: value for name, value in state.items() if not str(name).startswith("logits.")}


def _difference(wanted: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    """The first tensor that is missing, left over or of another shape; '' where both are of one network."""
    for name in (*wanted, *given):
        if name not in given:
            return f"{name} is missing"
        if name not in wanted:
            return f"{name} is too many"
        if wanted[name].shape != given[name].shape:
            return f"{name} is {tuple(given[name].shape)}, not {tuple(wanted[name].shape)}"
    return ""


# ------------------------------------------------------------------------------------------------------------- PyTorch


@dataclass(frozen=True, slots=True)
class Device:
    """Where PyTorch computes."""

    name: str  # PyTorch's: 'cpu' or 'cuda'
    says: str  # for the digest


def choose(provider: str) -> Device:
    """What a provider of the configuration means to PyTorch: a GPU for 'auto' and 'cuda' where there is one, else the CPU.

    Raises EngineError for a provider that PyTorch does not have.
    """
    if provider not in ("auto", "cpu", "cuda"):
        raise EngineError(
            f"facenet-pytorch has no provider {provider!r}, it has auto, cuda and cpu; set engine.provider"
        )
    torch = _torch()
    version = f"PyTorch {torch.__version__}"
    if provider == "cpu":
        return Device("cpu", f"{version}, cpu")
    with warnings.catch_warnings(
        action="ignore"
    ):  # a driver that is too old is a warning; that there is no device says it
        there = torch.cuda.is_available()
    if there:
        torch.backends.cudnn.allow_tf32 = False  # costs three digits on Ampere and later
        return Device("cuda", f"{version}, cuda")
    if provider == "auto":
        return Device("cpu", f"{version}, cpu")
    if not torch.backends.cuda.is_built():
        raise EngineError(f"the installed {version} has no CUDA; see https://pytorch.org/get-started, or set it to cpu")
    return Device("cpu", f"{version}, cpu (cuda refuses, the CPU computes: PyTorch sees no device)")


@contextlib.contextmanager
def _memory_of(device: Device) -> Iterator[None]:
    """Work on a device, whose full memory becomes DeviceMemoryError."""
    try:
        yield
    except RuntimeError as error:
        if device.name != "cpu" and is_memory_error(error):
            raise DeviceMemoryError(f"{device.name}: {_first_line(error)}") from error
        raise


def _resized(image: RGB, rows: int, columns: int) -> RGB:
    """Bilinear, over all pixels where it shrinks: what Pillow's BILINEAR does, to a grey level."""
    torch = _torch()
    pixels = torch.tensor(image).permute(2, 0, 1)[None].float()
    scaled = torch.nn.functional.interpolate(pixels, (rows, columns), mode="bilinear", antialias=True)
    result: RGB = scaled[0].permute(1, 2, 0).round().clamp(0, 255).byte().contiguous().numpy()
    return result


def _torch() -> Any:
    """PyTorch with one thread, because the photos are what is done in parallel. Raises EngineError as `_package`."""
    torch = _load("torch")
    if torch.get_num_threads() != 1:
        torch.set_num_threads(1)
    return torch


def _package() -> Any:
    """facenet_pytorch. Raises EngineError where it, or what it needs, is not installed or does not fit together."""
    _torch()
    return _load("facenet_pytorch")


def _load(name: str) -> Any:
    try:
        # facenet_pytorch changes the process's warning filters, torchvision warns of codecs that nobody asked for.
        with warnings.catch_warnings(action="ignore"):
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise EngineError(f"facenet-pytorch is not installed ({_first_line(error)}): {INSTALL}") from error
    except Exception as error:  # libraries that are missing, releases of torch and torchvision that do not fit
        cure = f"pip install --upgrade --force-reinstall {INSTALL.removeprefix('pip install ')}"
        raise EngineError(f"{name} cannot be loaded: {_first_line(error)}; install it again: {cure}") from error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
