"""facelib: index a photo library offline; find the faces, keep the names, in one SQLite file."""

from __future__ import annotations

from facelib.errors import FacelibError
from facelib.models import Box, Face, File, Photo

__version__ = "0.1.0"

__all__ = ["Box", "Face", "FacelibError", "File", "Photo", "__version__"]
