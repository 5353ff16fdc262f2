"""`facelib doctor`: what is wrong with the installation or the library, and its cure."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import click

from facelib.cli.root import Shared
from facelib.stages.doctor import examine


@click.command(short_help="What is wrong with the installation or the library, and its cure.")
@click.pass_obj
def doctor(shared: Shared) -> None:
    """Look at Python, dlib, the model files, the image formats and the library, and say how to mend what is wrong.

    Changes nothing.

    \b
    Exit status: 0 all is well, 1 something is wrong.
    """
    sound = True
    for finding in examine(shared.database):
        sound = sound and finding.good
        if shared.json:
            click.echo(json.dumps(asdict(finding)))
            continue
        if not (shared.quiet and finding.good):
            click.echo(f"{'ok   ' if finding.good else 'WRONG'} {finding.what:<12} {finding.says}")
            if not finding.good and finding.cure:
                click.echo(f"{'':18} cure: {finding.cure}")
    sys.exit(0 if sound else 1)
