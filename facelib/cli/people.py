"""`facelib people`: who there is, and who is who."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import click

from facelib.cli.deciding import one_line, writing
from facelib.cli.root import Shared
from facelib.errors import EXIT_DONE
from facelib.progress import count
from facelib.stages import deciding
from facelib.store import acts, open_readonly


@click.group(invoke_without_command=True, short_help="Who there is: list, show, rename, merge, split, hide.")
@click.pass_context
def people(context: click.Context) -> None:
    """Without a command: list everybody, those with most faces first.

    A person is named in quotes ('Ann Lee', in any case), or by number (#12). Every change can be taken back: facelib undo.

    \b
    Exit status: 0 done, 2 wrong usage, 10 no library yet, 11 another facelib is writing, 12 not a facelib database.
    """
    if context.invoked_subcommand is None:
        context.invoke(list_)


@people.command("list")
@click.option("--all", "everybody", is_flag=True, help="Also those who are hidden or have no faces.")
@click.pass_obj
def list_(shared: Shared, everybody: bool = False) -> None:
    """Everybody with their faces and years.

    \b
    Exit status: 0 done, 10 no library yet.
    """
    with open_readonly(shared.database) as db:
        for person in acts.everybody(db):
            if not everybody and (person.hidden or not person.faces):
                continue
            if shared.json:
                click.echo(json.dumps(asdict(person)))
            else:
                click.echo(_line(person))
    sys.exit(EXIT_DONE)


@people.command()
@click.argument("person")
@click.pass_obj
def show(shared: Shared, person: str) -> None:
    """One person: years, faces, and by which other names they are known.

    \b
    Exit status: 0 done, 2 nobody of that name, 10 no library yet.
    """
    with open_readonly(shared.database) as db:
        person_id = deciding.find_person(db, person)
        found = next(one for one in acts.everybody(db) if one.person_id == person_id)
        also = [name for _, name, merged in acts.names(db) if merged == person_id]
        faces = acts.faces_of_person(db, person_id)
    if shared.json:
        click.echo(json.dumps({**asdict(found), "also": also, "face_ids": faces}))
        return
    click.echo(_line(found))
    if also:
        click.echo(f"  also known as {', '.join(also)}")
    if found.born or found.died:
        click.echo(f"  lived {found.born or '?'} to {found.died or '?'}")
    if found.hidden:
        click.echo("  hidden")


@people.command()
@click.argument("person")
@click.argument("name")
@click.pass_obj
def rename(shared: Shared, person: str, name: str) -> None:
    """Give PERSON another name.

    \b
    Exit status: 0 done, 2 wrong usage, 10 no library yet, 11 another facelib is writing.
    """
    with writing(shared, "people") as db:
        one_line(shared, db, deciding.rename(db, deciding.find_person(db, person), name))


@people.command()
@click.argument("person", nargs=-1, required=True)
@click.option("--into", required=True, metavar="PERSON", help="Who they all are.")
@click.pass_obj
def merge(shared: Shared, person: tuple[str, ...], into: str) -> None:
    """Say that PERSON... and another are one person.

    \b
    Exit status: 0 done, 2 wrong usage, 10 no library yet, 11 another facelib is writing.
    """
    with writing(shared, "people") as db:
        ids = [deciding.find_person(db, one) for one in person]
        one_line(shared, db, deciding.merge(db, ids, deciding.find_person(db, into)))


@people.command()
@click.argument("person")
@click.option(
    "--face", "faces", type=int, multiple=True, required=True, metavar="FACE_ID", help="Faces of somebody else."
)
@click.option("--name", required=True, help="Who that is.")
@click.pass_obj
def split(shared: Shared, person: str, faces: tuple[int, ...], name: str) -> None:
    """Say that some of PERSON's faces are somebody else.

    \b
    Exit status: 0 done, 2 wrong usage, 10 no library yet, 11 another facelib is writing.
    """
    with writing(shared, "people") as db:
        one_line(shared, db, deciding.split(db, deciding.find_person(db, person), faces, name))


@people.command()
@click.argument("person")
@click.option("--off", is_flag=True, help="Show them again.")
@click.pass_obj
def hide(shared: Shared, person: str, off: bool) -> None:
    """Keep PERSON out of lists and questions.

    \b
    Exit status: 0 done, 2 wrong usage, 10 no library yet, 11 another facelib is writing.
    """
    with writing(shared, "people") as db:
        one_line(shared, db, deciding.hide(db, deciding.find_person(db, person), not off))


@people.command()
@click.argument("person")
@click.argument("born", type=click.IntRange(1000, 3000), required=False)
@click.option("--died", type=click.IntRange(1000, 3000), metavar="YEAR", help="The year of death.")
@click.pass_obj
def birth(shared: Shared, person: str, born: int | None, died: int | None) -> None:
    """Say in which year PERSON was born: earlier photos do not show them. Without years, forget them.

    \b
    Exit status: 0 done, 2 wrong usage, 10 no library yet, 11 another facelib is writing.
    """
    with writing(shared, "people") as db:
        one_line(shared, db, deciding.set_years(db, deciding.find_person(db, person), born, died))


def _line(person: acts.Person) -> str:
    years = "" if person.first_seen is None else f"{person.first_seen[:4]} to {(person.last_seen or '')[:4]}"
    return f"#{person.person_id:<5} {person.name:<32} {count(person.faces, 'faces'):>12}  {years}".rstrip()
