"""What the tests share: the photographs in ../shared/data (where they are), and libraries drawn from a literal dict."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from facelib.config import Config, DetectOptions, PoolOptions
from facelib.progress import Silent, Stop
from facelib.stages import detect, scan
from facelib.stages.detect import DetectSummary
from facelib.stages.pool import InlineExecutor
from facelib.stages.scan import ScanSummary
from facelib.store import Database, create_or_open, runs

DATA = Path(os.environ.get("FACELIB_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")

# A drawn photograph: the colours of its faces, which the fake engine takes for people. () is a photo without faces.
Colours = tuple[str, ...]


def needs(folder: str) -> pytest.MarkDecorator:
    """Skip, with the reason, where the photographs of the workshop are not at hand."""
    return pytest.mark.skipif(not (DATA / folder).is_dir(), reason=f"no {DATA / folder}; set FACELIB_DATA")


@pytest.fixture(autouse=True)
def _no_surprises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's own configuration, library or cache."""
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.delenv("FACELIB_DB", raising=False)


def draw(path: Path, faces: Colours, *, size: tuple[int, int] = (200, 120), seed: int = 0, **save: object) -> None:
    """Draw a photograph for the fake engine: one bright patch per colour; `seed` makes its bytes its own."""
    image = Image.new("RGB", size, (20, 20, 20))
    pen = ImageDraw.Draw(image)
    for index, colour in enumerate(faces):
        pen.rectangle((10 + 45 * index, 30, 40 + 45 * index, 70), fill=colour)
    pen.point((0, 0), fill=(seed % 60, seed // 60 % 60, 0))
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **({"format": "PNG"} | save))  # PNG whatever the name: the pixels are exact


@pytest.fixture
def library(tmp_path: Path) -> Callable[[Mapping[str, Colours]], Path]:
    """Make a library from {"2015/a.png": ("red",)}; gives its folder."""

    def make(content: Mapping[str, Colours], name: str = "library") -> Path:
        root = tmp_path / name
        root.mkdir(exist_ok=True)
        for index, (path, faces) in enumerate(content.items()):
            draw(root / path, faces, seed=index + 1)
        return root

    return make


FAKE = Config(detect=DetectOptions(detector="fake"), workers=PoolOptions(workers=1))


class Library:
    """A database and what one does with it, in this process and with the fake engine."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.db: Database = create_or_open(str(path))

    def scan(self, *paths: Path | str, **options: object) -> ScanSummary:
        run_id = runs.start(self.db, "scan")
        summary = scan.run(
            self.db,
            run_id,
            [str(p) for p in paths],
            FAKE.walk,
            Silent(),
            Stop(),
            **options,  # type: ignore[arg-type]
        )
        runs.end(self.db, run_id, "done", {})
        return summary

    def detect(self, **options: object) -> DetectSummary:
        run_id = runs.start(self.db, "scan")
        summary = detect.run(
            self.db, run_id, FAKE, "fake-1 @700-1200", Silent(), Stop(),
            **({"executor": InlineExecutor()} | options),  # type: ignore[arg-type]
        )  # fmt: skip
        runs.end(self.db, run_id, "done", {})
        return summary

    def rows(self, sql: str, *parameters: object) -> list[tuple[object, ...]]:
        return list(self.db.query(sql, parameters))  # type: ignore[arg-type]

    def paths(self, present: int = 1) -> list[str]:
        """The paths that are present (or gone), sorted."""
        return sorted(str(row[0]) for row in self.rows("SELECT path FROM files_v1 WHERE present = ?", present))


@pytest.fixture
def db(tmp_path: Path) -> object:
    made = Library(tmp_path / "facelib.db")
    yield made
    made.db.close()
