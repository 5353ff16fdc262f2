"""`facelib status`: what is indexed, and what is due."""

from __future__ import annotations

import json

import click

from facelib.cli.root import Shared
from facelib.engines.registry import detector_key, encoder_key
from facelib.stages import report
from facelib.store import open_readonly


@click.command(short_help="What is indexed, what is due, the last runs.")
@click.pass_obj
def status(shared: Shared) -> None:
    """Say what is indexed, what is due and how long that will take, and how the last runs ended.

    Reads only, and may be called while a scan is running.

    \b
    Exit status: 0 done, 10 no library yet, 12 not a facelib database.
    """
    with open_readonly(shared.database) as db:
        detect, encode = shared.config.detect, shared.config.encode
        state = report.report(db, detector_key(detect), encoder_key(detect, encode))
    if shared.json:
        click.echo(json.dumps(state))
        return
    for line in report.lines(state):
        click.echo(line)
