"""Stage two: what is due goes to the workers, what comes back is written: facts, detections, faces, encodings.

Results are written in the order of the photos, whatever order they come in: a run that was killed and resumed ends with the
same rows, ids included, as one that was left alone.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

from facelib.config import Config
from facelib.models import Analysis, Job, Path
from facelib.progress import Progress, Stop
from facelib.stages.work import Analyse, Batch, run_jobs, worker_count
from facelib.store import Database, decisions, faces, photos


@dataclass(slots=True)
class DetectSummary:
    """What came of the photos that were due."""

    detector: str | None = None
    due: int = 0
    done: int = 0
    with_faces: int = 0
    faces: int = 0
    named: dict[str, int] = field(default_factory=dict)  # of these faces, by who named them; 'unknown' among them
    engine: str = ""  # what computed the networks
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
        names = ("detector", "due", "done", "with_faces", "faces", "named", "carried", "engine", "workers", "complete")
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
        summary.workers = worker_count(config, total)
        progress.start("detecting" if detector else "reading", total, "photos")
        jobs = _take(photos.due(db, detector, retry_errors), total)

        def write(batch: Batch) -> None:
            with db.atomic():
                for job, analysis in batch:
                    _write_one(db, run_id, job, analysis, summary)

        summary.worker_seconds = run_jobs(
            jobs, config, summary.workers, progress, stop, write, executor=executor, analyse=analyse
        )
        progress.finish()
    summary.complete = photos.count_due(db, detector) == 0 if summary.due else True
    summary.seconds = time.monotonic() - began
    return summary


def _take(jobs: Iterator[Job], count: int) -> Iterator[Job]:
    for _, job in zip(range(count), jobs, strict=False):
        yield job


def _write_one(db: Database, run_id: int, job: Job, analysis: Analysis, summary: DetectSummary) -> None:
    summary.cpu.update(analysis.seconds)
    summary.engine = analysis.engine or summary.engine
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
        decisions.replay_photo(db, analysis.photo_id)
