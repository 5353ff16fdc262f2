"""`facelib scan`: walk, hash, detect, encode; the night's work."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from datetime import datetime

import click

from facelib.cli.root import Shared
from facelib.config import PROVIDERS, RUNTIMES, Config
from facelib.engines.registry import detector_key, encoder_key, notices, settled, with_model
from facelib.progress import JsonLines, Progress, Stop, for_stream, parse_duration, seconds_until
from facelib.stages import cluster, detect, encode, journal, match, targets
from facelib.stages import regions as laying
from facelib.stages import scan as scan_stage
from facelib.stages.digest import Digest
from facelib.store import WriterLock, create_or_open, faces, photos, refuse_foreign, runs


@click.command(short_help="Find what is new, and the faces in it.")
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("--no-faces", is_flag=True, help="Only walk, hash, and read what the photos say about themselves.")
@click.option("--until", metavar="HH:MM", help="Stop at this time of day, finishing the photos in work.")
@click.option("--for", "duration", metavar="DURATION", help="Stop after this time: 90s, 45m, 6h, 1h30m.")
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="Search at most N photos.")
@click.option(
    "--workers", type=click.IntRange(min=1), metavar="N", help="Worker processes. [default: one per processor]"
)
@click.option("--detector", metavar="NAME", help="How faces are found: see below. [default: cnn]")
@click.option(
    "--model", metavar="NAME", help="What encodes faces; faces without it get it. [default: dlib-resnet-v1+mirror]"
)
@click.option("--engine", type=click.Choice(RUNTIMES), help="What computes the networks. [default: onnx]")
@click.option("--provider", type=click.Choice(PROVIDERS), help="Of ONNX Runtime. [default: auto, the best installed]")
@click.option("--retry-errors", is_flag=True, help="Try again what could not be read or crashed.")
@click.option("--confirm-missing", is_flag=True, help="Accept that files are gone, however many.")
@click.pass_obj
def scan(
    shared: Shared,
    paths: tuple[str, ...],
    no_faces: bool,
    until: str | None,
    duration: str | None,
    limit: int | None,
    workers: int | None,
    detector: str | None,
    model: str | None,
    engine: str | None,
    provider: str | None,
    retry_errors: bool,
    confirm_missing: bool,
) -> None:
    """Index folders: find new, changed, moved and missing photographs, and the faces in them.

    Without PATH the folders that were indexed before. PATH says what is walked; photos that are still to be searched are
    searched wherever they lie. Run it every night; what is unchanged is not opened, and a run that
    was interrupted is simply run again. Photographs are only read, never written to.

    \b
    cnn       dlib's neural network
    hog       HOG: twice as fast, misses faces that are turned
    hog+cnn   HOG, and the neural network where HOG finds nothing
    thorough  both, merged
    PACK      a pack of `facelib models`; --model takes its name too

    \b
    Exit status: 0 done, 1 an engine or the database cannot be used, 2 wrong usage, 3 done but something could not be
    read (named in the digest), 10 nothing to scan, 11 another facelib is writing, 12 not a facelib database, 130
    interrupted (Ctrl-C; run it again to go on).
    """
    config = settled(_with_options(shared.config, workers, detector, model, engine, provider))
    stop = Stop(_deadline(until, duration))
    progress = for_stream(sys.stderr, json_lines=shared.json, quiet=shared.quiet)
    targets.check(paths, library=refuse_foreign(shared.database))
    with WriterLock(shared.database, "scan"), create_or_open(shared.database) as db, stop.signals(progress):
        key = None if no_faces else detector_key(config.detect)
        model_key = encoder_key(config.detect, config.encode)
        run_id = runs.start(db, "scan")
        began, outcome, summary = time.monotonic(), "failed", {}
        try:
            walked = scan_stage.run(db, run_id, paths, config.walk, progress, stop, confirm_missing=confirm_missing)
            found = detect.run(db, run_id, config, key, progress, stop, limit=limit, retry_errors=retry_errors)
            laid = laying.run(db, progress, stop)
            made = encode.EncodeSummary()
            if not no_faces:
                made = encode.run(db, run_id, config, model_key, progress, stop, retry_errors=retry_errors)
            guessed, grouped = match.MatchSummary(), cluster.ClusterSummary()
            if not no_faces:
                guessed = match.run(db, model_key, config.match, progress, stop)
                grouped = cluster.run(db, model_key, progress, stop)
            found.named = faces.faces_per_name_source(db, run_id)
            due = (0 if found.complete else photos.count_due(db, key)) + made.due - made.done
            limited = limit is not None and found.done >= limit and not found.complete
            outcome = "interrupted" if stop.interrupted else "stopped" if stop.due or limited else "done"
            cpu_seconds = time.process_time() + found.worker_seconds + made.worker_seconds
            said = [] if no_faces else notices(config)
            digest = Digest(
                walked, found, laid, made, guessed, grouped, outcome, time.monotonic() - began, cpu_seconds, due, said
            )
            summary = digest.as_dict()
        except KeyboardInterrupt:
            outcome = "interrupted"
            raise
        finally:
            runs.end(db, run_id, outcome, summary)
        journal.write(db)
    _print(shared, digest, progress)
    sys.exit(digest.exit_code)


def _with_options(
    config: Config,
    workers: int | None,
    detector: str | None,
    model: str | None,
    engine: str | None,
    provider: str | None,
) -> Config:
    """The configuration with what the command line says instead."""
    if workers is not None:
        config = replace(config, workers=replace(config.workers, workers=workers))
    if detector is not None:
        given = config.given | {"detect.detector"}
        config = replace(config, detect=replace(config.detect, detector=detector), given=given)
    if model is not None:
        given = config.given | {"encode.model"}
        config = replace(config, encode=with_model(config.encode, model), given=given)
    if engine is not None:
        config = replace(config, engine=replace(config.engine, runtime=engine))
    if provider is not None:
        config = replace(config, engine=replace(config.engine, provider=provider))
    return config


def _deadline(until: str | None, duration: str | None) -> float | None:
    seconds: list[float] = []
    try:
        if until is not None:
            seconds.append(seconds_until(until, datetime.now()))
    except ValueError as error:
        raise click.BadParameter(f"{until!r} is no time of day such as 06:30", param_hint="--until") from error
    try:
        if duration is not None:
            seconds.append(parse_duration(duration))
    except ValueError as error:
        raise click.BadParameter(f"{duration!r} is no duration such as 6h or 1h30m", param_hint="--for") from error
    return time.monotonic() + min(seconds) if seconds else None


def _print(shared: Shared, digest: Digest, progress: Progress) -> None:
    if isinstance(progress, JsonLines):
        progress.write({"event": "digest", **digest.as_dict()})
    elif not (shared.quiet and digest.quiet):
        for line in digest.lines(shared.verbose):
            click.echo(line)
