"""`facelib import-xmp`: the face regions that other programs wrote."""

from __future__ import annotations

import click

from facelib.cli.importing import import_into
from facelib.cli.root import Shared


@click.command(short_help="Take over face regions from photos and XMP sidecars.")
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("--dry-run", is_flag=True, help="Say what would happen, on a copy of the library; write nothing.")
@click.pass_obj
def import_xmp(shared: Shared, paths: tuple[str, ...], dry_run: bool) -> None:
    """Read the face regions that digiKam, Lightroom, Windows, Picasa and others wrote, in and below PATH.

    Without PATH all indexed folders are read. Regions are looked for in JPEG, PNG, TIFF, WebP and HEIF files, and in sidecars
    (a.jpg.xmp, a.xmp): the schemas of the Metadata Working Group, Microsoft and IPTC. It may be run before or after
    `facelib scan`, and again.

    \b
    Exit status: 0 done, 2 wrong usage, 3 done but something could not be read (named in the report), 10 nothing is
    indexed yet, 11 another facelib is writing, 12 not a facelib database, 130 interrupted (run it again to go on).
    """
    import_into(shared, "import-xmp", paths, None, dry_run=dry_run)
