"""Stage three: faces that have no encoding of the model in use get one, from their stored boxes and landmarks.

Detection encodes what it finds; this is for faces found before the model was chosen, and for boxes that people drew.
Nobody detects again, and names are not touched.
"""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

from facelib.config import Config
from facelib.models import Path
from facelib.progress import Progress, Stop
from facelib.stages.work import Analyse, Batch, run_jobs, worker_count
from facelib.store import Database, encodings


@dataclass(slots=True)
class EncodeSummary:
    """What came of the faces that were due."""

    model: str = ""
    due: int = 0  # photos
    done: int = 0  # photos
    faces: int = 0
    engine: str = ""
    errors: list[tuple[Path, str]] = field(default_factory=list)
    cpu: Counter[str] = field(default_factory=Counter)  # CPU seconds of the workers by phase
    worker_seconds: float = 0.0
    complete: bool = True
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            **{name: getattr(self, name) for name in ("model", "due", "done", "faces", "engine", "complete")},
            "errors": [{"path": path, "reason": reason} for path, reason in self.errors],
            "cpu_seconds": {name: round(seconds, 3) for name, seconds in sorted(self.cpu.items())},
            "worker_seconds": round(self.worker_seconds, 3),
            "seconds": round(self.seconds, 3),
        }


def run(
    db: Database,
    run_id: int,
    config: Config,
    model: str,
    progress: Progress,
    stop: Stop,
    *,
    retry_errors: bool = False,
    drawn: bool = False,
    executor: Executor | None = None,
    analyse: Analyse | None = None,
) -> EncodeSummary:
    """Encode all faces that have no encoding by `model`; `drawn`: only those that an imported box alone speaks for."""
    began = time.monotonic()
    summary = EncodeSummary(model)
    if retry_errors:
        with db.atomic():
            encodings.forget_failures(db, model)
    summary.due, _ = encodings.count_due(db, model, drawn=drawn)
    if summary.due and not stop.due:
        progress.start("encoding", summary.due, "photos")

        def write(batch: Batch) -> None:
            with db.atomic():
                for job, analysis in batch:
                    summary.cpu.update(analysis.seconds)
                    summary.engine = analysis.engine or summary.engine
                    if analysis.error is not None:
                        summary.errors.append((job.path, analysis.error))
                    if analysis.unavailable:
                        continue
                    encodings.save(db, run_id, model, analysis)
                    summary.done += 1
                    summary.faces += len(analysis.encoded)

        workers = worker_count(config, summary.due)
        jobs = encodings.due(db, model, drawn=drawn)
        summary.worker_seconds = run_jobs(
            jobs, config, workers, progress, stop, write, executor=executor, analyse=analyse
        )
        progress.finish()
    summary.complete = not summary.due or encodings.count_due(db, model, drawn=drawn)[0] == 0
    summary.seconds = time.monotonic() - began
    return summary
