"""What `facelib status` says: what is indexed, what is due, how long that takes, the last runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from facelib.progress import count, duration
from facelib.stages.digest import printable
from facelib.store import Database, encodings, files, matches, photos, runs

_RUNS = 5


def report(db: Database, detector: str, model: str) -> dict[str, Any]:
    """The state of a library, for JSON."""
    last = runs.latest(db, _RUNS)
    rate = next((r for r in map(_rate, last) if r), None)
    due = photos.count_due(db, detector)
    last_match = matches.threshold(db)
    return {
        "database": db.path,
        "roots": [
            {"path": path, "files": number, "problem": problem} for path, number, problem in files.roots_with_counts(db)
        ],
        "counts": photos.counts(db),
        "detector": detector,
        "due": due,
        "model": model,
        "faces_to_encode": encodings.count_due(db, model)[1],
        "threshold": None
        if last_match is None
        else dict(zip(("model", "metric", "distance"), last_match, strict=True)),
        "eta_seconds": round(due / rate, 1) if rate and due else None,
        "runs": last,
    }


def lines(state: dict[str, Any]) -> Iterator[str]:
    """The same for a person."""
    counts = state["counts"]
    yield f"library   {state['database']}"
    for root in state["roots"]:
        yield f"root      {printable(root['path'])}: {count(root['files'], 'files')}"
        if root["problem"]:
            yield f"          {root['problem']}"
    yield f"files     {counts['files']:,} present, {counts['gone']:,} gone"
    unread, damaged = counts["unreadable_photos"] + counts["unreadable_files"], counts["damaged_photos"]
    yield f"photos    {counts['photos']:,}, of which {unread:,} cannot be read, and {damaged:,} damaged"
    if counts["failed_detections"]:
        failed = count(counts["failed_detections"], "photos")
        yield f"          {failed} could not be searched; after two crashes only `scan --retry-errors` tries again"
    yield f"faces     {counts['faces']:,}"
    yield f"people    {counts['people']:,}"
    if state["threshold"]:
        limit = state["threshold"]
        yield f"names     guessed up to a distance of {limit['distance']:.3g} ({limit['metric']}, {limit['model']})"
    eta = f", about {duration(state['eta_seconds'])} at the rate of the last run" if state["eta_seconds"] else ""
    yield f"due       {count(state['due'], 'photos')} for {state['detector']}{eta}"
    if state["faces_to_encode"]:
        yield f"          {count(state['faces_to_encode'], 'faces')} to be encoded by {state['model']}"
    for run in state["runs"]:
        scan, detect = run["summary"].get("scan", {}), run["summary"].get("detect", {})
        done = (
            f"{count(scan.get('new', 0), 'new files')}, {count(detect.get('done', 0), 'photos')},"
            f" {count(detect.get('faces', 0), 'faces')}"
        )
        ended = run["outcome"] or "running, or ended by force"
        yield f"run       {run['started_at']}  {run['command']}: {ended}{'; ' + done if run['summary'] else ''}"


def _rate(run: dict[str, Any]) -> float | None:
    """Photos per second of a run that searched enough to tell."""
    detect = run["summary"].get("detect", {})
    if detect.get("detector") and detect.get("done", 0) >= 5 and detect.get("seconds", 0) > 0:
        return float(detect["done"] / detect["seconds"])
    return None
