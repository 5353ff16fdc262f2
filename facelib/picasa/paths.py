"""Paths of Picasa's machine, and where the same files lie here.

Picasa's database names files as its own machine did: `C:\\Users\\Ann\\a.jpg`, `\\\\server\\share\\a.jpg`,
`Z:\\home\\ann\\a.jpg` under Wine, `/Users/ann/a.jpg` on a Mac. A rule says that what lay below one folder there lies
below another here. Nothing is opened: whether a file is really there is the caller's to see.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from unicodedata import normalize

from facelib.errors import UsageError

# A learned rule needs this many files that agree. With names like IMG_0001.jpg one file may meet another by chance.
LEAST_VOTES = 2
_DEEPEST = 40  # components of a path that is learned from; nobody's folders are that deep

Parts = tuple[str, ...]  # 'C:' or '\\\\server' or '/', then the components


@dataclass(frozen=True, slots=True)
class Rule:
    """What lay below `foreign` lies below `local`."""

    foreign: str  # 'C:\\Photos'
    local: str  # an absolute path
    votes: int = 0  # files that agree, of a learned rule; 0: a person said so

    def __str__(self) -> str:
        return f"{self.foreign}={self.local}"


def parse_rule(text: str) -> Rule:
    """The rule that `--map` gives: `C:\\Photos=/home/me/Pictures`. Raises UsageError where it is none.

    >>> parse_rule("C:/a=b=/mnt/a=b").local   # the first '=' before an absolute path, since folders may have one too
    '/mnt/a=b'
    """
    foreign, equals, local = text.partition("=/")
    if "=" not in text:
        raise UsageError(f"--map {text}: no '=' in it; give FROM=TO, such as 'C:\\Photos=/home/me/Pictures'")
    if not equals:
        raise UsageError(f"--map {text}: the folder after '=' has to be a full path, beginning with '/'")
    if not split(foreign):
        raise UsageError(f"--map {text}: no folder before '='; give FROM=TO, such as 'C:\\Photos=/home/me/Pictures'")
    return Rule(foreign, "/" + local)


class PathMap:
    """Rules, to find files with: those that a person gave before learned ones, the longest folder first.

    Windows' folders are compared without regard to case and to which way the separators lean; others as they are.
    """

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self.rules = tuple(rules)
        tables = []
        for learned in (False, True):
            rules = [rule for rule in self.rules if bool(rule.votes) == learned]
            tables.append({_fold(split(rule.foreign)): rule.local for rule in reversed(rules)})  # the first one counts
        self._tables = tables

    def candidates(self, path: str) -> list[str]:
        """Where the file may lie here, the likeliest place first.

        Names are spelt as Picasa has them: here they may be in another case or form of Unicode, which Windows and Macs
        do not tell apart. Without a rule, what begins with '/' is its own place, and Wine's drive Z: is '/'.
        """
        parts = split(path)
        if ".." in parts or "." in parts:
            return []  # Picasa writes none, and they would lead out of the folder that the rule is about
        return list(dict.fromkeys(self._places(parts, _fold(parts))))

    def translate(self, path: str) -> str | None:
        """The likeliest place of the file here; None where no rule leads."""
        return next(iter(self.candidates(path)), None)

    def _places(self, parts: Parts, key: Parts) -> Iterator[str]:
        for table in self._tables:
            for length in range(len(parts), 0, -1):
                local = table.get(key[:length])
                if local is not None:
                    yield "/".join((local.rstrip("/"), *parts[length:])) or "/"
        if key[:1] in (("/",), ("z:",)):
            yield "/" + "/".join(parts[1:])


def split(path: str) -> Parts:
    r"""The components of an absolute path of any system, the drive, server or root first; () for an empty one.

    >>> split(r"C:\Users/Ann\a.jpg"), split("//nas/photo"), split("/Users/ann")
    (('C:', 'Users', 'Ann', 'a.jpg'), ('\\\\nas', 'photo'), ('/', 'Users', 'ann'))
    """
    if path.startswith("/") and not path.startswith("//"):
        return ("/", *filter(None, path.split("/")))
    path = path.replace("/", "\\")
    if path.startswith("\\\\?\\"):  # Windows' prefix for long paths
        path = path[4:]
        if path[:4].lower() == "unc\\":
            path = "\\\\" + path[4:]
    parts = tuple(filter(None, path.split("\\")))
    return ("\\\\" + parts[0], *parts[1:]) if path.startswith("\\\\") and parts else parts


def _join(parts: Parts) -> str:
    """The path of these components, as its own system writes it."""
    if parts[0] == "/":
        return "/" + "/".join(parts[1:])
    return "\\".join(parts) + ("\\" if len(parts) == 1 and parts[0].endswith(":") else "")


def _fold(parts: Parts) -> Parts:
    """What is equal for folders that are the same: case counts on a Mac, the form of Unicode nowhere."""
    if parts[:1] == ("/",):
        return tuple(part if part.isascii() else normalize("NFC", part) for part in parts)
    return tuple(map(_caseless, parts))


def _caseless(name: str) -> str:
    return name.lower() if name.isascii() else normalize("NFC", normalize("NFC", name).casefold())


# ------------------------------------------------------------------------------------------------------------- learn


@dataclass(frozen=True, slots=True)
class _Pair:
    """A folder there and one here, and how many files say that they are the same."""

    foreign: Parts
    local: Parts
    foreign_key: Parts  # without regard to case, like local_key
    local_key: Parts
    files: int
    tail: int  # components at the end that both have in common

    def local_of(self, depth: int) -> Parts | None:
        """Where the first `depth` components lie, if this pair is right; None where what follows them differs."""
        rest = len(self.foreign) - depth
        return self.local_key[: len(self.local) - rest] if rest <= self.tail else None


def learn(foreign: Iterable[str], local: Iterable[str]) -> list[Rule]:
    r"""Rules from the names of files, which is all that is needed where most of the files are still called the same.

    A base name that is there once on both sides, in any case, makes a pair, and each pair votes for the two folders
    that are left when the components that its paths have in common at the end are taken away. From the drives
    downwards, a folder becomes a rule where LEAST_VOTES agree (or all, if there are fewer), and they are more than half
    of the files below it. So a few that were moved since do no harm, and a folder below that was moved as a whole
    becomes a rule of its own.

    >>> print(*learn([r"C:\Photos\2015\Ann.JPG", r"C:\Photos\b.jpg"], ["/mnt/p/2015/ann.jpg", "/mnt/p/b.jpg"]))
    C:\Photos=/mnt/p
    """
    pairs = _pairs(foreign, local)
    least = min(LEAST_VOTES, sum(pair.files for pair in pairs))
    rules: list[Rule] = []
    todo: list[tuple[int, Parts | None, list[_Pair]]] = [(0, None, pairs)]
    while todo:
        depth, place, below = todo.pop()
        if depth:
            place = _decide(depth, place, below, least, rules)
        if place is not None and all(pair.local_of(depth) == place for pair in below):
            continue  # no folder below needs a rule of its own
        children: dict[str, list[_Pair]] = {}
        for pair in below:
            if len(pair.foreign) > depth:
                children.setdefault(pair.foreign_key[depth], []).append(pair)
        for name, inside in children.items():
            todo.append((depth + 1, None if place is None else (*place, name), inside))
    return sorted(rules, key=lambda rule: (-rule.votes, rule.foreign))


def _decide(depth: int, inherited: Parts | None, below: list[_Pair], least: int, rules: list[Rule]) -> Parts | None:
    """Where the folder of these first `depth` components lies: by a rule of its own, else as the one above says."""
    votes: Counter[Parts | None] = Counter()
    for pair in below:
        votes[pair.local_of(depth)] += pair.files
    place, agree = max(votes.items(), key=lambda vote: (vote[0] is not None, vote[1]))
    if place is None or place == inherited or agree < least or 2 * agree <= votes.total():
        return inherited
    witness = next(pair for pair in below if pair.local_of(depth) == place)
    rule = Rule(_join(witness.foreign[:depth]), _join(witness.local[: len(place)]), agree)
    if rule.foreign != rule.local:  # what lies at the same path here needs no rule
        rules.append(rule)
    return place


def _pairs(foreign: Iterable[str], local: Iterable[str]) -> list[_Pair]:
    """The folders of files whose base name is there once on both sides."""
    there: dict[str, str | None] = {}  # base name -> path; None: there are several
    for path in foreign:
        name = _caseless(path[_cut(path) :])
        there[name] = None if name in there else path
    here: dict[str, str | None] = {}
    for path in local:
        name = _caseless(path[_cut(path) :])
        if there.get(name) is not None:
            here[name] = None if name in here else path
    folders: Counter[tuple[str, str]] = Counter()
    for name, found in here.items():
        other = there[name]
        if found is not None and other is not None:
            folders[other[: _cut(other)], found[: _cut(found)]] += 1
    pairs = (_pair(*both, files) for both, files in folders.items())
    return [pair for pair in pairs if 0 < len(pair.foreign) <= _DEEPEST and pair.local]


def _cut(path: str) -> int:
    """Where the base name begins."""
    slash = path.rfind("/") + 1
    return slash if path.startswith("/") and not path.startswith("//") else max(slash, path.rfind("\\") + 1)


def _pair(foreign: str, local: str, files: int) -> _Pair:
    there, here = split(foreign), split(local)
    key, local_key = tuple(map(_caseless, there)), tuple(map(_caseless, here))
    tail = 0
    for ours, theirs in zip(reversed(local_key[1:]), reversed(key[1:]), strict=False):  # drives and roots are not alike
        if ours != theirs:
            break
        tail += 1
    return _Pair(there, here, key, local_key, files, tail)
