"""What the fork server loads once for all workers, who then share its memory."""

from __future__ import annotations

import gc

gc.disable()  # nothing that an import makes is garbage

from facelib.engines import dlib_onnx  # noqa: E402
from facelib.stages import analyse  # noqa: E402

gc.freeze()  # so that a worker's collector does not copy these pages by looking at them
gc.enable()

__all__ = ["analyse", "dlib_onnx"]
