"""``python -m facelib`` is the command ``facelib``."""

from __future__ import annotations

from facelib.cli import main

if __name__ == "__main__":  # worker processes import this module again and must not start the program
    main()
