"""The documents say what is true: examples parse, generated parts are current, commands are named."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from pathlib import Path

from facelib import __version__, config
from facelib.cli import cli
from facelib.store.database import schema_folder

TOP = Path(__file__).resolve().parents[1]


def read(name: str) -> str:
    return (TOP / name).read_text(encoding="utf-8")


def test_the_example_configuration_has_every_key_with_its_default() -> None:
    text = read("config.example.toml")
    assert config.parse(text, "config.example.toml") == config.Config()
    tables = tomllib.loads(text)
    for table in (one for one in dataclasses.fields(config.Config) if one.compare):
        if table.name == "database":
            assert "# database =" in text
        else:
            options = getattr(config.Config(), table.name)
            assert set(tables[table.name]) == {one.name for one in dataclasses.fields(options)}


def test_every_command_is_in_the_readme_and_the_reference() -> None:
    for name in cli.list_commands(None):  # type: ignore[arg-type]
        assert re.search(rf"^  {name} ", read("README.md"), re.MULTILINE), name
        assert f"## facelib {name}" in read("docs/cli.md"), name


def test_the_readme_has_the_two_commands_and_ci_runs_the_second() -> None:
    text = read("README.md")
    assert "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/facelib scan ~/Pictures" in text
    assert "\npython3 -m venv .venv && .venv/bin/pip install -e '.[test]' && .venv/bin/pytest\n" in text
    assert "README.md" in read(".ci/run")


def test_the_version_is_in_the_changelog() -> None:
    assert f"## {__version__}" in read("CHANGELOG.md")


def test_links_between_documents_lead_somewhere() -> None:
    for page in [*TOP.glob("*.md"), *TOP.glob("docs/*.md"), *TOP.glob("schema/*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_schema_explains_itself() -> None:
    for script in schema_folder().glob("*.sql"):
        text = script.read_text(encoding="utf-8")
        assert text.startswith("-- "), script.name
        for statement in re.finditer(r"\nCREATE (TABLE|VIEW) (\w+)", text):
            before = text[: statement.start()].rstrip().splitlines()[-1]
            described = before.startswith("--") or statement.group(2).endswith("_v1")
            assert described, f"{script.name}: {statement.group(2)} has no word said about it"
