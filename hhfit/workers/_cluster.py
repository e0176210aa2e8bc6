"""Calls through Dask: workers in threads of this process, or those of a running scheduler.

Every Dask worker keeps one child process per thread, and hands it bytes that it does not look
into. A simulator's crash therefore never reaches Dask, which deals with lost hosts alone.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from queue import Empty, SimpleQueue
from uuid import uuid4

import dask
from distributed import Client, Future, KilledWorker, Scheduler, SpecCluster, Worker, WorkerPlugin, get_worker
from distributed.gc import disable_gc_diagnosis

from hhfit.errors import InputError, SimulationError
from hhfit.traces import Status
from hhfit.workers._engines import Engine
from hhfit.workers._isolated import Answer, Children, Died, Request

logger = logging.getLogger(__name__)

CONNECT = 15.0
"""A scheduler that does not answer for this long [s] is not there."""
LOOK = 2.0
"""How often [s] a client looks whether the scheduler is still there, and how many workers it has."""


_LIGHT = {
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "5s",
}
"""What local workers do without: they share the cores with the children, and this halves what they take."""


class Cluster(Engine):
    """Dask workers.

    Args:
        client: Client of their scheduler.
        cluster: The local cluster that ends with this engine; none when the scheduler is someone else's.
        memory: Largest data segment of each child process [bytes].
    """

    def __init__(self, client: Client, cluster: list[SpecCluster], memory: int) -> None:
        self._client, self._clusters = client, cluster
        self._name = f"hhfit-{uuid4().hex}"
        self._tasks: dict[str, Future] = {}
        self._flying: dict[int, Future] = {}
        self._ready: SimpleQueue[int] = SimpleQueue()
        self._slots, self._counted = 1, -LOOK
        self._said = False
        client.register_plugin(_Plugin(memory), name=self._name)

    @property
    def slots(self) -> int:
        """Threads of all Dask workers; at least 1, for work may wait for the first of them."""
        if time.monotonic() - self._counted > LOOK:
            threads: Mapping[str, int] = self._client.nthreads()
            self._slots, self._counted = max(1, sum(threads.values())), time.monotonic()
        return self._slots

    @property
    def depth(self) -> int:
        """Two requests for each slot: one at work, one on its way."""
        return 2 * self.slots

    def submit(self, number: int, request: Request) -> None:
        """Take a request."""
        if request.digest not in self._tasks:
            # A result, not scattered data: Dask makes it again when the host that holds it is lost.
            self._tasks[request.digest] = self._client.submit(bytes, request.task, pure=False)
        task = self._tasks[request.digest]
        rest = replace(request, task=b"")
        future = self._client.submit(_work, self._name, task, rest, pure=False)
        self._flying[number] = future
        future.add_done_callback(lambda _: self._ready.put(number))

    def next(self) -> tuple[int, Answer]:
        """Wait for an answer.

        Raises:
            SimulationError: If the scheduler is gone.
        """
        while True:
            try:
                number = self._ready.get(timeout=LOOK)
            except Empty:
                if self._client.status != "running":
                    raise SimulationError("the Dask scheduler is gone; start it and resume the run") from None
                self._say_without_workers()
                continue
            future = self._flying.pop(number)
            if future.cancelled():
                raise SimulationError("the Dask scheduler dropped the work; start it again and resume the run")
            try:
                return number, future.result()
            except KilledWorker as error:
                return number, Died(Status.CRASHED, f"its Dask workers died: {error}", from_outside=True)

    def _say_without_workers(self) -> None:
        """Say once that work waits for the first worker, which a queue of jobs may keep back for hours."""
        if not self._said and not self._client.nthreads():
            self._said = True
            logger.warning("no worker has joined the scheduler yet: the simulations wait for the first one")

    def close(self) -> None:
        """Kill every child process, then leave or end the cluster; again is fine."""
        if self._client.status == "closed":
            return
        for cluster in self._clusters:
            for worker in cluster.workers.values():
                worker.plugins[self._name].children.close()
        self._flying.clear()
        self._tasks.clear()
        try:
            if self._client.status == "running" and not self._clusters:
                end = self._client.scheduler.unregister_worker_plugin
                self._client.sync(end, name=self._name, callback_timeout=2.0)
        except (OSError, TimeoutError, ValueError) as error:
            logger.warning("workers may not all have ended: %s", error)
        self._client.close(timeout=2.0)
        for cluster in self._clusters:
            cluster.close(timeout=2.0)


def local(count: int, memory: int) -> Cluster:
    """Dask workers in threads of this process, each with one child process; no port stays open.

    Args:
        count: How many.
        memory: Largest data segment of each child process [bytes].
    """
    own = {"protocol": "inproc://", "dashboard": False, "dashboard_address": "127.0.0.1:0"}
    scheduler = {"cls": Scheduler, "options": own}
    worker = {"cls": Worker, "options": {**own, "nthreads": 1, "memory_limit": 0}}
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # it says that connections close while they close
    with dask.config.set(_LIGHT):
        cluster = SpecCluster(scheduler=scheduler, workers=dict.fromkeys(range(count), worker), silence_logs=False)
        client = Client(cluster)
    cluster.sync(_stop_http, cluster)
    # Its callback runs whenever Python collects garbage, and a Ctrl-C that falls into it is lost.
    disable_gc_diagnosis(force=True)
    return Cluster(client, [cluster], memory)


def remote(address: str, memory: int) -> Cluster:
    """The workers of a running scheduler.

    Args:
        address: Such as ``"tcp://10.0.0.1:8786"``.
        memory: Largest data segment of each child process [bytes].

    Raises:
        InputError: If no scheduler answers there.
    """
    try:
        client = Client(address, timeout=CONNECT)
    except (OSError, TimeoutError, ValueError):
        raise InputError(
            f"scheduler {address}: no Dask scheduler answers; start one with 'dask scheduler' or leave --scheduler out"
        ) from None
    return Cluster(client, [], memory)


class _Plugin(WorkerPlugin):
    """Gives a Dask worker its child processes and ends them with it."""

    def __init__(self, memory: int) -> None:
        self._memory = memory

    def setup(self, worker: Worker) -> None:
        self.children = Children(self._memory)

    def teardown(self, worker: Worker) -> None:
        self.children.close()


def _work(plugin: str, task: bytes, request: Request) -> Answer:
    children: Children = get_worker().plugins[plugin].children
    return children.call(replace(request, task=task))


async def _stop_http(cluster: SpecCluster) -> None:
    for server in (cluster.scheduler, *cluster.workers.values()):
        server.http_server.stop()
