"""What the two importing commands have in common."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence

import click

from facelib.cli.root import Shared
from facelib.progress import JsonLines, Stop, for_stream
from facelib.stages import imports, journal, targets
from facelib.stages.picasa import PicasaOptions, Sources, gather
from facelib.store import WriterLock, create_or_open, open_readonly, refuse_foreign, runs


def import_into(
    shared: Shared, command: str, paths: Sequence[str], options: PicasaOptions | None, *, dry_run: bool
) -> None:
    """Import into the library, or into a copy of it that is thrown away."""
    known = refuse_foreign(shared.database)
    targets.check(paths, library=known)
    sources = None if options is None else gather(options)  # what was named wrongly is told before anything is indexed
    if not dry_run:
        _import(shared, shared.database, command, paths, sources)
        return
    with tempfile.TemporaryDirectory(prefix="facelib-dry-run-") as folder:
        copy = os.path.join(folder, "facelib.db")
        if known:
            with open_readonly(shared.database) as db:
                db.backup_to(copy)
        _import(shared, copy, command, paths, sources, dry_run=True)


def _import(
    shared: Shared,
    database: str,
    command: str,
    paths: Sequence[str],
    sources: Sources | None,
    *,
    dry_run: bool = False,
) -> None:
    progress, stop = for_stream(sys.stderr, json_lines=shared.json, quiet=shared.quiet), Stop(None)
    with WriterLock(database, command), create_or_open(database) as db, stop.signals(progress):
        run_id = runs.start(db, command)
        outcome: str = "failed"
        summary: dict[str, object] = {}
        try:
            report = imports.run(db, run_id, command, paths, shared.config, sources, progress, stop, dry_run=dry_run)
            outcome, summary = "interrupted" if stop.interrupted else "done", report.as_dict()
        except KeyboardInterrupt:
            outcome = "interrupted"
            raise
        finally:
            runs.end(db, run_id, outcome, summary)
        if not dry_run:
            journal.write(db)
    if isinstance(progress, JsonLines):
        progress.write({"event": "report", **report.as_dict()})
    elif not (shared.quiet and report.quiet):
        for line in report.lines(shared.verbose):
            click.echo(line)
    sys.exit(report.exit_code)
