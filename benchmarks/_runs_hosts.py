"""A Dask scheduler with two workers, each in a network namespace of its own, one of which can be cut off."""

import contextlib
import os
import subprocess
import sys
import threading
import time

PREFIX = "10.231.77"


class Hosts:
    """A bridge with three namespaces: a scheduler's is the first, this process's stays outside.

    Needs root. Everything is taken down again at the end.
    """

    def __enter__(self):
        self._tag = f"hh{os.getpid() % 10000}"
        self._names = [f"{self._tag}w{k}" for k in range(2)]
        self._processes = []
        self._ip("link", "add", self._tag, "type", "bridge")
        self._ip("addr", "add", f"{PREFIX}.1/24", "dev", self._tag)
        self._ip("link", "set", self._tag, "up")
        for k, name in enumerate(self._names):
            self._ip("netns", "add", name)
            self._ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
            self._ip("link", "set", name, "master", self._tag, "up")
            self._ip("-n", name, "addr", "add", f"{PREFIX}.{k + 2}/24", "dev", "eth0")
            self._ip("-n", name, "link", "set", "eth0", "up")
            self._ip("-n", name, "link", "set", "lo", "up")
        self.scheduler = f"tcp://{PREFIX}.1:8786"
        python = [sys.executable, "-m"]
        self._run([*python, "distributed.cli.dask_scheduler", "--host", f"{PREFIX}.1", "--no-dashboard"])
        worker = ["distributed.cli.dask_worker", self.scheduler, "--nthreads", "1", "--no-dashboard"]
        for name in self._names:
            self._run(["ip", "netns", "exec", name, *python, *worker, "--local-directory", f"/tmp/{name}"])
        self._wait()
        return self

    def __exit__(self, *_):
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()
        for name in self._names:
            self._ip("netns", "del", name)
        self._ip("link", "del", self._tag)

    def cut_during(self, seconds, work):
        """Do ``work`` while the second worker's link is down for a while, from 3 s on."""

        def cut():
            time.sleep(3.0)
            self._ip("link", "set", self._names[1], "down")
            time.sleep(seconds)
            self._ip("link", "set", self._names[1], "up")

        thread = threading.Thread(target=cut)
        thread.start()
        try:
            return work()
        finally:
            thread.join()

    def _wait(self):
        from distributed import Client

        with Client(self.scheduler, timeout=30) as client:
            client.wait_for_workers(2, timeout=60)

    def _run(self, command):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._processes.append(subprocess.Popen(command, env=environment, **quiet))

    @staticmethod
    def _ip(*words):
        subprocess.run(["ip", *words], check=True)
