"""Several figures at a time, each in a process of its own."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import Manager
from typing import TypeVar

from joblib import Parallel, delayed

from hhfit.reproduce._work import Progress

T = TypeVar("T")


def each(make: Callable[[str, Progress], T], names: Sequence[str], workers: int, progress: Progress) -> Iterator[T]:
    """What is made of every name, in order.

    Args:
        make: Takes a name and how progress is shown.
        names: The names.
        workers: Most worker processes; with one, all is made in this process.
        progress: Called as ``progress(stage, done, total, note)``, in this process.
    """
    workers = min(workers, len(names))
    if workers <= 1:
        yield from (make(name, progress) for name in names)
        return
    with _relayed(progress) as relay:
        yield from Parallel(workers, return_as="generator")(delayed(make)(name, relay) for name in names)


@contextmanager
def _relayed(progress: Progress) -> Iterator[Progress]:
    """Progress that other processes may call; it is shown by this one as long as the block runs."""

    def listen() -> None:
        while said := queue.get():
            progress(*said)

    with Manager() as manager:
        queue = manager.Queue()
        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        try:
            yield lambda *said: queue.put(said)
        finally:
            queue.put(())
            listener.join()
