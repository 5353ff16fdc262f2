"""Worker processes that may die: a `concurrent.futures.Executor` in which a crash costs one task and nothing else.

`ProcessPoolExecutor` breaks as a whole when one process dies, does not say over which task, and cannot end a task that
takes too long; its tasks here are decoders reading strangers' files, so all three happen. One supervising thread hands each
worker one task at a time, so the guilty one is known; a worker is replaced after a number of tasks, after a crash and
after a deadline. Workers are started by a fork server (or spawned), hold no locks of the parent, ignore Ctrl-C (the parent
decides) and end by themselves when the parent is gone.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from facelib.errors import DeviceMemoryError, EngineError, WorkerDiedError

T = TypeVar("T")

# What workers need anyway: the fork server loads it once, and every worker shares those pages.
_PRELOAD = ["facelib.stages.preload"]


class InlineExecutor(Executor):
    """Runs each task at once in this process: for tests, and for looking with a debugger."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - it is handed to whoever asks for the result
            future.set_exception(error)
        return future


@dataclass(slots=True)
class _Task:
    future: Future[Any]
    call: bytes  # pickled (function, arguments)
    begun: bool = False


@dataclass(slots=True)
class _Worker:
    process: Any
    pipe: Connection
    tasks: int = 0
    cpu_seconds: float = 0.0  # of the process, as of its last answer
    current: _Task | None = None
    deadline: float = field(default=float("inf"))


class WorkerPool(Executor):
    """`workers` processes; each is replaced after `recycle_after` tasks, and ended when a task takes `timeout` seconds."""

    def __init__(self, workers: int, recycle_after: int, timeout: float) -> None:
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ.setdefault(name, "1")  # one thread per worker; the children inherit it
        method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
        self._context = multiprocessing.get_context(method)
        if method == "forkserver":
            self._context.set_forkserver_preload(_PRELOAD)
        self._count, self._recycle_after, self._timeout = workers, recycle_after, timeout
        self._queue: deque[_Task] = deque()
        self._workers: list[_Worker] = []
        self._lock = threading.Lock()
        self._closing = self._killed = False
        self.cpu_seconds = 0.0  # of all workers, as of their last answers: a fork server's children are not our own
        self._wake_out, self._wake_in = self._context.Pipe(duplex=False)
        self._thread = threading.Thread(target=self._supervise, name="facelib-pool", daemon=True)
        self._thread.start()

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Queue a call. The future raises what the call raised, or `WorkerDiedError`."""
        if kwargs:
            raise TypeError("only positional arguments")
        future: Future[T] = Future()
        with self._lock:
            if self._closing:
                raise RuntimeError("the pool is shut down")
            self._queue.append(_Task(future, pickle.dumps((fn, args))))
        self._wake()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let the workers finish what they hold, then end them."""
        with self._lock:
            self._closing = True
            if cancel_futures:
                for task in self._queue:
                    task.future.cancel()
        self._wake()
        if wait:
            self._thread.join()

    def kill(self) -> None:
        """End all workers at once; what they held raises `WorkerDiedError`."""
        with self._lock:
            self._closing = self._killed = True
        self._wake()
        self._thread.join()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # the supervisor has already gone
            self._wake_in.send_bytes(b"!")

    # ---------------------------------------------------------------------------------------- the supervising thread

    def _supervise(self) -> None:
        if hasattr(signal, "pthread_sigmask"):
            # Children inherit what this thread blocks: Ctrl-C must not reach the fork server while it loads its modules.
            # The resource tracker goes first, because starting it unblocks the signal again.
            resource_tracker.ensure_running()
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            while not self._finished():
                self._hand_out()
                self._listen()
        finally:
            for worker in self._workers:
                self._end(worker, kill=self._killed)
            with self._lock:
                self._closing = True
                left, self._queue = list(self._queue), deque()
            for task in [*left, *(worker.current for worker in self._workers if worker.current)]:
                if not task.future.done():
                    task.future.set_exception(WorkerDiedError("the pool was shut down"))

    def _finished(self) -> bool:
        with self._lock:
            return self._killed or (self._closing and not self._queue and all(w.current is None for w in self._workers))

    def _hand_out(self) -> None:
        """Give every idle worker a task; start workers while there is more to do than workers."""
        while True:
            with self._lock:
                task = self._queue.popleft() if self._queue else None
                if task is None:
                    return
                worker = next((w for w in self._workers if w.current is None), None)
                if worker is None and len(self._workers) >= self._count:
                    self._queue.appendleft(task)
                    return
            if not task.begun and not task.future.set_running_or_notify_cancel():
                continue
            task.begun = True
            try:
                worker = worker or self._start()
            except (OSError, EOFError) as error:
                task.future.set_exception(EngineError(f"cannot start a worker process: {error}"))
                continue
            worker.current, worker.tasks = task, worker.tasks + 1
            worker.deadline = time.monotonic() + self._timeout
            try:
                worker.pipe.send_bytes(task.call)
            except OSError:  # it died while idle, which is not this task's fault
                worker.current = None
                self._bury(worker)
                with self._lock:
                    self._queue.appendleft(task)

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_work, args=(theirs,), daemon=True)  # type: ignore[attr-defined]
        process.start()
        theirs.close()
        worker = _Worker(process, ours)
        self._workers.append(worker)
        return worker

    def _listen(self) -> None:
        """Wait for an answer, a death, a deadline or something to hand out."""
        busy = [worker for worker in self._workers if worker.current is not None]
        patience = min((worker.deadline for worker in busy), default=time.monotonic() + 60) - time.monotonic()
        patience = min(patience, 60.0)  # the operating system takes no longer ones than some weeks
        ready = wait([self._wake_out, *(worker.pipe for worker in busy)], max(patience, 0))
        if self._wake_out in ready:
            while self._wake_out.poll():
                self._wake_out.recv_bytes()
        for worker in busy:
            if worker.pipe in ready:
                self._receive(worker)
            elif time.monotonic() >= worker.deadline:
                worker.process.kill()
                self._bury(worker, f"it took longer than {self._timeout:g} seconds (workers.photo_timeout)")

    def _receive(self, worker: _Worker) -> None:
        try:
            good, answer, cpu_seconds = pickle.loads(worker.pipe.recv_bytes())  # noqa: S301 - from our own child
        except (EOFError, OSError):
            self._bury(worker)
            return
        self.cpu_seconds += cpu_seconds - worker.cpu_seconds
        worker.cpu_seconds = cpu_seconds
        task, worker.current = worker.current, None
        if worker.tasks >= self._recycle_after or isinstance(answer, DeviceMemoryError):
            self._workers.remove(worker)
            self._end(worker)
        if task is not None and good:
            task.future.set_result(answer)
        elif task is not None:
            task.future.set_exception(answer)

    def _bury(self, worker: _Worker, reason: str | None = None) -> None:
        """A worker is dead: its task is to blame, the others go on."""
        self._workers.remove(worker)
        worker.process.join(5)
        worker.pipe.close()
        task, worker.current = worker.current, None
        if task is not None:
            task.future.set_exception(WorkerDiedError(reason or _cause(worker.process.exitcode)))

    @staticmethod
    def _end(worker: _Worker, kill: bool = False) -> None:
        worker.pipe.close()  # the worker reads the end of its input and leaves
        if kill:
            worker.process.kill()
        worker.process.join(5)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join(5)


def _cause(exitcode: int | None) -> str:
    if exitcode is None or exitcode >= 0:
        return f"the worker process ended by itself (exit code {exitcode})"
    try:
        name = signal.Signals(-exitcode).name
    except ValueError:
        name = f"signal {-exitcode}"
    if name == "SIGKILL":
        return "the worker process was killed, perhaps because memory ran out"
    return f"the worker process crashed ({name})"


def _work(pipe: Connection) -> None:
    """A worker's life: one call after the other, until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides what it means
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # libtiff and libjpeg write about bad files straight to the terminal; what matters comes back as an answer.
    with open(os.devnull, "w") as null:
        os.dup2(null.fileno(), 2)
    while True:
        try:
            call = pipe.recv_bytes()
        except (EOFError, OSError):
            return
        try:
            function, arguments = pickle.loads(call)  # noqa: S301 - from our own parent
            result = function(*arguments)
            answer = pickle.dumps((True, result, time.process_time()))
        except Exception as error:  # noqa: BLE001 - handed to the parent, which decides
            answer = _pickled_error(error)
        try:
            pipe.send_bytes(answer)
        except OSError:
            return


def _pickled_error(error: Exception) -> bytes:
    error.add_note("in a worker process:\n" + "".join(traceback.format_exception(error)))
    try:
        answer = pickle.dumps((False, error, time.process_time()))
        pickle.loads(answer)  # noqa: S301 - some exceptions pickle and do not come back
    except Exception:  # noqa: BLE001 - whatever it is, the text travels
        answer = pickle.dumps((False, RuntimeError("".join(traceback.format_exception(error))), time.process_time()))
    return answer


def default_workers() -> int:
    """The processors that this process may use."""
    if sys.version_info >= (3, 13):
        return os.process_cpu_count() or 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
