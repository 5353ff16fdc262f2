"""`facelib match`: guess names again."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace

import click

from facelib.cli.deciding import writing
from facelib.cli.root import Shared
from facelib.config import METRICS
from facelib.engines.registry import encoder_key
from facelib.progress import Stop, count, for_stream
from facelib.stages import cluster
from facelib.stages import match as matching
from facelib.stages.digest import printable
from facelib.store import faces

_LISTED = 50  # changes that are spelled out


@click.command(short_help="Guess the names of faces that nobody has decided about.")
@click.option("--metric", type=click.Choice(METRICS), help="How faces are compared. [default: what does best]")
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@click.pass_obj
def match(shared: Shared, metric: str | None, dry_run: bool) -> None:
    """Compare faces with the people that you, Picasa or XMP have named, and guess. `facelib scan` does the same at its end.

    A face that is near enough gets the name; one that may be somebody is kept as a suggestion. Nobody is in one photo
    twice, nobody before their birth, and a name that you rejected is not guessed again. Only what is new since the
    last time, or what new decisions may change, is compared.

    \b
    Exit status: 0 done, 10 no library yet, 11 another facelib is writing, 130 interrupted.
    """
    progress, stop = for_stream(sys.stderr, json_lines=shared.json, quiet=shared.quiet), Stop(None)
    options = shared.config.match if metric is None else replace(shared.config.match, metric=metric)
    model = encoder_key(shared.config.detect, shared.config.encode)
    with writing(shared, "match") as db, stop.signals(progress):
        done = matching.run(db, model, options, progress, stop, dry_run=dry_run)
        if not dry_run:
            cluster.run(db, model, progress, stop)
        shown = done.changes if shared.json or shared.verbose else done.changes[:_LISTED]
        rows: list[tuple[matching.Change, str, str, str]] = []
        for change in shown:
            path, before, after = faces.where(db, change.face_id, change.before, change.after)
            rows.append((change, path, before, after))
    if shared.json:
        changes = [{**asdict(change), "path": path} for change, path, _, _ in rows]
        click.echo(json.dumps({**done.as_dict(), "dry_run": dry_run, "changes": changes}))
        return
    if shared.quiet and not done.changes:
        return
    if not done.labels:
        click.echo(f"nobody is named yet in encodings of {model}: import Picasa's names, or name some faces")
    for change, path, before, after in rows:
        click.echo(f"  face {change.face_id}  {before or 'nobody'} -> {after or 'nobody'}  {printable(path)}")
    if len(done.changes) > len(rows):
        click.echo(f"  ... and {len(done.changes) - len(rows):,} more (-v lists them all)")
    if done.labels and not done.faces:
        click.echo("nothing is new since the last time")
        return
    words = "would change" if dry_run else "changed"
    click.echo(
        f"{count(done.faces, 'faces')} compared with {count(done.people, 'people')}: {done.named:,} named, {done.suggested:,}"
        f" suggested; {len(done.changes):,} {words}"
        + (f" ({done.metric}, up to {done.threshold:.3g})" if done.threshold else "")
    )
    for face, reason in done.refused[:_LISTED]:
        click.echo(f"  face {face} cannot be compared: {reason}")
