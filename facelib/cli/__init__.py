"""The command line. Each command parses, opens, calls, prints; it has a file of its own, named after it."""

from __future__ import annotations

import sys

from facelib.cli.root import cli
from facelib.errors import FacelibError

__all__ = ["cli", "main"]


def main() -> None:
    """Run `facelib`. Errors of the project become one line and an exit code; anything else is a bug, with its traceback."""
    # Paths may hold bytes that are no text; what is printed of them must not end the program.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        cli(prog_name="facelib")
    except FacelibError as error:
        print(f"facelib: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)
