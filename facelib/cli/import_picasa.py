"""`facelib import-picasa`: the names that Picasa left."""

from __future__ import annotations

import click

from facelib.cli.importing import import_into
from facelib.cli.root import Shared
from facelib.picasa.paths import parse_rule
from facelib.stages.picasa import PicasaOptions


@click.command(short_help="Inherit the names, stars and albums that Picasa left.")
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option(
    "--contacts", multiple=True, type=click.Path(), metavar="FILE", help="Picasa's contacts.xml, or its backup.xml."
)
@click.option(
    "--db3",
    type=click.Path(),
    metavar="DIR",
    help="Picasa's database folder, db3. Only there are the faces that were ignored.",
)
@click.option(
    "--map",
    "maps",
    multiple=True,
    metavar="FROM=TO",
    help="Where a folder of Picasa's is here: 'C:\\Photos=/home/ann/Pictures'.",
)
@click.option("--ansi", default="cp1252", metavar="NAME", help="Code page of old ini files. [default: cp1252]")
@click.option("--dry-run", is_flag=True, help="Say what would happen, on a copy of the library; write nothing.")
@click.pass_obj
def import_picasa(
    shared: Shared,
    paths: tuple[str, ...],
    contacts: tuple[str, ...],
    db3: str | None,
    maps: tuple[str, ...],
    ansi: str,
    dry_run: bool,
) -> None:
    """Read every .picasa.ini in and below PATH, and the face regions that Picasa wrote into JPEG files.

    Without PATH all indexed folders are read. Photographs that are not indexed yet are indexed on the way. It may be run
    before or after `facelib scan`, and again: what is known already changes nothing, and what you have said yourself is
    never overruled. Nothing of Picasa's is written to.

    \b
    contacts.xml has the names of Picasa's people, and is on Windows below
    %LocalAppData%\\Google\\Picasa2\\contacts; the folder db3 is beside contacts,
    and naming it is enough where both were kept. Without contacts.xml the names
    in the ini files are taken.

    \b
    Exit status: 0 done, 1 failed, 2 wrong usage, 3 done but a file could not be read (named in the report; so are lines
    that make no sense, which are no failure), 10 nothing is indexed yet, 11 another facelib is writing, 12 not a facelib
    database, 130 interrupted (run it again to go on).
    """
    options = PicasaOptions(contacts, db3, tuple(parse_rule(text) for text in maps), ansi)
    import_into(shared, "import-picasa", paths, options, dry_run=dry_run)
