"""`python -m bench [NAME ...]`: measure, print one table, exit 1 when a target is missed."""

from __future__ import annotations

import argparse
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import clusters, hashing, matching, networks, overhead, pairs, picasa, policies, rescan, workers
from bench.figures import Figure, table
from bench.measure import BenchError, bench_in, reap_all_below

BENCHES = {
    "rescan": rescan.figures,
    "hash": hashing.figures,
    "overhead": overhead.figures,
    "workers": workers.figures,
    "policies": policies.figures,
    "networks": networks.figures,
    "pairs": pairs.figures,
    "picasa": picasa.figures,
    "matching": matching.figures,
    "clusters": clusters.figures,
}


def main() -> int:
    """Run the chosen benchmarks, all without a choice."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="facelib's figures and whether they hold.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(BENCHES)} [default: all]")
    parser.add_argument("--quick", action="store_true", help="smaller: shows that it runs, the figures are rough")
    parser.add_argument("--folder", type=Path, help="keep trees and files here, for the next time [default: temporary]")
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    unknown = [name for name in chosen.names if name not in BENCHES]
    if unknown:
        parser.error(f"there is no {unknown[0]}; there are {', '.join(BENCHES)}")
    if chosen.folder is not None:
        chosen.folder = chosen.folder.absolute()
        chosen.folder.mkdir(parents=True, exist_ok=True)
    figures: list[Figure] = []
    try:
        for name in chosen.names or BENCHES:
            found = measure(name, chosen)
            for one in () if chosen.into else found:
                print(f"  {one.name}: {one.form.format(one.value)}, {one.target}", file=sys.stderr, flush=True)
            figures += found
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    print(table(figures))
    return 0 if all(figure.holds for figure in figures) else 1


def measure(name: str, chosen: argparse.Namespace) -> list[Figure]:
    """The figures of one benchmark, from a process of its own.

    Linux hands a process's largest size on to the programs that it starts, so one that loads dlib would spoil the figures of
    memory of those after it.
    """
    if chosen.into is not None:
        reap_all_below()
        with bench_in(chosen.folder, chosen.quick) as bench:
            found = BENCHES[name](bench)
        chosen.into.write_bytes(pickle.dumps(found))
        return found
    with tempfile.TemporaryDirectory() as folder:
        into = Path(folder) / "figures"
        arguments = ["--quick"] * chosen.quick + (["--folder", str(chosen.folder)] if chosen.folder else [])
        command = [sys.executable, "-m", "bench", name, *arguments, "--into", str(into)]
        code = subprocess.run(command, stdout=subprocess.DEVNULL).returncode
        if not into.exists():
            raise BenchError(f"{name} ended with {code}")
        measured: list[Figure] = pickle.loads(into.read_bytes())
        return measured


if __name__ == "__main__":
    sys.exit(main())
