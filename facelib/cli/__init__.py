"""The command line. Each command parses, opens, calls, prints; it has a file of its own, named after it."""

from __future__ import annotations

import os
import sys

import click

from facelib.cli.root import cli
from facelib.errors import EXIT_INTERRUPTED, FacelibError

__all__ = ["cli", "main"]


def main() -> None:
    """Run `facelib`. Errors of the project become one line and an exit code; anything else is a bug, with its traceback."""
    # Paths may hold bytes that are no text; what is printed of them must not end the program.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        status = cli(prog_name="facelib", standalone_mode=False)
    except FacelibError as error:
        print(f"facelib: {error}", file=sys.stderr)  # noqa: T201
        status = error.exit_code
    except click.ClickException as error:  # wrong usage
        error.show()
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        status = EXIT_INTERRUPTED
    except BrokenPipeError:  # `facelib status | head`: nobody reads on, and nobody wants to hear of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    sys.exit(status)
