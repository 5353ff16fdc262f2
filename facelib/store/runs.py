"""Runs: what was started when, and how it ended."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from facelib.store.database import Database


def start(db: Database, command: str) -> int:
    """Write down that a command began; gives its run_id."""
    with db.atomic():
        return db.execute("INSERT INTO run (command, started_at) VALUES (?, ?)", (command, _now()))


def end(db: Database, run_id: int, outcome: str, summary: dict[str, Any]) -> None:
    """Write down how it ended: 'done', 'stopped' (by --until, --for or --limit), 'interrupted' or 'failed'."""
    with db.atomic():
        db.execute(
            "UPDATE run SET ended_at = ?, outcome = ?, summary = ? WHERE run_id = ?",
            (_now(), outcome, json.dumps(summary), run_id),
        )


def latest(db: Database, count: int) -> list[dict[str, Any]]:
    """The newest runs, newest first: run_id, command, started_at, ended_at, outcome, summary (or {})."""
    rows = db.query(
        "SELECT run_id, command, started_at, ended_at, outcome, summary FROM run ORDER BY run_id DESC LIMIT ?", (count,)
    )
    names = ("run_id", "command", "started_at", "ended_at", "outcome", "summary")
    found = [dict(zip(names, row, strict=True)) for row in rows]
    for run in found:
        run["summary"] = json.loads(run["summary"]) if run["summary"] else {}
    return found


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
