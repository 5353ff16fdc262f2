"""Columns of Picasa's database, the files `<table>_<column>.pmp`: bytes in, values out.

Little-endian: u32 0x3fcccccd, u16 type, u16 0x1332, u32 2, u16 type again, u16 0x1332, u32 count; then `count` records.
Text is NUL-terminated UTF-8 (types 0 and 6), numbers are 1 u32, 2 f64 (OLE date), 3 i8, 4 u64, 5 u16, 7 i32. Columns of
one table have different lengths: Picasa writes one only as far as somebody put something into it, and the rest is 0 or
empty.

A column is kept as it lies in the file; only what is asked for becomes a Python object.
"""

from __future__ import annotations

import codecs
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

U32 = frozenset([1, 7])
U64 = frozenset([4])
TEXT = frozenset([0, 6])  # 6: a list with commas

_MAGIC, _MARK, _TWO = 0x3FCC_CCCD, 0x1332, 2
_HEADER = struct.Struct("<IHHIHHI")
_NUMBERS = {1: "<u4", 2: "<f8", 3: "i1", 4: "<u8", 5: "<u2", 7: "<i4"}
_BLOCK = 1 << 20  # bytes of text that are looked at together

Rows = NDArray[np.int64]


def numbers(data: bytes, rows: int | None, types: frozenset[int]) -> tuple[NDArray[Any], list[str]]:
    """The first `rows` values of a column of numbers (None: all that it has), and what is wrong with it.

    Past the end of the column the values are 0. `types` are those that it may have. Raises ValueError, with the reason,
    where the file is no such column.
    """
    kind, count = _header(data, types)
    dtype = np.dtype(_NUMBERS[kind])
    there, left_over = divmod(len(data) - _HEADER.size, dtype.itemsize)
    read = min(there, count)  # a forged count finds nothing behind the payload
    values = np.zeros(read if rows is None else rows, dtype)
    used = min(read, len(values))
    values[:used] = np.frombuffer(data, dtype, used, _HEADER.size)
    problem = _length_problem(count, read, (there - count) * dtype.itemsize + left_over)
    return values, [problem] if problem else []


@dataclass(frozen=True, slots=True, eq=False)
class Texts:
    """The cells of a text column that are not empty, as places in the file; decoded when they are asked for."""

    data: bytes
    rows: Rows  # ascending
    starts: Rows  # offsets into `data`
    ends: Rows
    ansi: str  # the code page of what is not UTF-8

    def at(self, rows: Rows) -> list[str]:
        """The text of each of these rows, '' where there is none."""
        found = [""] * len(rows)
        if not len(self.rows):
            return found
        places = np.searchsorted(self.rows, rows).clip(max=len(self.rows) - 1)
        for index in np.flatnonzero(self.rows[places] == rows).tolist():
            place = places[index]
            found[index] = to_text(self.data[self.starts[place] : self.ends[place]], self.ansi)
        return found


_NO_ROWS = np.empty(0, np.int64)
NO_TEXTS = Texts(b"", _NO_ROWS, _NO_ROWS, _NO_ROWS, "cp1252")


def texts(data: bytes, rows: int | None, ansi: str) -> tuple[Texts, list[str]]:
    """The first `rows` cells of a text column (None: all), and what is wrong with the file.

    Cells that are not UTF-8 are read with the code page `ansi`. Raises ValueError, with the reason, where the file is
    no column of text.
    """
    _, count = _header(data, TEXT)
    found: list[tuple[Rows, Rows, Rows]] = []
    cells, start = 0, _HEADER.size  # what was read so far
    for offset in range(start, len(data), _BLOCK):
        if cells == count:
            break
        block = np.frombuffer(data, np.uint8, min(_BLOCK, len(data) - offset), offset)
        ends = np.flatnonzero(block == 0)[: count - cells] + offset
        if len(ends):
            starts = np.concatenate(([start], ends[:-1] + 1))
            filled = np.flatnonzero(ends > starts)
            if rows is not None:
                filled = filled[filled + cells < rows]
            found.append((filled + cells, starts[filled], ends[filled]))
            cells, start = cells + len(ends), int(ends[-1]) + 1
    column = NO_TEXTS
    if found:
        filled_rows, starts, ends = (np.concatenate(part) for part in zip(*found, strict=True))
        column = Texts(data, filled_rows, starts, ends, ansi)
    wrong = [_length_problem(count, cells, len(data) - start), _encoding_problem(column, start)]
    return column, [problem for problem in wrong if problem]


def to_text(raw: bytes, ansi: str) -> str:
    """The text of a cell or name: UTF-8, else of the code page `ansi`.

    >>> to_text(b"Zo\\xc3\\xab", "cp1252"), to_text(b"Zo\\xeb", "cp1252")
    ('Zoë', 'Zoë')
    """
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode(ansi, "replace")


def is_utf8(raw: bytes) -> bool:
    """Whether these bytes are UTF-8."""
    try:
        codecs.utf_8_decode(raw, "strict", True)
    except UnicodeDecodeError:
        return False
    return True


def _header(data: bytes, types: frozenset[int]) -> tuple[int, int]:
    """Type and count."""
    if len(data) < _HEADER.size:
        raise ValueError(f"not a column of Picasa's database: {len(data)} bytes, and its head alone has {_HEADER.size}")
    magic, kind, mark, two, again, mark_again, count = _HEADER.unpack_from(data)
    if (magic, mark, two, mark_again) != (_MAGIC, _MARK, _TWO, _MARK):
        raise ValueError("not a column of Picasa's database: its head is not one")
    if kind != again:
        raise ValueError(f"its head gives two types, {kind} and {again}")
    if kind not in types:
        raise ValueError(f"it holds values of type {kind}, not {' or '.join(map(str, sorted(types)))}")
    return kind, count


def _length_problem(count: int, read: int, left_over: int) -> str | None:
    if read < count:
        return f"cut off: {read} of {count} values are there"
    return f"{left_over} bytes more than its {count} values" if left_over else None


def _encoding_problem(column: Texts, end: int) -> str | None:
    """Look at the whole column at once, and only where that fails at each cell."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for offset in range(_HEADER.size, end, _BLOCK):
            decoder.decode(column.data[offset : min(offset + _BLOCK, end)])
    except UnicodeDecodeError:
        spans = zip(column.rows.tolist(), column.starts.tolist(), column.ends.tolist(), strict=True)
        bad = [row for row, start, end in spans if not is_utf8(column.data[start:end])]
        if bad:
            return f"{len(bad)} values are not UTF-8 and were read as {column.ansi} (first: row {bad[0]})"
    return None
