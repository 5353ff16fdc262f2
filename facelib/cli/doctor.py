"""`facelib doctor`: what is wrong with the installation or the library, and its cure."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from itertools import chain

import click

from facelib.cli.root import Shared
from facelib.config import Config
from facelib.errors import ConfigError
from facelib.stages.doctor import Finding, examine


@click.command(short_help="What is wrong with facelib or the library, and its cure.")
@click.pass_obj
def doctor(shared: Shared) -> None:
    """Look at Python, dlib, the model files, the image formats and the library, and say how to mend what is wrong.

    Changes nothing.

    \b
    Exit status: 0 all is well, 1 something is wrong.
    """
    sound = True
    try:
        findings: Iterable[Finding] = examine(shared.database, shared.config)
    except ConfigError as error:  # the defaults may still say where the library is
        wrong = Finding("config", False, str(error), "mend the file, or name another with --config")
        findings = chain([wrong], examine(Config().database_path(shared.db), Config()))
    for finding in findings:
        sound = sound and finding.good
        if shared.json:
            click.echo(json.dumps(asdict(finding)))
            continue
        if not (shared.quiet and finding.good):
            click.echo(f"{'ok   ' if finding.good else 'WRONG'} {finding.what:<12} {finding.says}")
            if not finding.good and finding.cure:
                click.echo(f"{'':18} cure: {finding.cure}")
    sys.exit(0 if sound else 1)
