"""When the memory of a GPU is full: half as much at once, then the CPU, in a fresh process. No GPU is needed for these."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import DATA, FAKE, needs

from facelib.config import Config, EngineOptions
from facelib.engines import providers
from facelib.engines.dlib_native import CnnDetector
from facelib.engines.providers import in_batches
from facelib.errors import DeviceMemoryError, EngineError, is_memory_error
from facelib.models import Analysis, Job
from facelib.progress import Silent, Stop
from facelib.stages import analyse as stage
from facelib.stages.pool import InlineExecutor, WorkerPool
from facelib.stages.work import Batch, run_jobs


class Device:
    """Runs batches as long as they fit, and remembers their sizes."""

    def __init__(self, holds: int) -> None:
        self.holds = holds
        self.sizes: list[int] = []

    def run(self, items: np.ndarray) -> np.ndarray:
        self.sizes.append(len(items))
        if len(items) > self.holds:
            raise DeviceMemoryError("cuda: out of memory")
        return items * 2


@pytest.mark.parametrize(
    ("holds", "sizes"), [(16, [16, 4]), (5, [16, 8, 4, 4, 4, 4, 4]), (1, [16, 8, 4, 2] + [1] * 20)]
)
def test_a_batch_that_does_not_fit_is_halved_and_nothing_is_lost(holds: int, sizes: list[int]) -> None:
    device, items = Device(holds), np.arange(20)
    assert in_batches(device.run, items, 16).tolist() == (items * 2).tolist()
    assert device.sizes == sizes[: len(device.sizes)]


def test_what_does_not_fit_alone_is_an_error() -> None:
    with pytest.raises(DeviceMemoryError):
        in_batches(Device(0).run, np.arange(3), 16)


def test_other_errors_are_not_taken_for_full_memory() -> None:
    assert is_memory_error(RuntimeError("CUDA failure 2: out of memory ; GPU=0"))
    assert is_memory_error(RuntimeError("Error while calling cudaMalloc(&data, n) code: 2, reason: out of memory"))
    assert is_memory_error(RuntimeError("BFCArena: Failed to allocate memory for requested buffer of size 4294967296"))
    assert not is_memory_error(RuntimeError("CUDNN_STATUS_EXECUTION_FAILED"))


@pytest.mark.parametrize(("provider", "raised"), [("cuda", DeviceMemoryError), ("cpu", RuntimeError)])
def test_a_session_on_a_gpu_says_when_its_memory_is_full(provider: str, raised: type[Exception]) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("CUDA failure 2: out of memory\nat line 3")

    session = object.__new__(providers.Session)
    session.provider, session._session = provider, SimpleNamespace(run=refuse)
    with pytest.raises(raised, match="out of memory"):
        session.run(picture=1)


def refuse_on_gpu(job: Job) -> Analysis:
    """What a worker answers whose GPU has no memory; the number of the process stands for the engine."""
    import os

    if not job.on_cpu:
        raise DeviceMemoryError(f"cuda: out of memory in {os.getpid()}")
    return Analysis(job.photo_id, engine=f"cpu {os.getpid()}")


def jobs(count: int) -> Iterator[Job]:
    return (Job(number, "/photo.jpg", 1, 1, detect=True) for number in range(count))


def test_a_photo_for_which_the_memory_is_not_enough_is_done_on_the_cpu() -> None:
    done: Batch = []
    run_jobs(jobs(10), FAKE, 1, Silent(), Stop(), done.extend, executor=InlineExecutor(), analyse=refuse_on_gpu)
    assert [analysis.photo_id for _, analysis in done] == list(range(10))
    assert all(analysis.engine.startswith("cpu") for _, analysis in done)


def test_after_three_such_photos_the_others_go_to_the_cpu_at_once() -> None:
    tried = []

    def analyse(job: Job) -> Analysis:
        tried.append((job.photo_id, job.on_cpu))
        return refuse_on_gpu(job)

    run_jobs(jobs(20), FAKE, 1, Silent(), Stop(), lambda batch: None, executor=InlineExecutor(), analyse=analyse)
    on_gpu = [photo for photo, on_cpu in tried if not on_cpu]
    assert 3 <= len(on_gpu) <= 3 + 3  # those that were already handed out
    assert sorted(photo for photo, on_cpu in tried if on_cpu) == list(range(20))


def test_the_process_that_met_full_memory_is_replaced() -> None:
    pool = WorkerPool(1, 500, 60)
    try:
        error = pool.submit(refuse_on_gpu, Job(1, "/photo.jpg", 1, 1)).exception(60)
        assert isinstance(error, DeviceMemoryError)
        after = pool.submit(refuse_on_gpu, Job(1, "/photo.jpg", 1, 1, on_cpu=True)).result(60)
        assert after.engine.split()[1] != str(error).split()[-1]
    finally:
        pool.shutdown()


def test_the_engine_of_such_a_job_is_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[EngineOptions] = []

    def load(detect: object, encode: object, engine: EngineOptions) -> Any:
        asked.append(engine)
        raise EngineError("enough seen")

    monkeypatch.setattr(stage, "_engine", load)
    config = Config(engine=EngineOptions(provider="cuda"))
    path = Path(__file__).parent / "nowhere.png"
    monkeypatch.setattr(stage.images, "open_photo", lambda *_: __import__("contextlib").nullcontext())
    for on_cpu in (False, True):
        with pytest.raises(EngineError, match="enough seen"):
            stage.analyse(config, Job(1, str(path), 1, 1, detect=True, on_cpu=on_cpu))
    assert [engine.provider for engine in asked] == ["cuda", "cpu"]


@needs("group-photos")
def test_dlibs_batches_of_equal_canvases_find_what_single_pictures_do() -> None:
    """As it works with CUDA: pictures of several sizes on canvases of few, those of one size together."""
    from PIL import Image

    folder = DATA / "group-photos/dlib-faces"
    with Image.open(folder / "2008_002079.jpg") as photo:
        whole = np.asarray(photo.convert("RGB"))
    pictures = [whole, whole[20:, 10:], whole[:, ::-1], np.zeros((20, 20, 3), np.uint8)]
    alone = CnnDetector(0, batches=False).detect([np.ascontiguousarray(picture) for picture in pictures])
    together = CnnDetector(0, batches=True)
    assert [len(group) for group in together._groups(pictures)] == [3]
    for one, other in zip(alone, together.detect(pictures), strict=True):
        assert [face.box for face in one] == [face.box for face in other]
        assert [face.score for face in one] == pytest.approx([face.score for face in other], abs=0.1)


def test_dlibs_batches_are_halved_too(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []

    def model(images: list[object], upsample: int, batch_size: int) -> list[list[object]]:
        assert batch_size == len(images)
        sizes.append(batch_size)
        if batch_size > 2:
            raise DeviceMemoryError("dlib: out of memory")
        return [[] for _ in images]

    detector = CnnDetector(0, batches=True)
    monkeypatch.setitem(detector.__dict__, "_model", model)
    assert detector.detect([np.zeros((100, 100, 3), np.uint8)] * 5) == [[]] * 5
    assert sizes == [5, 2, 3, 1, 2]
    assert functools.reduce(int.__add__, [size for size in sizes if size <= 2]) == 5
