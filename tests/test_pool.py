"""What the worker pool promises: a task that kills, hangs or raises costs itself and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from facelib.errors import WorkerDiedError
from facelib.stages.pool import InlineExecutor, WorkerPool


# What workers run has to be importable by them.
def double(number: int) -> int:
    return 2 * number


def crash(_: int) -> int:
    os.kill(os.getpid(), signal.SIGSEGV)
    return 0


def killed(_: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def leave(_: int) -> int:
    os._exit(7)


def hang(_: int) -> int:
    time.sleep(600)
    return 0


def fail(_: int) -> int:
    raise LookupError("not this one")


class UnpicklableError(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__("odd")


def fail_oddly(_: int) -> int:
    raise UnpicklableError(1, 2)


def process(_: int) -> int:
    return os.getpid()


def ignores_interrupt(_: int) -> bool:
    return signal.getsignal(signal.SIGINT) is signal.SIG_IGN


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    made = WorkerPool(workers=2, recycle_after=1000, timeout=60)
    yield made
    made.shutdown()


def test_a_worker_that_dies_between_tasks_costs_nothing() -> None:
    pool = WorkerPool(workers=1, recycle_after=100, timeout=60)
    try:
        pid = pool.submit(process, 0).result(60)
        os.kill(pid, signal.SIGKILL)
        while _alive(pid):
            time.sleep(0.01)
        assert pool.submit(double, 21).result(60) == 42
    finally:
        pool.shutdown()


def test_results_come_back_in_the_order_asked(pool: WorkerPool) -> None:
    assert list(pool.map(double, range(50))) == [2 * n for n in range(50)]


@pytest.mark.parametrize(
    ("task", "words"),
    [(crash, "crashed .SIGSEGV."), (killed, "perhaps because memory ran out"), (leave, "exit code 7")],
)
def test_a_worker_that_dies_costs_its_task_only(pool: WorkerPool, task: object, words: str) -> None:
    before = [pool.submit(double, n) for n in range(5)]
    bad = pool.submit(task, 0)  # type: ignore[arg-type]
    after = [pool.submit(double, n) for n in range(5)]
    with pytest.raises(WorkerDiedError, match=words):
        bad.result(60)
    assert [f.result(60) for f in before + after] == [0, 2, 4, 6, 8] * 2


def test_a_task_that_hangs_is_ended() -> None:
    pool = WorkerPool(workers=1, recycle_after=10, timeout=0.5)
    try:
        pool.submit(double, 1).result(60)
        with pytest.raises(WorkerDiedError, match="longer than 0.5 seconds"):
            pool.submit(hang, 0).result(60)
        assert pool.submit(double, 4).result(60) == 8
    finally:
        pool.shutdown()


def test_what_a_task_raises_comes_back_with_its_traceback(pool: WorkerPool) -> None:
    with pytest.raises(LookupError, match="not this one") as caught:
        pool.submit(fail, 0).result(60)
    assert "in a worker process" in caught.value.__notes__[0]


def test_an_exception_that_cannot_travel_comes_back_as_text(pool: WorkerPool) -> None:
    with pytest.raises(RuntimeError, match="UnpicklableError"):
        pool.submit(fail_oddly, 0).result(60)


def test_a_worker_is_replaced_after_its_number_of_tasks() -> None:
    pool = WorkerPool(workers=1, recycle_after=3, timeout=60)
    try:
        pids = list(pool.map(process, range(7)))
    finally:
        pool.shutdown()
    assert len(set(pids)) == 3
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3, 1]


def test_workers_leave_ctrl_c_to_the_parent(pool: WorkerPool) -> None:
    assert pool.submit(ignores_interrupt, 0).result(60)


def test_kill_ends_what_is_in_work_at_once() -> None:
    pool = WorkerPool(workers=1, recycle_after=10, timeout=600)
    first, second = pool.submit(hang, 0), pool.submit(double, 1)
    while not first.running():
        time.sleep(0.01)
    pool.kill()
    for future in (first, second):
        with pytest.raises(WorkerDiedError):
            future.result(5)


def test_a_future_that_nobody_began_can_be_cancelled() -> None:
    pool = WorkerPool(workers=1, recycle_after=10, timeout=600)
    try:
        first = pool.submit(time.sleep, 0.3)
        second = pool.submit(double, 1)
        assert second.cancel()
        assert first.result(60) is None
    finally:
        pool.shutdown()


def test_workers_end_when_the_parent_is_killed() -> None:
    script = (
        "import os, sys, time; sys.path.insert(0, os.path.dirname(sys.argv[1]));"
        "import test_pool; from facelib.stages.pool import WorkerPool;"
        "pool = WorkerPool(1, 10, 600); print(pool.submit(test_pool.process, 0).result(), flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, __file__], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and _alive(worker):
        time.sleep(0.05)
    assert not _alive(worker)


def _alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stream:
            return stream.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_inline_executor_runs_at_once_and_keeps_errors_in_the_future() -> None:
    executor = InlineExecutor()
    assert executor.submit(double, 3).result() == 6
    with pytest.raises(LookupError):
        executor.submit(fail, 0).result()
