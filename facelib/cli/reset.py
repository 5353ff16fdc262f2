"""`facelib reset`: forget what can be made again."""

from __future__ import annotations

import json
import time

import click

from facelib.cli.deciding import writing
from facelib.cli.root import Shared
from facelib.progress import count
from facelib.store import reset as resetting


@click.command(short_help="Forget detections or guesses, and make them again.")
@click.option("--detections", is_flag=True, help="Forget faces and encodings; the next scan searches everything again.")
@click.option("--matches", is_flag=True, help="Forget guesses; the next scan guesses again.")
@click.option("--all", "everything", is_flag=True, help="Both, and what photos say about themselves.")
@click.option("--dry-run", is_flag=True, help="Say what would be forgotten.")
@click.pass_obj
def reset(shared: Shared, detections: bool, matches: bool, everything: bool, dry_run: bool) -> None:
    """Forget what facelib found, after a backup of the database beside it.

    Decisions, people, imported regions, stars and albums stay: decisions belong to a photo and a place in it, and find
    their faces again when these are detected again.

    \b
    Exit status: 0 done, 2 wrong usage, 10 no library yet, 11 another facelib is writing.
    """
    if not (detections or matches or everything):
        raise click.UsageError("say what to forget: --detections, --matches or --all")
    detections, matches = detections or everything, matches or everything
    with writing(shared, "reset") as db:
        doomed = resetting.counts(db, detections=detections, matches=matches)
        words = ", ".join(
            count(number, f"{table}{'es' if table == 'match' else 's'}") for table, number in doomed.items()
        )
        if dry_run:
            click.echo(json.dumps({"dry_run": True, **doomed}) if shared.json else f"would forget {words}")
            return
        backup = f"{shared.database}.before-reset-{time.strftime('%Y%m%d-%H%M%S')}.bak"
        db.backup_to(backup)
        with db.atomic():
            resetting.forget(db, detections=detections, matches=matches, facts=everything)
    if shared.json:
        click.echo(json.dumps({"dry_run": False, **doomed, "backup": backup}))
    else:
        click.echo(f"forgot {words}; a backup is {backup}")
