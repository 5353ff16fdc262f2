"""The options that all commands share."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cached_property

import click

from facelib import __version__, config
from facelib.engines.registry import settled


@dataclass(frozen=True)
class Shared:
    """What stands before the command. The configuration is read when it is first asked for: help needs none."""

    config_path: str | None
    db: str | None
    json: bool
    quiet: bool
    verbose: bool

    @cached_property
    def config(self) -> config.Config:
        """The options; raises `ConfigError`."""
        return settled(config.load(self.config_path))

    @property
    def database(self) -> str:
        """Where the library is; raises `ConfigError`."""
        return self.config.database_path(self.db)


class _Commands(click.Group):
    """Commands are imported when they are called: `scan` should not pay for what `doctor` needs."""

    _names = (
        "doctor", "evaluate", "import-picasa", "import-xmp", "log", "match", "models", "people", "reset",
        "restore-decisions", "scan", "status", "undo", "why",
    )  # fmt: skip

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(self._names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in self._names:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(importlib.import_module(f"facelib.cli.{name}"), name)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="facelib", message="%(prog)s %(version)s")
@click.option(
    "--db", metavar="PATH", help="The library's database. [default: $FACELIB_DB, else the user's data folder]"
)
@click.option("--config", "config_path", metavar="PATH", help="The configuration file, see config.example.toml.")
@click.option("--json", "json_output", is_flag=True, help="Print JSON, one object per line, for other programs.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing when there is nothing to tell.")
@click.option("-v", "--verbose", is_flag=True, help="Print everything there is to tell.")
@click.pass_context
def cli(
    context: click.Context, db: str | None, config_path: str | None, json_output: bool, quiet: bool, verbose: bool
) -> None:
    """Index a photo library offline: find the faces, keep the names, in one SQLite file.

    \b
    Exit status: 0 done, 1 failed, 2 wrong usage, 3 done but some photographs could not be read, 10 no library yet,
    11 another facelib is writing, 12 not a facelib database or a newer one, 130 interrupted.
    """
    context.obj = Shared(config_path, db, json_output, quiet, verbose)
