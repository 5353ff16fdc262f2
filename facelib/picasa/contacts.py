"""Reads Picasa's contacts.xml, and backup.xml, which has the same form: who the ids in `faces=` are.

The file is parsed as XML without a DTD. What XML cannot read, a file that is cut off or of mixed encodings, is searched for
its elements one by one.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, XMLParser

from facelib.picasa import rect64
from facelib.picasa.ini import NOBODY, Account
from facelib.picasa.lines import Problem, Problems, decode_lines, single_line


@dataclass(frozen=True, slots=True)
class Contact:
    """One person as Picasa's list of people has it. Several may have one name."""

    id: int
    name: str  # trimmed; may be empty
    display: str = ""  # nickname, in files of Picasa 3.8 and older
    modified: str | None = None  # ISO 8601 with offset, as written
    subjects: tuple[Account, ...] = ()  # who it is on the web: what `[Contacts]` refers to
    also: tuple[str, ...] = ()  # other names, of older elements with the same id


@dataclass(frozen=True, slots=True)
class Contacts:
    """What one file says, or several (`merge`)."""

    contacts: dict[int, Contact] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def read(data: bytes, ansi: str = "cp1252") -> Contacts:
    """Read one file. Nothing in it makes this fail; what cannot be read is in `problems`.

    Of several elements with one id the newest counts, by `modified_time`; the names of the others are in `also`. A file
    with a DTD is searched like a damaged one, in which no entity is expanded. `ansi` is the Windows code page of lines that
    are not UTF-8; raises UsageError where Python knows no such one.
    """
    elements = _Elements()
    parser = XMLParser(target=elements, forbid_dtd=True)
    elements.parser = parser
    try:
        parser.feed(data)
        parser.close()
    except DefusedXmlException:
        fault = Problem(_line_of(parser), "", "a DTD, which no file of Picasa has; no entity of it is used")
    except ParseError as error:
        fault = Problem(error.position[0], "", f"not XML from here on ({str(error).partition(':')[0]})")
    except (LookupError, ValueError) as error:  # of the encoding that it claims to have
        fault = Problem(1, "", f"cannot be read as XML ({error})")
    else:
        return elements.document()
    searched = _search(decode_lines(data, ansi)).document()
    return Contacts(searched.contacts, (fault, *searched.problems))


def merge(documents: Iterable[Contacts]) -> Contacts:
    """Several files as one, the most trusted first (contacts.xml, then backup.xml); later ones add what it lacks.

    Where they name one contact differently the first name counts, and the others are in `also`. Problems stay with the
    documents whose lines they count.
    """
    merged: dict[int, Contact] = {}
    for document in documents:
        for key, contact in document.contacts.items():
            merged[key] = _united(merged[key], contact) if key in merged else contact
    return Contacts(merged)


def _united(first: Contact, other: Contact) -> Contact:
    name = first.name or other.name
    return Contact(
        id=first.id,
        name=name,
        display=first.display or other.display,
        modified=first.modified or other.modified,
        subjects=tuple(dict.fromkeys(first.subjects + other.subjects)),
        also=_others(name, [*first.also, other.name, *other.also]),
    )


def _others(name: str, names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(other for other in names if other not in ("", name)))


class _Elements:
    """Takes the elements of a file one by one: XMLParser's `start` and `end`, or what `_search` finds."""

    def __init__(self) -> None:
        self.parser: Any = None  # knows the line
        self.problems = Problems()
        self._root: str | None = None
        self._found: dict[int, list[tuple[Contact, list[Account]]]] = {}
        self._subjects: list[Account] | None = None  # of the element that is open

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""
        self.take(_line_of(self.parser), tag, attributes)

    def end(self, tag: str) -> None:
        """An element ends."""
        if _plain(tag) == "contact":
            self._subjects = None

    def take(self, line: int, tag: str, attributes: Mapping[str, str]) -> None:
        """Note an element that begins in this line."""
        tag = _plain(tag)
        self._root = self._root or tag
        if tag not in ("contact", "subject"):
            return
        attributes = {_plain(name): value for name, value in attributes.items()}
        key = rect64.parse(attributes.get("id", "").strip())
        if tag == "subject":
            self._subject(line, attributes.get("user", ""), key)
        else:
            self._contact(line, attributes, key)

    def document(self) -> Contacts:
        """What was found."""
        if not self._found and self._root not in (None, "contacts"):
            self.problems.add(1, f"<{self._root}>", "not a list of Picasa's contacts")
        return Contacts({key: _newest(found) for key, found in self._found.items()}, self.problems.all())

    def _contact(self, line: int, attributes: Mapping[str, str], key: int | None) -> None:
        self._subjects = []
        if key is None:
            self.problems.add(
                line, _shown("contact", attributes), "a contact without an id of 1 to 16 hexadecimal digits"
            )
        elif key not in NOBODY:
            contact = Contact(
                id=key,
                name=single_line(attributes.get("name", "")),
                display=single_line(attributes.get("display", "")),
                modified=attributes.get("modified_time", "").strip() or None,
            )
            self._found.setdefault(key, []).append((contact, self._subjects))

    def _subject(self, line: int, user: str, key: int | None) -> None:
        user = single_line(user)
        if key is None or not user:
            self.problems.add(line, _shown("subject", {"user": user}), "a web identity without a user or an id")
        elif self._subjects is not None:
            self._subjects.append(Account(user, key))


def _newest(found: list[tuple[Contact, list[Account]]]) -> Contact:
    """The newest of several elements with one id, the last of them where that does not decide."""
    by_age = sorted(found, key=lambda element: _moment(element[0].modified))
    newest = by_age[-1][0]
    name = next((contact.name for contact, _ in reversed(by_age) if contact.name), "")
    return Contact(
        id=newest.id,
        name=name,
        display=newest.display,
        modified=newest.modified,
        subjects=tuple(dict.fromkeys(subject for _, subjects in reversed(by_age) for subject in subjects)),
        also=_others(name, (contact.name for contact, _ in reversed(by_age))),
    )


def _moment(modified: str | None) -> datetime:
    try:
        moment = datetime.fromisoformat(modified or "")
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _plain(name: str) -> str:
    return name.rpartition("}")[2].lower()  # without a namespace


def _shown(tag: str, attributes: Mapping[str, str]) -> str:
    return f"<{tag} {' '.join(f'{name}={value!r}' for name, value in attributes.items())}>"


def _line_of(parser: Any) -> int:
    return int(parser.parser.CurrentLineNumber)


# ----------------------------------------------------------------------------------------------------- damaged files

# An element with all of its attributes, or else only its beginning. The possessive `*+` keeps it linear.
_ELEMENT = re.compile(
    r"""<(?P<tag>contacts?|subject)\b(?:(?P<attributes>(?:[^<>"']|"[^"<]*"|'[^'<]*')*+)>)?|</contact\s*>""",
    re.IGNORECASE,
)
_ATTRIBUTE = re.compile(r"""([a-z_]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE)


def _search(lines: list[str]) -> _Elements:
    """The elements of a file that is no XML, wherever they are whole."""
    elements = _Elements()
    text = "\n".join(lines)
    line, counted = 1, 0
    for element in _ELEMENT.finditer(text):
        line, counted = line + text.count("\n", counted, element.start()), element.start()
        if element["tag"] is None:
            elements.end("contact")
        elif element["attributes"] is None:
            elements.problems.add(line, text[element.start() : element.start() + 80], "an element that is cut off")
        else:
            pairs = _ATTRIBUTE.findall(element["attributes"])
            elements.take(line, element["tag"], {name: html.unescape(one or other) for name, one, other in pairs})
            if element["attributes"].endswith("/"):
                elements.end(element["tag"])
    return elements
