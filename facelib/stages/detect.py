"""Stage two: what is due goes to the workers, what comes back is written: facts, detections, faces, encodings.

Results are written in the order of the photos, whatever order they come in: a run that was killed and resumed ends with the
same rows, ids included, as one that was left alone.
"""

from __future__ import annotations

import functools
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any

from facelib.config import Config
from facelib.errors import FacelibError, WorkerDiedError
from facelib.models import Analysis, Job, Path
from facelib.progress import Progress, Stop
from facelib.store import Database, decisions, faces, photos

BATCH_PHOTOS = 64
BATCH_SECONDS = 5.0
# Photos handed out per worker: one in work and two waiting keep it busy while the parent writes.
_IN_FLIGHT = 3

Analyse = Callable[[Job], Analysis]


@dataclass(slots=True)
class DetectSummary:
    """What came of the photos that were due."""

    detector: str | None = None
    due: int = 0
    done: int = 0
    with_faces: int = 0
    faces: int = 0
    named: dict[str, int] = field(default_factory=dict)  # of these faces, by who named them; 'unknown' among them
    carried: int = 0  # decisions that followed a face into an edited photo
    damaged: list[tuple[Path, str]] = field(default_factory=list)  # read, but not whole
    errors: list[tuple[Path, str]] = field(default_factory=list)
    workers: int = 0
    cpu: Counter[str] = field(default_factory=Counter)  # CPU seconds of the workers by phase
    worker_seconds: float = 0.0  # CPU seconds of the workers in all
    complete: bool = False  # nothing is left that was due
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        names = ("detector", "due", "done", "with_faces", "faces", "named", "carried", "workers", "complete")
        return {
            **{name: getattr(self, name) for name in names},
            "damaged": [{"path": path, "reason": reason} for path, reason in self.damaged],
            "errors": [{"path": path, "reason": reason} for path, reason in self.errors],
            "cpu_seconds": {name: round(seconds, 3) for name, seconds in sorted(self.cpu.items())},
            "worker_seconds": round(self.worker_seconds, 3),
            "seconds": round(self.seconds, 3),
        }


def run(
    db: Database,
    run_id: int,
    config: Config,
    detector: str | None,
    progress: Progress,
    stop: Stop,
    *,
    limit: int | None = None,
    retry_errors: bool = False,
    executor: Executor | None = None,
    analyse: Analyse | None = None,
) -> DetectSummary:
    """Detect and encode all photos without a result of `detector` (None: only read what the photos say of themselves).

    `executor` defaults to local worker processes; `analyse` is what they run, and has to be picklable.
    """
    began = time.monotonic()
    summary = DetectSummary(detector, photos.count_due(db, detector, retry_errors))
    total = summary.due if limit is None else min(limit, summary.due)
    if total:
        from facelib.stages.pool import WorkerPool, default_workers  # a night without work starts no processes

        summary.workers = min(config.workers.workers or default_workers(), total)
        progress.start("detecting" if detector else "reading", total, "photos")
        own = None
        if executor is None:
            executor = own = WorkerPool(summary.workers, config.workers.recycle_after, config.workers.photo_timeout)
        try:
            task = analyse or _default_analyse(config)
            _work(
                db,
                run_id,
                summary,
                executor,
                task,
                progress,
                stop,
                _take(photos.due(db, detector, retry_errors), total),
            )
        except BaseException:
            if own is not None:
                own.kill()
            raise
        if own is not None:
            own.shutdown()
            summary.worker_seconds = own.cpu_seconds
        progress.finish()
        summary.named = faces.faces_per_name_source(db, run_id)
    summary.complete = photos.count_due(db, detector) == 0 if summary.due else True
    summary.seconds = time.monotonic() - began
    return summary


def _default_analyse(config: Config) -> Analyse:
    from facelib.stages.analyse import analyse  # numpy, Pillow and dlib, for nights that have something to do

    return functools.partial(analyse, config.images, config.detect)


def _take(jobs: Iterator[Job], count: int) -> Iterator[Job]:
    for _, job in zip(range(count), jobs, strict=False):
        yield job


def _work(
    db: Database,
    run_id: int,
    summary: DetectSummary,
    executor: Executor,
    analyse: Analyse,
    progress: Progress,
    stop: Stop,
    jobs: Iterator[Job],
) -> None:
    """Keep a window of jobs in flight, in order; write a batch when it is full or old."""
    window: deque[tuple[Job, Future[Analysis]]] = deque()
    batch: list[tuple[Job, Analysis]] = []
    flushed = time.monotonic()
    more = True
    while more or window:
        while more and len(window) < _IN_FLIGHT * summary.workers:
            job = None if stop.due else next(jobs, None)
            if job is None:
                more = False
                break
            window.append((job, executor.submit(analyse, job)))
        if stop.due:  # what nobody has begun can wait for the next run
            window = deque(entry for entry in window if not entry[1].cancel())
        if window:
            job, future = window.popleft()
            batch.append((job, _result(job, future)))
            progress.advance()
        if batch and (len(batch) >= BATCH_PHOTOS or time.monotonic() - flushed >= BATCH_SECONDS):
            _write(db, run_id, batch, summary)
            batch, flushed = [], time.monotonic()
    _write(db, run_id, batch, summary)


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


def _write(db: Database, run_id: int, batch: list[tuple[Job, Analysis]], summary: DetectSummary) -> None:
    if not batch:
        return
    with db.atomic():
        for job, analysis in batch:
            _write_one(db, run_id, job, analysis, summary)


def _write_one(db: Database, run_id: int, job: Job, analysis: Analysis, summary: DetectSummary) -> None:
    summary.cpu.update(analysis.seconds)
    if analysis.unavailable:  # nothing was learned; it is due again in the next run
        summary.errors.append((job.path, f"{analysis.error}; it is left for the next run"))
        return
    summary.done += 1
    if analysis.error is not None:
        summary.errors.append((job.path, analysis.error))
    if analysis.crashed and summary.detector is not None:
        faces.save_detection(db, run_id, summary.detector, analysis)  # nothing is known about the photo itself
        return
    photos.save_facts(db, run_id, analysis)
    if analysis.facts is not None and analysis.facts.warning:
        summary.damaged.append((job.path, analysis.facts.warning))
    if analysis.faces is not None and summary.detector is not None:
        faces.save_detection(db, run_id, summary.detector, analysis)
        summary.faces += len(analysis.faces)
        summary.with_faces += bool(analysis.faces)
        summary.carried += decisions.offer_to_edited(db, run_id, analysis.photo_id)
