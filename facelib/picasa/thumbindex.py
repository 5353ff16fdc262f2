"""Picasa's list of files, `thumbindex.db`: bytes in, names and parents out.

Little-endian: u32 0x40466666, u32 count; then each entry is a name, NUL-terminated UTF-8, and 30 bytes: two FILETIMEs
(when taken, when modified), u32 file size, u32 file type, u16 flags, u32 parent. The number of an entry is its row in
all columns of the table imagedata, so what matters most is to count right: a row too many, and every later face has
another's name.
"""

from __future__ import annotations

import struct
from array import array
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from facelib.picasa.pmp import Rows, is_utf8, to_text

NONE = 0xFFFF_FFFF  # the parent of folders and of deleted entries

_HEADER = struct.Struct("<II")
_MAGIC = 0x4046_6666
_FIELDS = struct.Struct("<IHI")  # file type, flags, parent
_SKIP = 1 + 20  # from the end of the name: its NUL, two times, the size
_RECORD = _SKIP + _FIELDS.size  # bytes after the name, the NUL among them

# What tells an entry from bytes that were taken for one. Known types go up to 1001, known flags are 0 (deleted) and
# 0x0100.
_MOST_TYPE = 0xFFF
_DELETED, _USED = 0, 0x0100
# Bytes that may stand where the NUL was: no name on Windows has the first ones, and the others alone are no UTF-8. A
# converter accepts 0xff. In place of a letter it is likelier that another field of the entry is damaged.
_NO_LETTERS = frozenset([*range(0x20), *range(0x80, 0x100)])
_LONGEST = 4096  # bytes of a name; Windows' longest path in UTF-8 has about 800
_MOST_REPAIRS = 16  # each looks at up to _LONGEST places


@dataclass(frozen=True, slots=True, eq=False)
class ThumbIndex:
    """The entries, one per row of imagedata."""

    data: bytes
    starts: Rows  # of the names, offsets into `data`
    ends: Rows
    types: NDArray[np.uint32]  # 1 folder, 5 root, 2 JPEG, ..., 1001 face
    parents: NDArray[np.uint32]  # a row, or NONE
    whole: bool  # as many entries as it says, and nothing after them: each is in its row

    def __len__(self) -> int:
        return len(self.starts)

    def first(self, rows: int) -> ThumbIndex:
        """The index without all entries after the first `rows`."""
        cut = slice(rows)
        return replace(
            self, starts=self.starts[cut], ends=self.ends[cut], types=self.types[cut], parents=self.parents[cut]
        )

    def names(self, rows: Rows, ansi: str) -> list[str]:
        """The names of these rows as Picasa wrote them; those that are not UTF-8 are of the code page `ansi`."""
        spans = zip(self.starts[rows].tolist(), self.ends[rows].tolist(), strict=True)
        return [to_text(self.data[start:end], ansi).replace("\0", "\ufffd") for start, end in spans]


def read(data: bytes) -> tuple[ThumbIndex, list[str]]:
    """The entries of a thumbindex.db, and what is wrong with it.

    Of a damaged file those entries are given that can be counted. Raises ValueError, with the reason, where it is none.
    """
    if len(data) < _HEADER.size or _HEADER.unpack_from(data)[0] != _MAGIC:
        raise ValueError("not Picasa's list of files, or damaged from its first byte")
    walk = _Walk(data)
    walk.run(repair=False)
    if walk.doubted or not walk.whole:
        repaired = _Walk(data)
        repaired.run(repair=True)
        if repaired.whole and not repaired.doubted:
            walk = repaired
    index, problems = walk.index(), []
    if not walk.whole and walk.lost is not None:
        # An entry may have been swallowed by the one before it: what follows is no longer where the columns have it.
        index = index.first(walk.lost)
        problems.append(f"damaged: of {walk.count} entries the first {walk.lost} could be read")
    elif not walk.whole and len(index) < walk.count:
        problems.append(f"cut off: {len(index)} of {walk.count} entries are there")
    elif not walk.whole:
        problems.append(f"more than its {walk.count} entries: {len(index)} could be read")
    for what, met in (("end in a strange way", walk.repaired), ("are not UTF-8", walk.foreign)):
        rows = [row for row in met if row < len(index)]
        if rows:
            problems.append(f"{len(rows)} names {what} (first: entry {rows[0]})")
    return index, problems


class _Walk:
    """One way through the entries, from NUL to NUL or, where that makes no sense, to another end of a name."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.count = _HEADER.unpack_from(data)[1]
        self.most = (len(data) - _HEADER.size) // _RECORD  # entries that the file has room for, whatever its count
        self.starts, self.ends = array("q"), array("q")
        self.types, self.parents = array("I"), array("I")
        self.foreign: list[int] = []  # names that are not UTF-8
        self.repaired: list[int] = []  # names that end elsewhere than at the next NUL
        self.doubted = False  # there are entries that make no sense
        self.lost: int | None = None  # the first of them after which the next ones make none either
        self.whole = False

    def run(self, *, repair: bool) -> None:
        """Walk to the end, or to where no entry fits any more."""
        data, position, tries = self.data, _HEADER.size, _MOST_REPAIRS if repair else 0
        while 0 <= (end := data.find(b"\0", position)) <= len(data) - _RECORD:
            kind, flags, parent = _FIELDS.unpack_from(data, end + _SKIP)
            # As in _makes_sense; this line is most of the time that an index takes.
            if flags != _USED or kind > _MOST_TYPE or self.most <= parent != NONE:
                if not self._makes_sense(end):
                    other = self._other_end(position, end) if tries else None
                    tries -= bool(tries)
                    if other is None:
                        self._doubt(end)
                    else:
                        self.repaired.append(len(self.starts))
                        end = other
                kind, flags, parent = _FIELDS.unpack_from(data, end + _SKIP)
            name = data[position:end]
            if not name.isascii() and not is_utf8(name):
                self.foreign.append(len(self.starts))
            self.starts.append(position)
            self.ends.append(end)
            self.types.append(kind)
            self.parents.append(parent)
            position = end + _RECORD
        self.whole = len(self.starts) == self.count and position == len(data)

    def index(self) -> ThumbIndex:
        """The entries that were met."""
        starts, ends = np.asarray(self.starts), np.asarray(self.ends)
        return ThumbIndex(self.data, starts, ends, np.asarray(self.types), np.asarray(self.parents), self.whole)

    def _doubt(self, end: int) -> None:
        self.doubted = True
        if self.lost is None and not self._sound(end + _RECORD):
            self.lost = len(self.starts)

    def _other_end(self, position: int, end: int) -> int | None:
        """Where the name at `position` ends, if the NUL at `end` is not it; None where no place is better.

        What follows decides: the fields of this entry and the next two entries make sense.
        """
        limit = min(position + _LONGEST, len(self.data) - _RECORD + 1)
        for place in range(position, min(end, limit)):
            if self.data[place] in _NO_LETTERS and self._makes_sense(place) and self._sound(place + _RECORD):
                return place
        if not self._sound(end + _RECORD):  # else only the fields of this entry are damaged
            for place in range(end + 1, limit):
                if not self.data[place] and self._makes_sense(place) and self._sound(place + _RECORD):
                    return place
        return None

    def _makes_sense(self, end: int) -> bool:
        """Whether the fields of an entry could follow a name that ends here."""
        kind, flags, parent = _FIELDS.unpack_from(self.data, end + _SKIP)
        if flags == _DELETED:
            return bool(parent == NONE)
        return bool(flags == _USED and kind <= _MOST_TYPE and (parent < self.most or parent == NONE))

    def _sound(self, position: int) -> bool:
        """Whether two entries that make sense begin here, or fewer up to the end of the file."""
        for _ in range(2):
            if position == len(self.data):
                return True
            end = self.data.find(b"\0", position, position + _LONGEST)
            if not 0 <= end <= len(self.data) - _RECORD or not self._makes_sense(end):
                return False
            position = end + _RECORD
        return True
