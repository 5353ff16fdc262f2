"""Fetch a pack from its publisher's release page: the only thing in facelib that uses the network, and only when typed.

No digests of the zip files are published, so the files inside are pinned: all of them, and no others. A download that
was interrupted lies beside the packs and is gone on with; nothing is a pack before every byte of it is right.
"""

from __future__ import annotations

import http.client
import os
import re
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from facelib import __version__
from facelib.engines import packs
from facelib.engines.packs import KNOWN, Known, Pack
from facelib.engines.unpack import MAX_BYTES
from facelib.errors import FacelibError, UsageError, WeightsError
from facelib.progress import Progress, count

RELEASE = "https://github.com/deepinsight/insightface/releases/download/v0.7"

TIMEOUT = 30.0  # seconds without a byte
_CHUNK = 1 << 18

_DETECTOR_500M = "5e4447f50245bbd7966bd6c0fa52938c61474a04ec7def48753668a9d8b4ea3a"
_ENCODER_MBF = "9cc6e4a75f0e2bf0b1aed94578f144d15175f357bdc05e815e5c4a02b319eb4f"
_EXTRAS = (
    "4fde69b1c810857b88c64a335084f1c3fe8f01246c9a191b48c7bb756d6652fb",
    "f001b856447c413801ef5c42091ed0cd516fcd21f2d6b79635b1e733a7109dbf",
    "df5c06b8a0c12e422b2ed8947b8869faa4105387f199c477af038aa01f9a45cc",
)


# The SHA-256 of each ONNX file in the packs that can be fetched.
PINNED: dict[str, frozenset[str]] = {
    "buffalo_l": frozenset(
        (
            "5838f7fe053675b1c7a08b633df49e7af5495cee0493c7dcf6697200b85b5b91",
            "4c06341c33c2ca1f86781dab0e829f88ad5b64be9fba56e56bc9ebdefc619e43",
            *_EXTRAS,
        )
    ),
    "buffalo_s": frozenset((_DETECTOR_500M, _ENCODER_MBF, *_EXTRAS)),
    "buffalo_sc": frozenset((_DETECTOR_500M, _ENCODER_MBF)),
}


def contents(name: str) -> list[Known]:
    """What the pack of this name consists of, by file name. Raises `UsageError` where it is none that can be fetched."""
    if name not in PINNED:
        raise UsageError(f"there is no pack {name!r} to fetch; there are {', '.join(sorted(PINNED))}")
    return sorted((KNOWN[digest] for digest in PINNED[name]), key=lambda known: known.file)


def run(name: str, folder: Path, progress: Progress) -> Pack:
    """Download the pack `name` into `folder`, or go on where an earlier run ended, check it and install it.

    Raises `FacelibError` where the server cannot be reached or ends early (run it again), or where what came is not what is
    pinned: then the download is deleted. No pack is made before every byte of it is right.
    """
    wanted = contents(name)
    packs.check_name(name, folder)
    url, part = f"{RELEASE}/{name}.zip", folder / f".fetch-{name}.zip.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _download(url, part, progress)
    except OSError as error:
        raise FacelibError(f"{part}: {error.strerror or error}; make room or mend it, and run it again") from error
    try:
        with packs.staged(part, name, folder, PINNED[name]) as pack:
            found = {item.sha256 for item in pack.items}
            missing = [known.file for known in wanted if known not in {KNOWN[digest] for digest in found}]
            if missing:
                raise WeightsError(part, f"without {', '.join(missing)}")
            made = packs.install(pack, folder)
    except WeightsError as error:
        part.unlink(missing_ok=True)
        where = "" if error.path == part else f"{error.path.name}: "
        problem = f"{url} is not the pack it should be: {where}{error.args[1]}"
        raise FacelibError(f"{problem}; nothing was kept: run it again, or report it") from error
    part.unlink(missing_ok=True)
    return made


# ----------------------------------------------------------------------------------------------------------- download


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Follows redirects, which release pages need, but never from https to something else."""

    def redirect_request(self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: Any) -> Any:
        if req.type == "https" and not newurl.startswith("https://"):
            raise urllib.error.URLError(f"it redirects to {newurl.split(':')[0]}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _download(url: str, part: Path, progress: Progress) -> None:
    """Make `part` the whole of what `url` gives; what is there already is not asked for again."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": f"facelib/{__version__}"})  # noqa: S310
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        with urllib.request.build_opener(_NoDowngrade).open(request, timeout=TIMEOUT) as response:
            start, total = _extent(response, have)
            if total is not None and total > MAX_BYTES:
                raise FacelibError(f"{url} has {count(total, 'B')}, which no pack has; nothing was kept")
            progress.start("fetching", total, "B")
            try:
                progress.advance(start)
                _receive(response, part, start, total, progress)
            finally:
                progress.finish()
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416 and have:  # nothing follows what is there: it is whole, which its digests will tell
                return
            raise FacelibError(f"{url}: the server answers {error.code} {error.reason}; try again later") from error
    except (http.client.HTTPException, urllib.error.URLError, TimeoutError, ConnectionError, ssl.SSLError) as error:
        reason = getattr(error, "reason", None) or error
        kept = part.stat().st_size if part.exists() else 0
        cure = (
            f"{count(kept, 'B')} are kept: run it again to go on" if kept else "check the connection and run it again"
        )
        raise FacelibError(f"{url}: {str(reason) or type(error).__name__}; {cure}") from error


def _extent(response: Any, have: int) -> tuple[int, int | None]:
    """Where in the file the answer begins, and how long the file is."""
    if response.status == 206:
        said = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
        if said and int(said[1]) == have:
            return have, int(said[2])
        raise http.client.HTTPException("the server answers with another part than was asked for")
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdecimal() else None


def _receive(response: Any, part: Path, start: int, total: int | None, progress: Progress) -> None:
    """Write what comes; from the beginning where the server knows no parts."""
    size = start
    with part.open("ab" if start else "wb") as out:
        while chunk := response.read(_CHUNK):
            size += len(chunk)
            if size > MAX_BYTES:
                raise http.client.HTTPException("the server sends without end")
            out.write(chunk)
            progress.advance(len(chunk))
        out.flush()
        os.fsync(out.fileno())
    if total is not None and size < total:
        raise http.client.HTTPException(f"the connection ended after {count(size, 'B')} of {count(total, 'B')}")
