"""RDF/XML as XMP uses it: the properties that somebody wants from a packet, whichever way they are written.

RDF may be written in many ways: a field may be an attribute or an element, a structure may be wrapped in an
`rdf:Description`, a list is a Bag, a Seq or an Alt. What counts is a name's namespace, never its prefix.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, XMLParser

MOST_ELEMENTS = 100_000  # of the properties that are kept; 500 faces in three schemas have about 20,000
DEEPEST = 50  # elements within each other; the deepest schema has 12
LONGEST_NAMESPACE = 500  # characters; it is put before the name of every element that uses it

RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_CONTAINERS = (RDF + "Bag", RDF + "Seq", RDF + "Alt")
_DESCRIPTION = RDF + "Description"
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"


@dataclass(slots=True)
class Node:
    """An element, or an attribute as if it were one; tags are `{namespace}name`."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Node] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)  # of its text
    whole: bool = False  # its end was seen


Properties = dict[str, list[Node]]
"""The values of each property by its tag, in the order of the packet."""


def parse(packet: bytes, wanted: frozenset[str]) -> tuple[Properties, str | None]:
    """The properties with these tags, and what is wrong with the packet, for a person.

    Whatever else it holds is skipped while it is read, so that memory grows with what is wanted. A packet that is damaged gives
    what is whole before the damage; one that declares a document type (entities can grow without bounds), or is built to
    keep a reader busy, gives nothing.
    """
    text = _as_utf8(packet)
    try:
        kept, fault = _collect(text, wanted)
        if fault is None:
            return kept, None
        mended, still = _collect(_mended(text), wanted)
    except DefusedXmlException:
        return {}, "the XMP was not read: it declares a document type"
    except _HostileError as error:
        return {}, f"the XMP was not read: {error}"
    if still is None:
        return mended, f"the XMP is damaged and was mended ({fault})"
    return max(mended, kept, key=len), f"the XMP is damaged, and read as far as it is whole ({fault})"


def items(node: Node | None) -> list[Node]:
    """The entries of a list, whatever its container; a value without container is a list of one. Only whole ones."""
    if node is None:
        return []
    for child in node.children:
        if child.tag in _CONTAINERS:
            return [entry for entry in child.children if entry.whole]
        if child.tag == _DESCRIPTION:
            return items(child)
    return [node] if node.whole else []


def fields(node: Node | None) -> dict[str, Node]:
    """The fields of a structure by tag: attributes, elements, and both within an rdf:Description."""
    if node is None:
        return {}
    found = {tag: Node(tag, pieces=[value], whole=True) for tag, value in node.attributes.items()}
    for child in node.children:
        found |= fields(child) if child.tag == _DESCRIPTION else {child.tag: child}
    return found


def text(node: Node | None) -> str:
    """The text of a value, '' where there is none; of several languages the default one, else the first."""
    if node is None:
        return ""
    if any(child.tag in _CONTAINERS for child in node.children):
        entries = items(node)
        default = [entry for entry in entries if entry.attributes.get(_LANGUAGE) == "x-default"]
        return next((text(entry) for entry in default + entries), "")
    value = fields(node).get(RDF + "value")
    return text(value) if value else "".join(node.pieces).strip()


def texts(node: Node | None) -> list[str]:
    """The texts of a list, those that are not empty."""
    return [found for entry in items(node) if (found := text(entry))]


def local(node: Node | None) -> dict[str, str]:
    """The texts of a structure's fields by their names without namespace, which writers of Area and Dimensions get wrong."""
    return {tag.rpartition("}")[2]: text(value) for tag, value in fields(node).items()}


# -------------------------------------------------------------------------------------------------------- parsing


class _HostileError(Exception):
    """The packet is built to keep a reader busy."""


class _Collector:
    """What the parser talks to: keeps the wanted properties of the nodes of rdf:RDF."""

    def __init__(self, wanted: frozenset[str]) -> None:
        self.kept: Properties = {}
        self._wanted = wanted
        self._open: list[Node] = []  # rdf:RDF, a node of it, a property of that, and what is in the property
        self._skipping = 0  # elements deep
        self._elements = 0

    def start_ns(self, _prefix: str, namespace: str) -> None:
        if len(namespace) > LONGEST_NAMESPACE:
            raise _HostileError("it has a namespace as long as a page")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        depth = len(self._open)
        if self._skipping or (depth == 2 and tag not in self._wanted):
            self._skipping += 1
        elif depth or tag == RDF + "RDF":
            self._keep(Node(tag, attributes), depth)

    def _keep(self, node: Node, depth: int) -> None:
        self._elements += 1 + len(node.attributes)
        if self._elements > MOST_ELEMENTS or depth > DEEPEST:
            raise _HostileError("it has more elements than faces explain")
        if depth == 1:
            for tag in self._wanted & node.attributes.keys():
                self.kept.setdefault(tag, []).append(Node(tag, pieces=[node.attributes[tag]], whole=True))
            node.attributes = {}
        elif depth == 2:
            self.kept.setdefault(node.tag, []).append(node)
        elif depth > 2:
            self._open[-1].children.append(node)
        self._open.append(node)

    def data(self, piece: str) -> None:
        if len(self._open) > 2 and not self._skipping:
            self._open[-1].pieces.append(piece)

    def end(self, _tag: str) -> None:
        if self._skipping:
            self._skipping -= 1
        elif self._open:
            self._open.pop().whole = True


def _collect(packet: bytes, wanted: frozenset[str]) -> tuple[Properties, str | None]:
    """The properties, and where and why the parser gave up."""
    collector = _Collector(wanted)
    parser = XMLParser(target=collector, forbid_dtd=True)
    try:
        parser.feed(packet)
        parser.close()
    except DefusedXmlException:
        raise
    except (ParseError, ValueError, LookupError) as error:  # the last two: encodings that Python does not read
        return collector.kept, str(error)
    return collector.kept, None


def _as_utf8(packet: bytes) -> bytes:
    """The packet without what writers pad it with; sidecars in UTF-16 are turned into UTF-8."""
    if packet[:2] in (b"\xff\xfe", b"<\0"):
        packet = packet.decode("utf-16-le", "replace").encode()
    elif packet[:2] in (b"\xfe\xff", b"\0<"):
        packet = packet.decode("utf-16-be", "replace").encode()
    return packet.strip(b"\0 \t\r\n")


_START = re.compile(r"<(?:[\w.-]+:)?(?:xmpmeta|xapmeta|RDF)\b")
_END = re.compile(r"</(?:[\w.-]+:)?(?:xmpmeta|xapmeta|RDF)\s*>")
_NO_XML = re.compile(
    "[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
    "|&#(?:0*(?:[0-8]|1[124-9]|2[0-9]|3[01])|x0*(?:[0-8bcef]|1[0-9a-f]));",
    re.IGNORECASE,
)


def _mended(packet: bytes) -> bytes:
    """The packet from its first tag to its last, in UTF-8, without characters that XML forbids.

    Bytes that are not UTF-8 are what old programs on Windows wrote: cp1252.
    """
    whole = re.sub(
        "[\udc80-\udcff]+",
        lambda found: found[0].encode("ascii", "surrogateescape").decode("cp1252", "replace"),
        packet.decode("utf-8", "surrogateescape"),
    )
    start = _START.search(whole)
    ends = [found.end() for found in _END.finditer(whole)]
    cut = whole[start.start() if start else 0 : ends[-1] if ends else len(whole)]
    return _NO_XML.sub("", cut).encode("utf-8", "replace")
