"""What commands that change decisions have in common: the lock, the library, the line they end with."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import click

from facelib.cli.root import Shared
from facelib.errors import NoLibraryError
from facelib.stages import journal
from facelib.store import Database, WriterLock, acts, create_or_open, refuse_foreign


@contextlib.contextmanager
def writing(shared: Shared, command: str) -> Iterator[Database]:
    """The library, open for writing; afterwards all decisions are in the journal beside it. Raises `NoLibraryError`."""
    if not refuse_foreign(shared.database):
        raise NoLibraryError(f"no library at {shared.database}: run `facelib scan FOLDER` first")
    with WriterLock(shared.database, command), create_or_open(shared.database) as db:
        yield db
        journal.write(db)


def one_line(shared: Shared, db: Database, act_id: int) -> None:
    """Say what was done."""
    act = next(act for act in acts.latest(db) if act.act_id == act_id)
    if shared.json:
        click.echo(json.dumps({"act": act.act_id, "kind": act.kind, "says": act.says, "faces": act.faces}))
    elif not shared.quiet:
        click.echo(act.says)
