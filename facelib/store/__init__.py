"""The database. SQL is here and nowhere else; functions take an open `Database` and give models."""

from __future__ import annotations

from facelib.store.database import SCHEMA_VERSION, Database, create_or_open, open_readonly, refuse_foreign
from facelib.store.lock import WriterLock

__all__ = ["SCHEMA_VERSION", "Database", "WriterLock", "create_or_open", "open_readonly", "refuse_foreign"]
