"""`facelib restore-decisions`: what was decided, from the journal."""

from __future__ import annotations

import json
import sys

import click

from facelib.cli.deciding import writing
from facelib.cli.root import Shared
from facelib.errors import EXIT_DONE, EXIT_SOME_UNREADABLE
from facelib.progress import count
from facelib.stages import journal


@click.command(short_help="Take over decisions from a journal.")
@click.argument("file", type=click.Path())
@click.pass_obj
def restore_decisions(shared: Shared, file: str) -> None:
    """Add the decisions of FILE that the library does not have: into a new library after the old one was lost, say.

    facelib writes such a file beside the database whenever something was decided. Decisions find their faces by the photo's
    content and the place in it, at once or when the photo has been searched.

    \b
    Exit status: 0 done, 2 the file is no journal, 3 done but some lines could not be read, 10 no library yet, 11 another
    facelib is writing.
    """
    with writing(shared, "restore-decisions") as db:
        new, known, problems = journal.restore(db, file)
    if shared.json:
        click.echo(json.dumps({"new": new, "known": known, "problems": problems}))
    else:
        click.echo(f"{count(new, 'decisions')} restored, {known:,} were there already")
        for problem in problems:
            click.echo(f"{file}: {problem}", err=True)
    sys.exit(EXIT_SOME_UNREADABLE if problems else EXIT_DONE)
