"""`facelib models`: what it adds, refuses, lists, verifies and removes, and what it fetches from a server on loopback."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import os
import re
import shutil
import stat
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
import pytest
from conftest import DATA, needs
from test_insightface import small_encoder

from facelib.cli.models import models
from facelib.cli.root import Shared
from facelib.engines import packs
from facelib.errors import FacelibError, WeightsError
from facelib.stages import fetch

MODELS = DATA / "models"
DETECTOR, MOBILE = MODELS / "det_500m.onnx", MODELS / "MobileFaceNet.onnx"
DIGESTS = {
    "det_500m.onnx": "5e4447f50245bbd7966bd6c0fa52938c61474a04ec7def48753668a9d8b4ea3a",
    "MobileFaceNet.onnx": "b7120c095d60094f28a4a54ba6a8bf51b297a6273fb40ef6350dfec1f63d9507",
}
needs_models = needs("models")


class Result(NamedTuple):
    code: int
    out: str
    err: str


Facelib = Callable[..., Result]


@pytest.fixture
def facelib(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Facelib:
    """Run `facelib models ...` in this process, as `facelib.cli.main` does."""
    monkeypatch.setattr("sys.stdin", io.StringIO())
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    def run(*arguments: object, as_json: bool = False, quiet: bool = False) -> Result:
        shared = Shared(None, "none.db", as_json, quiet, False)
        code, failed = 0, False
        capsys.readouterr()
        try:
            models.main([str(one) for one in arguments], "facelib models", standalone_mode=False, obj=shared)
        except SystemExit as done:
            code = int(done.code or 0)
        except FacelibError as error:
            code, failed = error.exit_code, True
            print(f"facelib: {error}", file=sys.stderr)
        except click.ClickException as error:
            code = error.exit_code
        result = Result(code, *capsys.readouterr())
        lines = result.err.splitlines()
        assert [n for n, line in enumerate(lines) if line.startswith("facelib: ")] == [len(lines) - 1] * failed
        return result

    return run


def kept() -> list[str]:
    """Everything in the folder of packs, hidden files too."""
    folder = packs.models_folder()
    return sorted(os.listdir(folder)) if folder.exists() else []


def folder_of(path: Path, *sources: Path) -> Path:
    path.mkdir()
    for source in sources:
        shutil.copy(source, path / source.name)
    return path


def zip_of(path: Path, content: Mapping[str, bytes | Path], **options: int) -> Path:
    with zipfile.ZipFile(path, "w", **options) as archive:  # type: ignore[arg-type]
        for name, data in content.items():
            archive.writestr(name, data.read_bytes() if isinstance(data, Path) else data)
    return path


# -------------------------------------------------------------------------------------------------- the known files


def test_what_is_known_has_a_whole_digest_a_role_and_a_licence() -> None:
    for digest, known in packs.KNOWN.items():
        assert re.fullmatch("[0-9a-f]{64}", digest), known.file
        assert known.role in packs.ROLES
        assert known.licence
        assert (known.dimensions > 0) == (known.role == packs.ENCODER)
        assert known.publisher != "InsightFace" or "non-commercial research only" in known.licence
    for name, pinned in fetch.PINNED.items():
        roles = [packs.KNOWN[digest].role for digest in pinned]
        assert roles.count("scrfd") == roles.count(packs.ENCODER) == 1, name


@needs_models
def test_the_known_files_at_hand_are_the_known_files() -> None:
    for path in MODELS.glob("*.onnx"):
        known = packs.KNOWN[hashlib.sha256(path.read_bytes()).hexdigest()]
        assert known.file == path.name


# ------------------------------------------------------------------------------------------------------ add and list


@needs_models
def test_a_folder_is_added_with_its_checksums_and_listed(tmp_path: Path, facelib: Facelib) -> None:
    source = folder_of(tmp_path / "mine", DETECTOR, MOBILE)
    added = facelib("add", source, "--accept-licence")
    assert added.code == 0
    for name, digest in DIGESTS.items():
        assert re.search(rf"used +{name} +[\d.]+ MB +{digest} +known", added.out)
    assert "licence of det_500m.onnx: for non-commercial research only" in added.err
    assert added.out.splitlines()[-1] == f"added mine: {packs.models_folder() / 'mine'}"
    listed = facelib("list")
    assert (listed.code, listed.err) == (0, "")
    assert "mine  6.5 MB" in listed.out
    (line,) = facelib("list", as_json=True).out.splitlines()
    said = json.loads(line)
    assert {one["file"]: one["sha256"] for one in said["files"]} == DIGESTS
    assert {one["role"] for one in said["files"]} == {"scrfd", "arcface"}
    assert all(path.read_bytes() == (source / path.name).read_bytes() for path in said_files(said))
    assert kept() == ["mine"]


def said_files(said: Mapping[str, object]) -> list[Path]:
    return [path for path in Path(str(said["folder"])).iterdir() if path.suffix == ".onnx"]


@needs_models
def test_without_accepting_the_licence_nothing_is_kept(
    tmp_path: Path, facelib: Facelib, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = folder_of(tmp_path / "mine", DETECTOR)
    refused = facelib("add", source)
    assert refused.code == 1
    assert "non-commercial research only" in refused.err
    assert "give --accept-licence" in refused.err
    assert kept() == []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    answers = iter((False, True))
    monkeypatch.setattr("click.confirm", lambda *_, **__: next(answers))
    assert facelib("add", source).code == 1
    assert kept() == []
    assert facelib("add", source).code == 0
    assert kept() == ["mine"]


@needs_models
def test_free_files_need_no_acceptance_and_the_licence_is_shown(tmp_path: Path, facelib: Facelib) -> None:
    added = facelib(
        "add", folder_of(tmp_path / "free", MODELS / "face_detection_yunet_2023mar.onnx", MOBILE), quiet=True
    )
    assert (added.code, added.out) == (0, "")
    assert "licence of face_detection_yunet_2023mar.onnx: MIT" in added.err


def test_a_file_that_is_not_known_is_recognised_by_its_shapes(tmp_path: Path, facelib: Facelib) -> None:
    (tmp_path / "own").mkdir()
    small_encoder(tmp_path / "own/mine.onnx")
    assert facelib("add", tmp_path / "own").code == 1
    added = facelib("add", tmp_path / "own", "--accept-licence", "--name", "other")
    assert added.code == 0
    assert "encoder, 48 numbers; licence: not known to facelib" in added.out
    pack = packs.open_pack("other", packs.models_folder())
    assert packs.load_encoder(pack).dimensions == 48
    assert pack.detector is None


@needs_models
def test_a_pack_with_a_detector_only_is_a_pack(tmp_path: Path, facelib: Facelib) -> None:
    assert facelib("add", folder_of(tmp_path / "det", DETECTOR), "--accept-licence").code == 0
    pack = packs.open_pack("det", packs.models_folder())
    assert packs.load_detector(pack).name.startswith("scrfd-5e4447f50245")
    with pytest.raises(WeightsError, match="there is no encoder in it; choose a pack with one"):
        packs.load_encoder(pack)


@needs_models
@pytest.mark.parametrize("prefix", ["", "buffalo_sc/", "a/b/"])
def test_a_zip_is_added_whatever_folder_its_files_are_in(tmp_path: Path, facelib: Facelib, prefix: str) -> None:
    extra = {"__MACOSX/._det_500m.onnx": b"mac", "README.txt": b"hello", f"{prefix}sub/": b""}
    source = zip_of(tmp_path / "p.zip", {f"{prefix}{one.name}": one for one in (DETECTOR, MOBILE)} | extra)
    assert facelib("add", source, "--accept-licence").code == 0
    assert sorted(os.listdir(packs.models_folder() / "p")) == ["MobileFaceNet.onnx", "det_500m.onnx", "pack.json"]


# ---------------------------------------------------------------------------------------------------------- refusals


def test_a_name_is_taken_once_and_leads_nowhere(tmp_path: Path, facelib: Facelib) -> None:
    (tmp_path / "own").mkdir()
    small_encoder(tmp_path / "own/mine.onnx")
    assert facelib("add", tmp_path / "own", "--accept-licence").code == 0
    again = facelib("add", tmp_path / "own", "--accept-licence")
    assert again.code == 2
    assert "remove it first: facelib models remove own" in again.err
    for name in ("../out", "a/b", "", ".", ".hidden", "a b", "x" * 65, "/etc"):
        assert facelib("add", tmp_path / "own", "--accept-licence", "--name", name).code == 2
        assert facelib("remove", name).code == 2
    assert kept() == ["own"]
    assert facelib("add", tmp_path / "nowhere").code == 2


@needs_models
def test_a_cut_off_foreign_or_useless_file_is_named_and_nothing_is_kept(tmp_path: Path, facelib: Facelib) -> None:
    whole = DETECTOR.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    bad: dict[str, tuple[str, bytes]] = {
        "cut": ("det_500m.onnx", whole[:1_000_000]),
        "flipped": ("det_500m.onnx", bytes(flipped)),
        "renamed": ("mine.onnx", whole[:1_000_000]),
        "empty": ("mine.onnx", b""),
        "foreign": ("mine.onnx", (MODELS / "facenet_pytorch_pnet.pt").read_bytes()),
        "useless": ("mine.onnx", small_encoder(tmp_path / "x.onnx", size=56).read_bytes()),
    }
    for name, (file, data) in bad.items():
        source = folder_of(tmp_path / name, MOBILE)
        (source / file).write_bytes(data)
        packed = zip_of(tmp_path / f"{name}.zip", {f"{name}/{one.name}": one for one in source.iterdir()})
        for place in (source, packed):
            refused = facelib("add", place, "--accept-licence")
            assert refused.code == 1, name
            assert refused.out == ""
            assert refused.err.startswith(f"facelib: {place / file}: ")
            assert len(refused.err.splitlines()) == 1
            assert re.search("; (take|leave) ", refused.err), refused.err
        assert kept() == []
    (tmp_path / "nothing").mkdir()
    refused = facelib("add", tmp_path / "nothing")
    assert refused.code == 1
    assert f"{tmp_path / 'nothing'}: there is no face detector and no encoder in it; name a folder" in refused.err


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"../../evil.onnx": b"x"}, "names that lead out of it"),
        ({"/etc/evil.onnx": b"x"}, "names that lead out of it"),
        ({"..\\evil.onnx": b"x"}, "names that lead out of it"),
        ({"C:\\evil.onnx": b"x"}, "names that lead out of it"),
        ({"a/../../b.txt": b"x", "e.onnx": b"x"}, "names that lead out of it"),
        ({"a/e.onnx": b"x", "b/E.onnx": b"y"}, "two of its files have one name"),
        ({f"{i}.txt": b"" for i in range(1001)}, "it has 1001 entries"),
        ({"e.onnx": bytes(80_000_000)}, "it grows beyond measure"),
    ],
)
def test_an_archive_that_is_made_to_do_harm_is_refused_as_a_whole(
    tmp_path: Path, facelib: Facelib, content: Mapping[str, bytes], words: str
) -> None:
    refused = facelib("add", zip_of(tmp_path / "p.zip", content, compression=zipfile.ZIP_DEFLATED), "--accept-licence")
    assert refused.code == 1
    assert words in refused.err
    assert kept() == []
    assert not list(tmp_path.rglob("*evil*"))


def test_links_and_lies_about_sizes_in_a_zip_are_refused(tmp_path: Path, facelib: Facelib) -> None:
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as archive:
        archive.writestr(link("e.onnx"), "/etc/passwd")
    assert "it has links in it" in facelib("add", tmp_path / "link.zip").err
    data = zip_of(tmp_path / "lie.zip", {"e.onnx": bytes(5000)}, compression=zipfile.ZIP_DEFLATED).read_bytes()
    (tmp_path / "lie.zip").write_bytes(data.replace((5000).to_bytes(4, "little"), (50).to_bytes(4, "little")))
    assert facelib("add", tmp_path / "lie.zip").code == 1
    (tmp_path / "cut.zip").write_bytes(data[: len(data) // 2])
    assert "cut off, damaged or no zip file" in facelib("add", tmp_path / "cut.zip").err
    assert kept() == []


def test_what_a_killed_run_left_is_swept_away_after_a_day(tmp_path: Path, facelib: Facelib) -> None:
    (tmp_path / "own").mkdir()
    small_encoder(tmp_path / "own/mine.onnx")
    old, young = packs.models_folder() / ".new-old", packs.models_folder() / ".new-young"
    for left in (old, young):
        left.mkdir(parents=True)
        (left / "part.onnx").write_bytes(b"x")
    os.utime(old, (time.time() - 100_000,) * 2)
    assert facelib("add", tmp_path / "own", "--accept-licence").code == 0
    assert kept() == [".new-young", "own"]
    assert facelib("list", as_json=True).out.count('"pack"') == 1


# -------------------------------------------------------------------------------------------------- verify and remove


@needs_models
def test_verify_names_what_is_missing_cut_off_or_changed(tmp_path: Path, facelib: Facelib) -> None:
    assert facelib("add", folder_of(tmp_path / "mine", DETECTOR, MOBILE), "--accept-licence").code == 0
    assert facelib("verify") == Result(0, "mine: all files right\n", "")
    place = packs.models_folder() / "mine"
    data = bytearray(MOBILE.read_bytes())
    data[1_000_000] ^= 1
    (place / MOBILE.name).write_bytes(data)
    (place / DETECTOR.name).write_bytes(DETECTOR.read_bytes()[:-5])
    wrong = facelib("verify", "mine")
    assert wrong.code == 1
    first, second = wrong.out.splitlines()
    assert first.startswith(f"WRONG mine  {place / MOBILE.name}: damaged or another file: its SHA-256 is ")
    assert second.startswith(f"WRONG mine  {place / DETECTOR.name}: cut off: 2524812 of 2524817 bytes; remove the pack")
    with pytest.raises(WeightsError, match="another file"):  # and it is not run either
        packs.load_encoder(packs.open_pack("mine", packs.models_folder())).encode(np.zeros((1, 112, 112, 3), np.uint8))
    (place / DETECTOR.name).unlink()
    assert "is missing; remove the pack" in facelib("verify", as_json=True).out
    assert facelib("verify", "nothing").code == 2


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"version": 2, "files": []}', '{"version": 1, "files": []}',
     '{"version": 1, "files": [{"file": "../../x", "sha256": "%s", "size": 1, "role": "scrfd"}]}' % ("0" * 64),
     '{"version": 1, "files": [{"file": "x", "sha256": 3, "size": 1, "role": "scrfd"}]}'],
)  # fmt: skip
def test_a_damaged_list_is_named_and_the_pack_can_be_removed(facelib: Facelib, text: str) -> None:
    place = packs.models_folder() / "broken"
    place.mkdir(parents=True)
    (place / "pack.json").write_text(text)
    for command in ("list", "verify"):
        wrong = facelib(command)
        assert wrong.code == 1
        assert wrong.out.startswith(f"WRONG broken  {place / 'pack.json'}: damaged")
    assert facelib("remove", "broken").code == 0
    assert kept() == []


def test_removing_what_is_not_there_says_what_is(facelib: Facelib) -> None:
    assert "there is no pack 'x'" in facelib("remove", "x").err
    assert "no packs in" in facelib("list").out


# --------------------------------------------------------------------------------------------------------------- fetch


class Server(http.server.ThreadingHTTPServer):
    """Serves one file, as well or badly as a test wants."""

    daemon_threads = True
    content = b""
    stop_after: int | None = None  # bytes of the answer's body, then the connection ends
    ranges = True
    status = 200
    asked: list[tuple[str, str | None]]

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v0.7"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, asked = self.server, self.headers.get("Range")
        server.asked.append((self.path, asked))
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and server.ranges else 0
        whole = len(server.content)
        if server.status != 200 or (start and start >= whole):
            self.send_error(416 if server.status == 200 else server.status)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{whole - 1}/{whole}")
        self.send_header("Content-Length", str(whole - start))
        self.end_headers()
        self.wfile.write(server.content[start:][: server.stop_after])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    """A release page on loopback whose buffalo_sc is the pack that is at hand."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server(("127.0.0.1", 0), Handler) as made:
        made.asked = []
        thread = threading.Thread(target=made.serve_forever, args=(0.02,))
        thread.start()
        monkeypatch.setattr(fetch, "RELEASE", made.base)
        monkeypatch.setitem(fetch.PINNED, "buffalo_sc", frozenset(DIGESTS.values()))
        if MODELS.is_dir():
            made.content = zip_of(tmp_path / "s.zip", {f"{one.name}": one for one in (DETECTOR, MOBILE)}).read_bytes()
        yield made
        made.shutdown()
        thread.join()


def get(facelib: Facelib) -> Result:
    return facelib("fetch", "buffalo_sc", "--accept-licence")


@needs_models
def test_a_pack_is_fetched_checked_and_installed(facelib: Facelib, server: Server) -> None:
    done = get(facelib)
    assert done.code == 0, done.err
    assert server.asked == [("/v0.7/buffalo_sc.zip", None)]
    assert "licence of" in done.err
    assert done.out.splitlines()[-1] == f"fetched buffalo_sc: {packs.models_folder() / 'buffalo_sc'}"
    assert kept() == ["buffalo_sc"]
    assert facelib("verify").code == 0
    again = get(facelib)
    assert again.code == 2
    assert "already; remove it first" in again.err
    assert len(server.asked) == 1


def test_the_licence_is_shown_and_accepted_before_anything_is_asked_for(facelib: Facelib, server: Server) -> None:
    refused = facelib("fetch", "buffalo_l")
    assert refused.code == 1
    assert "w600k_r50.onnx: for non-commercial research only" in refused.err
    assert (server.asked, kept()) == ([], [])
    assert facelib("fetch", "buffalo_xxl", "--accept-licence").code == 2


@needs_models
def test_an_interrupted_download_goes_on_where_it_ended(facelib: Facelib, server: Server) -> None:
    server.stop_after = 1_000_000
    for attempt in (1, 2):
        broken = get(facelib)
        assert broken.code == 1
        assert f"{attempt}.0 MB are kept: run it again to go on" in broken.err
        assert kept() == [".fetch-buffalo_sc.zip.part"]
    server.stop_after = None
    assert get(facelib).code == 0
    assert [asked for _, asked in server.asked] == [None, "bytes=1000000-", "bytes=2000000-"]
    assert kept() == ["buffalo_sc"]
    assert facelib("verify").code == 0


@needs_models
def test_a_server_without_ranges_sends_all_again(facelib: Facelib, server: Server) -> None:
    server.stop_after = 1_000_000
    get(facelib)
    server.stop_after, server.ranges = None, False
    assert get(facelib).code == 0
    assert facelib("verify").code == 0


@needs_models
def test_a_whole_download_that_was_not_installed_is_not_fetched_again(facelib: Facelib, server: Server) -> None:
    packs.models_folder().mkdir(parents=True)
    (packs.models_folder() / ".fetch-buffalo_sc.zip.part").write_bytes(server.content)
    assert get(facelib).code == 0
    assert server.asked == [("/v0.7/buffalo_sc.zip", f"bytes={len(server.content)}-")]


@needs_models
def test_a_download_that_is_not_the_pinned_pack_is_thrown_away(
    tmp_path: Path, facelib: Facelib, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("a file that is not pinned was opened")

    monkeypatch.setattr(packs, "_recognise", never)
    right, flipped = server.content, bytearray(MOBILE.read_bytes())
    flipped[5000] ^= 1
    both: dict[str, bytes | Path] = {one.name: one for one in (DETECTOR, MOBILE)}
    bad: dict[str, tuple[bytes, str]] = {
        "flipped": (
            zip_of(tmp_path / "1", both | {MOBILE.name: bytes(flipped)}).read_bytes(),
            f"{MOBILE.name}: its SHA",
        ),
        "more": (zip_of(tmp_path / "2", both | {"more.onnx": b"x"}).read_bytes(), "more.onnx: its SHA-256"),
        "less": (zip_of(tmp_path / "3", {DETECTOR.name: DETECTOR}).read_bytes(), f"without {MOBILE.name}"),
        "html": (b"<html>moved</html>", "no zip file"),
        "cut": (right[:-100], "no zip file"),
        "empty": (b"", "no zip file"),
        "evil": (zip_of(tmp_path / "4", both | {"../x.onnx": b"x"}).read_bytes(), "names that lead out"),
    }
    for name, (content, words) in bad.items():
        server.content = content
        refused = get(facelib)
        assert refused.code == 1, name
        assert words in refused.err
        assert f"{server.base}/buffalo_sc.zip is not the pack it should be" in refused.err
        assert kept() == [], name
    server.content = right
    assert get(facelib).code == 0


def test_a_server_that_refuses_or_is_not_there_is_one_line(facelib: Facelib, server: Server) -> None:
    server.status = 404
    refused = get(facelib)
    assert refused.code == 1
    assert "the server answers 404 Not Found; try again later" in refused.err
    server.shutdown()
    server.socket.close()
    refused = get(facelib)
    assert refused.code == 1
    assert "Connection refused; check the connection and run it again" in refused.err
    assert kept() == []


def test_nothing_but_fetch_touches_the_network(
    tmp_path: Path, facelib: Facelib, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr("socket.socket.connect", never)
    (tmp_path / "own").mkdir()
    small_encoder(tmp_path / "own/mine.onnx")
    assert facelib("add", tmp_path / "own", "--accept-licence").code == 0
    for command in (["list"], ["verify"], ["remove", "own"]):
        assert facelib(*command).code == 0


def test_every_command_says_its_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("add", "fetch", "list", "remove", "verify"):
        models.main([name, "--help"], standalone_mode=False)
        assert "Exit status: 0 done" in capsys.readouterr().out.replace("0 all is right", "0 done")
