"""Jobs out to the workers, results back in order, written by the batch: what detecting and encoding have in common."""

from __future__ import annotations

import functools
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import replace

from facelib.config import Config
from facelib.errors import DeviceMemoryError, FacelibError, WorkerDiedError
from facelib.models import Analysis, Job
from facelib.progress import Progress, Stop

BATCH_PHOTOS = 64
BATCH_SECONDS = 5.0
# Photos handed out per worker: one in work and two waiting keep it busy while the parent writes.
_IN_FLIGHT = 3
# A GPU that has no memory for so many photos has none for the others either: they go to the CPU at once.
_GPU_REFUSALS = 3

Analyse = Callable[[Job], Analysis]
Batch = list[tuple[Job, Analysis]]


def run_jobs(
    jobs: Iterator[Job],
    config: Config,
    workers: int,
    progress: Progress,
    stop: Stop,
    write: Callable[[Batch], None],
    *,
    executor: Executor | None = None,
    analyse: Analyse | None = None,
) -> float:
    """Work on the jobs until there are none or `stop` is due; gives the CPU seconds that own workers took.

    `executor` defaults to local worker processes; `analyse` is what they run, and has to be picklable. `write` gets the
    results in the order of the jobs, whatever order they come in.
    """
    task = analyse or functools.partial(_analyse, config)
    if executor is not None:
        _work(jobs, task, executor, workers, progress, stop, write)
        return 0.0
    from facelib.stages.pool import WorkerPool  # a night without work starts no processes

    pool = WorkerPool(workers, config.workers.recycle_after, config.workers.photo_timeout)
    try:
        _work(jobs, task, pool, workers, progress, stop, write)
    except BaseException:
        pool.kill()
        raise
    pool.shutdown()
    return pool.cpu_seconds


def worker_count(config: Config, jobs: int) -> int:
    """How many workers are worth starting."""
    from facelib.stages.pool import default_workers

    return max(1, min(config.workers.workers or default_workers(), jobs))


def _analyse(config: Config, job: Job) -> Analysis:
    """What workers run. Only they import numpy, Pillow and dlib; the parent hands out a reference."""
    from facelib.stages.analyse import analyse

    return analyse(config, job)


def _work(
    jobs: Iterator[Job],
    analyse: Analyse,
    executor: Executor,
    workers: int,
    progress: Progress,
    stop: Stop,
    write: Callable[[Batch], None],
) -> None:
    """Keep a window of jobs in flight, in order; write a batch when it is full or old."""
    window: deque[tuple[Job, Future[Analysis]]] = deque()
    batch: Batch = []
    refused = 0  # photos for which a GPU's memory was not enough
    flushed = time.monotonic()
    more = True
    while more or window:
        while more and len(window) < _IN_FLIGHT * workers:
            job = None if stop.due else next(jobs, None)
            if job is None:
                more = False
                break
            job = replace(job, on_cpu=refused >= _GPU_REFUSALS)
            window.append((job, executor.submit(analyse, job)))
        if stop.due:  # what nobody has begun can wait for the next run
            window = deque(entry for entry in window if not entry[1].cancel())
        if window:
            job, future = window.popleft()
            if not job.on_cpu and isinstance(_failure(future), DeviceMemoryError):
                # The worker that met it is gone, and with it what it held on the GPU.
                refused += 1
                job = replace(job, on_cpu=True)
                future = executor.submit(analyse, job)
            batch.append((job, _result(job, future)))
            progress.advance()
        if batch and (len(batch) >= BATCH_PHOTOS or time.monotonic() - flushed >= BATCH_SECONDS):
            write(batch)
            batch, flushed = [], time.monotonic()
    if batch:
        write(batch)


def _failure(future: Future[Analysis]) -> BaseException | None:
    return None if future.cancelled() else future.exception()


def _result(job: Job, future: Future[Analysis]) -> Analysis:
    """What became of a job. A bug that one photo brings out costs that photo; an engine that cannot run ends the stage."""
    try:
        return future.result()
    except WorkerDiedError as error:
        return Analysis(job.photo_id, error=str(error), crashed=True)
    except FacelibError:
        raise
    except Exception as error:  # noqa: BLE001 - it becomes the photo's error, in the database and the digest
        reason = f"facelib failed on it, please report this: {type(error).__name__}: {error}"
        return Analysis(job.photo_id, error=reason, crashed=True)
