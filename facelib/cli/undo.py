"""`facelib undo`: take back what was decided."""

from __future__ import annotations

import json

import click

from facelib.cli.deciding import writing
from facelib.cli.root import Shared
from facelib.stages import deciding


@click.command(short_help="Take back your last decision, or the last N.")
@click.argument("number", type=click.IntRange(1, 1_000_000), default=1, metavar="[N]")
@click.pass_obj
def undo(shared: Shared, number: int) -> None:
    """Take back the last N things that you did, newest first: names given, rejections, merges, renames, all of them.

    \b
    Exit status: 0 done (also when there was nothing left), 2 wrong usage, 10 no library yet, 11 another facelib is
    writing.
    """
    with writing(shared, "undo") as db:
        done = deciding.undo(db, number)
    for act in done:
        words = {"act": act.act_id, "kind": act.kind, "says": act.says, "faces": act.faces}
        click.echo(json.dumps(words) if shared.json else f"taken back: {act.says}")
    if not done and not shared.json:
        click.echo("there is nothing to take back")
