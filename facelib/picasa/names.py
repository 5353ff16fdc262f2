"""Who the ids of `faces=` are: Picasa's scattered names put together, in the order of how far each is to be trusted.

1. contacts.xml; 2. `[Contacts2]` of the photo's folder; 3. of a folder above it, the nearest first, then of any folder:
most frequent, then newest; 4. `[Contacts]`, whose web identity leads to a contact with a name; 5. db3. What has no name by
then keeps its id, which still holds its faces together.
"""

from __future__ import annotations

import os.path
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from facelib.picasa.contacts import Contacts
from facelib.picasa.ini import Account, Ini


class Source(StrEnum):
    """Where a name was found; the first that has one counts."""

    CONTACTS = "contacts.xml"
    FOLDER = "folder"
    ABOVE = "folder above"
    ANYWHERE = "any folder"
    WEB = "web identity"
    DB3 = "db3"
    NOWHERE = "nowhere"


@dataclass(frozen=True, slots=True)
class Resolved:
    """Who an id is, as seen from one folder."""

    name: str | None  # trimmed, Unicode NFC; None: nobody says
    source: Source
    also: tuple[str, ...] = ()  # other names that were seen for this id anywhere, the most trusted first


def placeholder(contact: int) -> str:
    """What to call an id without a name.

    >>> placeholder(0x9B9DBBC5E4BABCC)
    'picasa:09b9dbbc5e4babcc'
    """
    return f"picasa:{contact:016x}"


class Names:
    """All that is known about ids. First `add` every folder, then ask; it keeps names, not photographs."""

    def __init__(self, contacts: Contacts | None = None, db3: Mapping[int, str] | None = None) -> None:
        """`contacts` may be several files (`contacts.merge`); `db3` is what the database's people are called, by id."""
        self._contacts = (contacts or Contacts()).contacts
        self._db3 = db3 or {}
        self._by_account = {
            _account_key(account): contact.name
            for contact in self._contacts.values()
            for account in contact.subjects
            if contact.name
        }
        self._folders: dict[int, dict[str, tuple[str, ...]]] = {}  # id -> folder -> names, the one that counts last
        self._newest: dict[str, int] = {}  # folder -> time
        self._accounts: dict[int, dict[Account, None]] = {}
        self._used: dict[int, dict[str, None]] = {}  # id -> folders with its faces
        self._known: dict[int, _Known] = {}

    def add(self, folder: str, ini: Ini, mtime_ns: int = 0, *, used: bool = True) -> None:
        """Take what a folder's inis say, once per folder, merged; `folder` is an absolute path, `mtime_ns` of its newest ini.

        Only faces of folders that are `used` count for what is told of ids below.
        """
        self._known.clear()
        self._newest[folder] = mtime_ns
        for contact, entries in ini.contacts.items():
            names = tuple(filter(None, (_canonical(entry.name) for entry in entries)))
            if names:
                self._folders.setdefault(contact, {})[folder] = names
        for contact, accounts in ini.accounts.items():
            self._accounts.setdefault(contact, {}).update(dict.fromkeys(accounts))
        for entry in ini.photos.values() if used else ():
            for face in entry.faces:
                if face.contact is not None:
                    self._used.setdefault(face.contact, {})[folder] = None

    def resolve(self, contact: int, folder: str) -> Resolved:
        """Who this id is in a photo of this folder."""
        known = self._about(contact)
        name, source = known.name, known.source
        if source != Source.CONTACTS:
            name, source = _nearest(known.folders, folder) or (name, source)
        if name is None:
            return _NAMELESS
        answer = known.answers.get((name, source))
        if answer is None:
            answer = Resolved(name, source, tuple(other for other in known.names if other != name))
            known.answers[name, source] = answer
        return answer

    def listed(self, contact: int) -> str | None:
        """The name of an id in contacts.xml."""
        known = self._about(contact)
        return known.name if known.source == Source.CONTACTS else None

    def found_by(self, *sources: Source) -> dict[int, str]:
        """The ids of faces whose name is from one of these sources, wherever the photo lies."""
        known = {contact: self._about(contact) for contact in self._used}
        return {c: about.name for c, about in known.items() if about.name is not None and about.source in sources}

    def _about(self, contact: int) -> _Known:
        known = self._known.get(contact)
        if known is None:
            known = self._known[contact] = self._look_up(contact)
        return known

    def _look_up(self, contact: int) -> _Known:
        """What there is about an id, most trusted first, wherever the photo lies."""
        entries = self._folders.get(contact, {})
        folders = {folder: names[-1] for folder, names in entries.items()}
        listed = self._contacts.get(contact)
        web = (self._by_account.get(_account_key(account), "") for account in self._accounts.get(contact, ()))
        found = [
            *([(listed.name, Source.CONTACTS)] if listed else []),
            *((name, Source.ANYWHERE) for name in self._by_frequency(folders)),
            *((name, Source.WEB) for name in web),
            (self._db3.get(contact, ""), Source.DB3),
        ]
        named = [(name, source) for name, source in ((_canonical(name), source) for name, source in found) if name]
        older = [name for names in entries.values() for name in names[:-1]]
        older += map(_canonical, listed.also if listed else ())
        name, source = named[0] if named else (None, Source.NOWHERE)
        return _Known(name, source, folders, list(dict.fromkeys([name for name, _ in named] + older)))

    def _by_frequency(self, folders: Mapping[str, str]) -> list[str]:
        """The names that folders give one id: most frequent, then newest."""
        votes: dict[str, list[int]] = {}
        for folder, name in folders.items():
            votes.setdefault(name, []).append(self._newest[folder])
        return sorted(votes, key=lambda name: (-len(votes[name]), -max(votes[name]), name))

    def conflicts(self) -> dict[int, tuple[str, ...]]:
        """The ids of faces that have several names, the most trusted first."""
        known = {contact: self._about(contact) for contact in self._used}
        return {contact: tuple(found.names) for contact, found in known.items() if len(found.names) > 1}

    def orphans(self) -> tuple[int, ...]:
        """The ids of faces that nobody names."""
        return tuple(c for c in self._used if self._about(c).name is None)

    def shared(self) -> dict[str, tuple[int, ...]]:
        """The names that several ids of faces go by, with the ids: one person with a cluster for each."""
        ids: dict[str, dict[int, None]] = {}
        for contact, folders in self._used.items():
            for folder in folders:
                name = self.resolve(contact, folder).name
                if name is not None:
                    ids.setdefault(name, {})[contact] = None
        return {name: tuple(contacts) for name, contacts in ids.items() if len(contacts) > 1}


@dataclass(slots=True)
class _Known:
    """What there is about one id."""

    name: str | None  # the first of all, wherever the photo lies
    source: Source
    folders: dict[str, str]  # folder -> the name that counts there
    names: list[str]  # all of them
    answers: dict[tuple[str, Source], Resolved] = field(default_factory=dict)  # one for thousands of faces


_NAMELESS = Resolved(None, Source.NOWHERE)


def _nearest(folders: Mapping[str, str], folder: str) -> tuple[str, Source] | None:
    """The name that the folder itself gives, or the nearest one above it that gives any."""
    if folder in folders:
        return folders[folder], Source.FOLDER
    above = os.path.dirname(folder)
    while above != folder:
        if above in folders:
            return folders[above], Source.ABOVE
        folder, above = above, os.path.dirname(above)
    return None


def _canonical(name: str) -> str:
    """A name as it is compared: trimmed, and in one Unicode form, whichever system wrote it."""
    return unicodedata.normalize("NFC", name).strip()


def _account_key(account: Account) -> tuple[str, int]:
    return account.user.lower(), account.subject
