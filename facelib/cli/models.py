"""`facelib models`: packs of model files: list, add, remove, verify, fetch."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from facelib.cli.root import Shared
from facelib.engines import packs
from facelib.engines.packs import Item, Pack
from facelib.errors import FacelibError, UsageError
from facelib.progress import count, for_stream
from facelib.stages import fetch as fetch_stage

_ACCEPT = click.option("--accept-licence", is_flag=True, help="Accept the licence that is shown, without being asked.")


@click.group(short_help="Other face models: list, add, fetch, verify, remove.")
def models() -> None:
    """Keep packs of model files other than dlib's, such as those of InsightFace.

    A pack is a folder of ONNX files: a face detector (SCRFD or YuNet), an encoder (ArcFace and its kin), or both. Packs are
    kept in the user's data folder. Known files are recognised by their SHA-256, and their licence is shown: InsightFace's
    models are for non-commercial research only.

    \b
    Exit status: 0 done, 1 failed or something is wrong with a pack, 2 wrong usage.
    """


@models.command("list")
@click.pass_obj
def list_packs(shared: Shared) -> None:
    """List the packs, what is in them and under which licence.

    \b
    Exit status: 0 done, 1 the list of a pack is damaged.
    """
    folder, sound = packs.models_folder(), True
    found = packs.names(folder)
    for name in found:
        try:
            _print(shared, packs.open_pack(name, folder))
        except FacelibError as error:
            sound = False
            _wrong(shared, name, error)
    if not found and not shared.json and not shared.quiet:
        known = ", ".join(sorted(fetch_stage.PINNED))
        click.echo(f"no packs in {folder}; add one with `facelib models add FOLDER`, or fetch {known}")
    sys.exit(0 if sound else 1)


@models.command()
@click.argument("source", metavar="DIR|ZIP", type=click.Path(path_type=Path))
@click.option("--name", metavar="NAME", help="What the pack is called. [default: the name of the folder or zip]")
@_ACCEPT
@click.pass_obj
def add(shared: Shared, source: Path, name: str | None, accept_licence: bool) -> None:
    """Copy a pack from a folder or zip file, with the SHA-256 of each file.

    All its *.onnx files have to be models that facelib knows or can use. Nothing is kept unless all are, and nothing is
    before the licence was accepted.

    \b
    Exit status: 0 done, 1 a file is missing, cut off or foreign, or the licence was not accepted, 2 wrong usage.
    """
    folder = packs.models_folder()
    with packs.staged(source, name or packs.default_name(source), folder) as staged:
        _print(shared, staged, quietly=True)
        _accept(staged.licences, staged.free, accept_licence)
        pack = packs.install(staged, folder)
    _done(shared, "added", pack)


@models.command()
@click.argument("name")
@click.pass_obj
def remove(shared: Shared, name: str) -> None:
    """Delete a pack. Encodings made with it stay in the library.

    \b
    Exit status: 0 done, 1 failed, 2 there is no such pack.
    """
    folder = packs.models_folder()
    if name not in packs.names(folder):
        packs.open_pack(name, folder)  # says what there is
    pack = Pack(name, folder / name, ())  # a damaged one can go too
    packs.remove(pack)
    _done(shared, "removed", pack)


@models.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.pass_obj
def verify(shared: Shared, names: Sequence[str]) -> None:
    """Read every byte of the packs, all without NAME, and compare it with what was added.

    \b
    Exit status: 0 all is right, 1 a file is missing, cut off or changed, 2 there is no such pack.
    """
    folder, sound = packs.models_folder(), True
    for name in names or packs.names(folder):
        try:
            problems: Sequence[FacelibError] = packs.verify(packs.open_pack(name, folder))
        except UsageError:
            raise
        except FacelibError as error:
            problems = [error]
        for problem in problems:
            _wrong(shared, name, problem)
        sound = sound and not problems
        if not problems:
            _say(shared, f"{name}: all files right", {"pack": name, "good": True})
    sys.exit(0 if sound else 1)


@models.command()
@click.argument("name")
@_ACCEPT
@click.pass_obj
def fetch(shared: Shared, name: str, accept_licence: bool) -> None:
    """Download a pack from its publisher's release page. This is the only command that uses the network.

    Every file is checked against the SHA-256 that facelib knows. What was interrupted goes on when it is run again.

    \b
    buffalo_l   288 MB  the most accurate: SCRFD-10GF and ResNet-50
    buffalo_s   128 MB  SCRFD-500MF and MobileFaceNet, with landmark models
    buffalo_sc   15 MB  the smallest: SCRFD-500MF and MobileFaceNet

    \b
    Exit status: 0 done, 1 the network, the files or the licence stopped it, 2 wrong usage, 130 interrupted (Ctrl-C; run
    it again to go on).
    """
    wanted, folder = fetch_stage.contents(name), packs.models_folder()
    packs.check_name(name, folder)
    licences: dict[str, list[str]] = {}
    for known in wanted:
        licences.setdefault(known.licence, []).append(known.file)
    _accept(licences, free=False, accepted=accept_licence)
    progress = for_stream(sys.stderr, json_lines=shared.json, quiet=shared.quiet)
    pack = fetch_stage.run(name, folder, progress)
    _print(shared, pack, quietly=True)
    _done(shared, "fetched", pack)


def _accept(licences: Mapping[str, Sequence[str]], free: bool, accepted: bool) -> None:
    """Show the licences, and go on only when they are accepted. On stderr: stdout is for what other programs read."""
    for licence, files in licences.items():
        click.echo(f"licence of {', '.join(files)}: {licence}", err=True)
    if free or accepted:
        return
    if not sys.stdin.isatty():
        raise FacelibError("the licence was not accepted, nothing was kept; read it above and give --accept-licence")
    if not click.confirm("Do you accept this?", err=True):
        raise FacelibError("the licence was not accepted, nothing was kept")


def _print(shared: Shared, pack: Pack, *, quietly: bool = False) -> None:
    """A pack with its files; `quietly`: not where --quiet was given."""
    if shared.json:
        click.echo(json.dumps(_as_dict(pack)))
        return
    if quietly and shared.quiet:
        return
    click.echo(f"{pack.name}  {count(pack.size, 'B')}  {pack.folder}" if not quietly else pack.name)
    used = (pack.detector, pack.encoder)
    for item in pack.items:
        mark = "used" if item in used else "kept"
        known = "known" if item.known else "new"
        click.echo(f"  {mark}  {item.file:<34} {count(item.size, 'B'):>9}  {item.sha256}  {known}")
        click.echo(f"        {item.what}; licence: {item.licence}")


def _as_dict(pack: Pack) -> dict[str, object]:
    return {"pack": pack.name, "folder": str(pack.folder), "files": [_item(item) for item in pack.items]}


def _item(item: Item) -> dict[str, object]:
    said = {"file": item.file, "sha256": item.sha256, "size": item.size, "role": item.role}
    return {**said, "known": item.known is not None, "what": item.what, "licence": item.licence}


def _done(shared: Shared, verb: str, pack: Pack) -> None:
    _say(shared, f"{verb} {pack.name}: {pack.folder}", {"event": verb, "pack": pack.name, "folder": str(pack.folder)})


def _say(shared: Shared, words: str, event: Mapping[str, object]) -> None:
    if shared.json:
        click.echo(json.dumps(event))
    elif not shared.quiet:
        click.echo(words)


def _wrong(shared: Shared, name: str, error: FacelibError) -> None:
    if shared.json:
        click.echo(json.dumps({"pack": name, "good": False, "problem": str(error)}))
    else:
        click.echo(f"WRONG {name}  {error}")
