"""`facelib log`: what was decided."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from facelib.cli.root import Shared
from facelib.store import acts, open_readonly


@click.command(short_help="What you have decided, newest first.")
@click.option(
    "-n", "number", type=click.IntRange(1, 1_000_000), default=20, metavar="N", help="How many. [default: 20]"
)
@click.pass_obj
def log(shared: Shared, number: int) -> None:
    """List what was said of faces and people, newest first, also what was taken back.

    \b
    Exit status: 0 done, 10 no library yet, 12 not a facelib database.
    """
    with open_readonly(shared.database) as db:
        for act in acts.latest(db, number):
            if shared.json:
                click.echo(json.dumps(asdict(act)))
            else:
                click.echo(f"{act.made_at}  {act.says}{'  (taken back)' if act.undone_at else ''}")
