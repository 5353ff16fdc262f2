"""`facelib why`: what speaks for a name."""

from __future__ import annotations

import json

import click

from facelib.cli.root import Shared
from facelib.engines.registry import encoder_key
from facelib.stages import why as explaining
from facelib.store import open_readonly


@click.command(short_help="Why a face has its name, or none.")
@click.argument("target", metavar="FILE|FACE_ID")
@click.pass_obj
def why(shared: Shared, target: str) -> None:
    """Show the people whom a face resembles most, how near they are and how near is near enough, what forbids one, and the
    named faces that it resembles most; for one face, or for all faces of a photograph.

    \b
    Exit status: 0 done, 2 no such face or photograph, 10 no library yet, 12 not a facelib database.
    """
    model = encoder_key(shared.config.detect, shared.config.encode)
    with open_readonly(shared.database) as db:
        found = explaining.run(db, target, model, shared.config.match)
    for one in found:
        if shared.json:
            click.echo(json.dumps(one.as_dict()))
            continue
        for line in one.lines():
            click.echo(line)
