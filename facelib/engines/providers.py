"""ONNX Runtime sessions: which provider computes, with one thread, and what happens when a provider refuses.

The wheels of ONNX Runtime differ in the providers they hold, and exclude each other; whatever is installed is asked. A provider
other than the CPU is used with the settings under which its results stay those of the CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from facelib.errors import DeviceMemoryError, EngineError, is_memory_error

CPU = "CPUExecutionProvider"

# The words of the configuration, best first: the order in which 'auto' takes what is installed.
PROVIDERS = {
    "cuda": "CUDAExecutionProvider",
    "migraphx": "MIGraphXExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "cpu": CPU,
}
# 'auto' leaves out what compiles for minutes at each new size of picture, or was never measured to be faster.
_AUTO = ("cuda", "openvino", "directml", "cpu")

# Where a provider's defaults are quicker but not equal, or tune anew for each size of picture.
_OPTIONS: dict[str, dict[str, str]] = {
    "cuda": {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"},  # TF32 costs three digits on Ampere and later
    "openvino": {"precision": "FP32"},  # its GPUs would take FP16, and some of its CPUs bf16
}


class Session:
    """A model on the provider that was asked for, or on the CPU when that refuses; `provider` and `warning` say which.

    Raises `EngineError` when the installed ONNX Runtime does not have a provider that was asked for by name.
    """

    def __init__(self, model: bytes | str, provider: str) -> None:
        self.provider, self.warning = choose(provider), ""
        if self.provider == "cpu":
            self._session = _open_on_cpu(model)
            return
        try:
            self._session = _open(model, self.provider)
        except Exception as error:  # noqa: BLE001 - a provider fails in ways of its own; the CPU takes over and it is said
            self._fall_back(model, _first_line(error))
        # A provider whose libraries are missing is passed over without an exception.
        if PROVIDERS[self.provider] not in self._session.get_providers():
            self._fall_back(model, "its libraries could not be loaded")

    def _fall_back(self, model: bytes | str, reason: str) -> None:
        self.warning = f"{self.provider} refuses, the CPU computes: {reason}"
        self.provider = "cpu"
        self._session = _open_on_cpu(model)

    @property
    def metadata(self) -> dict[str, str]:
        """What the model says about itself."""
        found: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        return found

    @property
    def inputs(self) -> list[Any]:
        """What the model takes; each with name, type and shape."""
        return list(self._session.get_inputs())

    @property
    def outputs(self) -> list[Any]:
        """What it gives."""
        return list(self._session.get_outputs())

    def run(self, **inputs: Any) -> list[Any]:
        """All outputs for the given inputs. Raises `DeviceMemoryError` when a GPU has no memory for it."""
        try:
            outputs: list[Any] = self._session.run(None, inputs)
        except Exception as error:
            if self.provider != "cpu" and is_memory_error(error):
                raise DeviceMemoryError(f"{self.provider}: {_first_line(error)}") from error
            raise
        return outputs


def in_batches(run: Callable[[NDArray[Any]], NDArray[Any]], items: NDArray[Any], most: int) -> NDArray[Any]:
    """`run` over slices of `items`, which must not be empty, of at most `most`; on `DeviceMemoryError` over half as many.

    Raises it only when the memory is not enough for one.
    """
    parts: list[NDArray[Any]] = []
    start = 0
    while start < len(items):
        try:
            parts.append(run(items[start : start + most]))
        except DeviceMemoryError:
            if most == 1:
                raise
            most = max(1, min(most, len(items) - start) // 2)
        else:
            start += most
    return np.concatenate(parts)


def choose(provider: str) -> str:
    """The provider that `provider` means here: itself, or for 'auto' the best one installed."""
    installed = available()
    if provider == "auto":
        return next(name for name in _AUTO if name in installed)
    if provider not in installed:
        raise EngineError(
            f"the installed ONNX Runtime has no provider {provider!r}, it has {', '.join(installed)}; see docs/gpu.md"
        )
    return provider


def available() -> list[str]:
    """The providers of the installed ONNX Runtime, by facelib's names, best first."""
    theirs = ort.get_available_providers()
    return [name for name, long in PROVIDERS.items() if long in theirs]


def version() -> str:
    """ONNX Runtime's own version."""
    return str(ort.__version__)


def _open(model: bytes | str, provider: str) -> Any:
    options = ort.SessionOptions()
    # Photographs are the parallel part: one process per core beats one photograph on all cores.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # Plans of memory are kept for each size of picture, and the next has another size. The arena stays: bands and
    # batches bound it (some 120 MB), and without it malloc fragments and takes more memory and a tenth more time.
    options.enable_mem_pattern = False
    options.log_severity_level = 4  # what goes wrong is said by facelib, once
    names = [(PROVIDERS[provider], _OPTIONS.get(provider, {}))]
    if provider != "cpu":
        names.append((CPU, {}))  # for the operators that a provider does not have
    return ort.InferenceSession(model, options, providers=names)


def _open_on_cpu(model: bytes | str) -> Any:
    """There is nothing to fall back on from here. Raises `EngineError`."""
    try:
        return _open(model, "cpu")
    except Exception as error:
        raise EngineError(f"ONNX Runtime cannot open a model: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
