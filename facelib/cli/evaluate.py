"""`facelib evaluate`: how well names are guessed."""

from __future__ import annotations

import json
from dataclasses import replace

import click

from facelib.cli.root import Shared
from facelib.config import METRICS
from facelib.engines.registry import encoder_key
from facelib.stages import evaluate as evaluating
from facelib.store import open_readonly


@click.command(short_help="How well names are guessed, by your own labels.")
@click.option("--metric", type=click.Choice(METRICS), help="Judge this one. [default: the one that match uses]")
@click.option(
    "--plot", type=click.Path(), metavar="FILE", help="Draw error against threshold: .png or .svg (facelib[plot])."
)
@click.pass_obj
def evaluate(shared: Shared, metric: str | None, plot: str | None) -> None:
    """Leave each face that somebody named out once, guess it from the others, and count: how many are named rightly, how
    many strangers would get a name, who is confused with whom, and which labels look wrong. Changes nothing.

    \b
    Exit status: 0 done, 1 no matplotlib for a plot, 2 nobody is named yet, 10 no library yet.
    """
    options = shared.config.match if metric is None else replace(shared.config.match, metric=metric)
    with open_readonly(shared.database) as db:
        found = evaluating.run(db, encoder_key(shared.config.detect, shared.config.encode), options)
        if plot is not None:
            evaluating.plot(found, plot)
        if shared.json:
            click.echo(json.dumps(evaluating.as_dict(db, found)))
            return
        for line in evaluating.lines(db, found, shared.verbose):
            click.echo(line)
