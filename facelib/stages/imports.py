"""What `import-picasa` and `import-xmp` do from beginning to end: index, read, lay on faces, encode, report."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Executor

from facelib.config import Config
from facelib.engines.registry import encoder_key
from facelib.progress import Progress, Stop
from facelib.stages import beside, detect, encode, picasa, scan, targets, xmp
from facelib.stages import regions as laying
from facelib.stages.import_report import ImportReport
from facelib.stages.picasa import PicasaSummary, Sources
from facelib.stages.xmp import XmpSummary
from facelib.store import Database, regions


def run(
    db: Database,
    run_id: int,
    command: str,
    paths: Sequence[str],
    config: Config,
    sources: Sources | None,
    progress: Progress,
    stop: Stop,
    *,
    dry_run: bool = False,
    executor: Executor | None = None,
) -> ImportReport:
    """Import from `paths`, without any from all roots.

    `sources`: Picasa's files, and the XMP in the folders that have any; None: all XMP. `dry_run` leaves out what costs time and
    changes no name: the encodings. `executor` defaults to local worker processes.
    """
    began = time.monotonic()
    indexed = scan.run(db, run_id, paths, config.walk, progress, stop)
    # Boxes are laid in pixels: every photo has to have said how large it is.
    read = detect.run(db, run_id, config, None, progress, stop, executor=executor)
    known, inside = _read(db, run_id, paths, config, sources, progress, stop)
    laid = laying.run(db, progress, stop)
    made = encode.EncodeSummary()
    if not stop.due and not dry_run:
        model = encoder_key(config.detect, config.encode)
        made = encode.run(db, run_id, config, model, progress, stop, drawn=True, executor=executor)
    kinds = ("xmp",) if sources is None else ("picasa", "xmp")
    return ImportReport(
        command, indexed, read, known, inside, laid, made,
        totals={kind: regions.totals(db, kind) for kind in kinds},
        people=regions.per_person(db, kinds),
        faceless=regions.faceless(db, kinds),
        differences=[row for kind in kinds for row in regions.differences(db, kind)],
        interrupted=stop.interrupted,
        dry_run=dry_run,
        seconds=time.monotonic() - began,
    )  # fmt: skip


def _read(
    db: Database,
    run_id: int,
    paths: Sequence[str],
    config: Config,
    sources: Sources | None,
    progress: Progress,
    stop: Stop,
) -> tuple[PicasaSummary | None, XmpSummary]:
    """Read what other programs left; nothing where the photos could not all be indexed, or much would seem to be missing."""
    known = None if sources is None else PicasaSummary(sources.doubts, complete=False)
    inside = XmpSummary(complete=False)
    if stop.due:
        return known, inside
    tops = [target.top for target in targets.resolve(db, run_id, paths)[0]]
    follow = config.walk.follow_symlinks
    if sources is None:
        everywhere = beside.folders(tops, inside.doubts, follow_symlinks=follow)
        return None, xmp.run(db, run_id, everywhere, progress, stop)
    known = picasa.run(db, run_id, tops, sources, progress, stop, follow_symlinks=follow)
    with_inis = beside.listed(known.folders, known.doubts)
    return known, xmp.run(db, run_id, with_inis, progress, stop, alone=False)
