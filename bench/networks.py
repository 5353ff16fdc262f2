"""dlib's two networks on ONNX Runtime against dlib itself: the same results, in how much less CPU time, in how much memory.

Times are process CPU time on one thread, the least of a few. Parity of the detector is over sixty pictures: whole
photographs, crops of odd sizes, some of 2 megapixels, three in ten upsampled; that of the encoder over the faces of the group
photographs and the album.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import platformdirs

from bench.figures import Figure
from bench.measure import Bench, data
from facelib import images
from facelib.config import ImageOptions
from facelib.engines import dlib_native, dlib_onnx, weights
from facelib.engines.base import RGB

MAX_DIFFERENCE = 1e-5
MAX_SCORE_DIFFERENCE = 1e-4
LEAST_RATIO = 15.0
PICTURES, QUICK_PICTURES = 60, 8
MAX_MIB = {0: 300.0, 1: 600.0}  # at 2 megapixels, by upsampling


def figures(bench: Bench) -> list[Figure]:
    """Parity, speed and memory of both networks."""
    bench.say("networks: a quarter of an hour, nearly all of it dlib's")
    return [*_encoder(bench), *_detector_parity(bench), *_detector_speed(bench), *_memory(bench)]


def _cache() -> Path:
    return Path(platformdirs.user_cache_dir("facelib", appauthor=False))


def _cnn(upsample: int) -> dlib_onnx.CnnDetector:
    return dlib_onnx.CnnDetector(weights.find(weights.MMOD), _cache(), upsample=upsample)


def _photographs(folder: str) -> list[Path]:
    return sorted(data(folder).rglob("*.jpg"))


def _scaled(path: Path, megapixels: float) -> RGB:
    """A photograph shrunk to at most about so many megapixels."""
    with images.open_photo(str(path), ImageOptions()) as source:
        width, height = source.facts.width, source.facts.height
        factor = (megapixels * 1e6 / (width * height)) ** 0.5
        return source.shrunk(round(max(width, height) * min(factor, 1.0)), round(max(width, height) * factor))


def _cpu(work: Callable[[], object], times: int) -> float:
    best = float("inf")
    for _ in range(times):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return best


def _encoder(bench: Bench) -> list[Figure]:
    ours = dlib_onnx.ResnetEncoder(weights.find(weights.RESNET), _cache(), mirror=False)
    theirs = dlib_native.ResnetEncoder()
    finder, points = dlib_native.HogDetector(1), dlib_native.FivePointLandmarks()
    worst, faces, sample = 0.0, 0, None
    for path in [*_photographs("group-photos"), *_photographs("album")][:: 20 if bench.quick else 1]:
        picture = _scaled(path, 1.0)
        boxes = [found.box for found in finder.detect([picture])[0]]
        if not boxes:
            continue
        chips = ours.align(picture, points.locate(picture, boxes))
        worst = max(worst, float(np.abs(ours.encode(chips) - theirs.encode(chips)).max()))
        faces, sample = faces + len(boxes), chips[:1]
    assert sample is not None
    one = sample
    slow, fast = _cpu(lambda: theirs.encode(one), 5), _cpu(lambda: ours.encode(one), 10)
    return [
        Figure("encoder, largest difference from dlib's", worst, MAX_DIFFERENCE, "{:.1e}", notes=(f"{faces} faces",)),
        Figure(
            "encoder, dlib's CPU time / ours", slow / fast, LEAST_RATIO, "{:.1f}", at_least=True,
            notes=(f"{slow * 1e3:.1f} ms and {fast * 1e3:.2f} ms a face",),
        ),
    ]  # fmt: skip


def _pictures(count: int) -> Iterator[tuple[RGB, int]]:
    """Pictures with the upsampling to try on them. Upsampled ones are small, because dlib takes 28 seconds a megapixel."""
    chance = random.Random(7)
    paths = _photographs("group-photos")
    for number in range(count):
        path, upsample = paths[number % len(paths)], int(number % 10 in (2, 5, 8))
        if number in (10, 40):
            yield _scaled(path, 2.0), 0
        elif number == 22:
            yield _scaled(path, 0.5), 1
        elif number < len(paths):
            yield _scaled(path, 0.06 if upsample else 0.3), upsample
        else:
            picture = _scaled(path, chance.uniform(0.3, 1.5))
            rows, columns = (min(chance.randrange(33, 330 if upsample else 700), side) for side in picture.shape[:2])
            top, left = chance.randrange(picture.shape[0] - rows + 1), chance.randrange(picture.shape[1] - columns + 1)
            yield picture[top : top + rows, left : left + columns].copy(), upsample


def _detector_parity(bench: Bench) -> list[Figure]:
    ours = {upsample: _cnn(upsample) for upsample in (0, 1)}
    theirs = {upsample: dlib_native.CnnDetector(upsample) for upsample in (0, 1)}
    same = either = pictures = 0
    worst, largest = 0.0, 0
    for picture, upsample in _pictures(QUICK_PICTURES if bench.quick else PICTURES):
        one = {face.box: face.score for face in ours[upsample].detect([picture])[0]}
        other = {face.box: face.score for face in theirs[upsample].detect([picture])[0]}
        both = one.keys() & other.keys()
        same, either, pictures = same + len(both), either + len(one.keys() | other.keys()), pictures + 1
        worst = max([worst, *(abs(one[box] - other[box]) for box in both)])
        largest = max(largest, picture.shape[0] * picture.shape[1])
    notes = (f"{same} of {either} boxes over {pictures} pictures, the largest of {largest / 1e6:.2f} MP",)
    return [
        Figure("detector, boxes identical to dlib's", same / either, 1.0, "{:.3f}", at_least=True, notes=notes),
        Figure("detector, largest difference of scores", worst, MAX_SCORE_DIFFERENCE, "{:.1e}"),
    ]


def _detector_speed(bench: Bench) -> list[Figure]:
    path = _photographs("group-photos")[10]
    ratios, notes = [], []
    for megapixels, upsample in ((0.4, 0),) if bench.quick else ((0.4, 0), (1.0, 0), (2.0, 0), (0.4, 1)):
        picture = _scaled(path, megapixels)
        ours, theirs = _cnn(upsample), dlib_native.CnnDetector(upsample)
        ours.detect([picture])
        fast = _cpu(lambda ours=ours, picture=picture: ours.detect([picture]), 5)  # type: ignore[misc]
        slow = _cpu(lambda theirs=theirs, picture=picture: theirs.detect([picture]), 1)  # type: ignore[misc]
        ratios.append(slow / fast)
        notes.append(f"{megapixels} MP, upsampling {upsample}: {slow:.2f} s and {fast:.3f} s, {slow / fast:.1f}")
    name = "detector, dlib's CPU time / ours (least)"
    return [Figure(name, min(ratios), LEAST_RATIO, "{:.1f}", at_least=True, notes=tuple(notes))]


def _memory(bench: Bench) -> list[Figure]:
    found = []
    for upsample in (0,) if bench.quick else (0, 1):
        command = [sys.executable, "-c", f"from bench.networks import print_peak; print_peak({upsample})"]
        peak = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        found.append(Figure(f"detector, memory at 2 MP, upsampling {upsample}", peak, MAX_MIB[upsample], "{:.0f} MiB"))
    return found


def print_peak(upsample: int) -> None:
    """Print by how many MiB this process's peak grows while the detector looks at 2 megapixels."""
    picture, detector = _scaled(_photographs("group-photos")[11], 2.0), _cnn(upsample)
    detector.detect([np.zeros((64, 64, 3), np.uint8)])  # load everything
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak so far is that of decoding
    before = _resident("VmRSS")
    detector.detect([picture])
    print(round((_resident("VmHWM") - before) / 1024))


def _resident(key: str) -> int:
    """A line of /proc/self/status, in KiB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key))
