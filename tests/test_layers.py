"""The plan of the house, held by reading the imports: they point down only."""

from __future__ import annotations

import ast
from pathlib import Path

import facelib

PACKAGE = Path(facelib.__file__).parent

# From the top down. A module may import from its own layer's folder and from lower layers.
LAYERS = [
    {"cli"},
    {"web"},
    {"stages"},
    {"store", "engines", "images", "picasa", "matching"},
    {"exif", "formats"},
    {"config", "progress", "geometry"},
    {"models", "errors"},
]
ONLY_IN = {
    "sqlite3": {"store", "stages/doctor.py"},  # doctor names its version
    "dlib": {"engines/dlib_native.py"},
    "onnxruntime": {"engines/providers.py"},
    "PIL": {"images.py"},
    "exifread": {"exif.py"},
    "tqdm": {"progress.py"},
    "click": {"cli"},
}


def modules() -> list[tuple[str, ast.Module]]:
    return [(str(p.relative_to(PACKAGE)), ast.parse(p.read_text(encoding="utf-8"))) for p in PACKAGE.rglob("*.py")]


def imports(tree: ast.Module) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names if node.module == "facelib" else {node.module}
    return found


def part(path: str) -> str:
    return path.split("/")[0].removesuffix(".py")


def level(name: str) -> int:
    return next((i for i, layer in enumerate(LAYERS) if name in layer), -1)


def test_imports_point_down_and_siblings_do_not_know_each_other() -> None:
    wrong = []
    for path, tree in modules():
        here = part(path)
        if here in ("__init__", "__main__"):
            continue
        assert level(here) >= 0, f"{path} is in no layer"
        for name in imports(tree):
            there = name.split(".")[1] if name.startswith("facelib.") and "." in name else None
            if there and there not in (here, "__version__") and level(there) <= level(here):
                # Within a layer only the small ones at the bottom may lean on each other.
                if level(there) == level(here) and level(here) >= LAYERS.index({"config", "progress", "geometry"}):
                    continue
                wrong.append(f"{path} imports {name}")
    assert wrong == []


def test_each_foreign_library_is_imported_in_its_own_place_only() -> None:
    wrong = []
    for path, tree in modules():
        for name in imports(tree):
            places = ONLY_IN.get(name.split(".")[0])
            if places is not None and path not in places and part(path) not in places:
                wrong.append(f"{path} imports {name}")
    assert wrong == []


def test_the_public_names_are_sorted_and_true() -> None:
    assert facelib.__all__ == sorted(facelib.__all__)
    for name in facelib.__all__:
        assert hasattr(facelib, name)


def test_no_module_has_grown_beyond_what_one_reads_at_a_sitting() -> None:
    long = {path: len(Path(PACKAGE / path).read_text(encoding="utf-8").splitlines()) for path, _ in modules()}
    assert {path: lines for path, lines in long.items() if lines > 500} == {}


def test_every_module_and_public_name_says_what_it_is() -> None:
    silent = []
    for path, tree in modules():
        if not ast.get_docstring(tree):
            silent.append(path)
        for node in tree.body:
            public = isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
            if public and not ast.get_docstring(node):
                silent.append(f"{path}: {node.name}")
    assert silent == []
