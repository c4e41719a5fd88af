"""Starts the router between two stand-ins on free ports of this machine, and ends them."""
import os
import queue
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from control import StandIns, metrics

HERE = os.path.dirname(os.path.abspath(__file__))
START_S = 60
MODEL = "qwen2.5-7b-instruct"
SLOTS = 16
# the pace that is asked of each: see docs/load.md
LOCAL = ["--tokens-per-second", "40", "--slots", str(SLOTS), "--first-token-ms", "100", "--model", MODEL]
CLOUD = ["--tokens-per-second", "80", "--slots", "4096", "--first-token-ms", "600"]


class Program:
    """One that was started, and the lines that it says."""

    def __init__(self, arguments: list[str], environment: dict[str, str], log: str) -> None:
        self.log = log
        self.lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.process = subprocess.Popen(arguments, env={"PATH": os.environ["PATH"], **environment}, text=True,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self) -> None:
        assert self.process.stdout
        with open(self.log, "w", encoding="utf-8") as log:
            for line in self.process.stdout:
                log.write(line)
                self.lines.put(line)

    def says(self, pattern: str) -> str:
        """The first group of the first line with that in it."""
        end = time.monotonic() + START_S
        while True:
            try:
                line = self.lines.get(timeout=0.1)
            except queue.Empty:
                if self.process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"{self.process.args!r} did not start: see {self.log}") from None
                continue
            if found := re.search(pattern, line):
                return found[1]

    def stop(self) -> None:
        self.process.terminate()
        try:
            status = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.reader.join()
        if status != 0:
            raise RuntimeError(f"{self.process.args!r} ended with {status}: see {self.log}")


@contextmanager
def standing(weir: str, folder: str, settings: dict[str, str]) -> Iterator[tuple[str, StandIns]]:
    """The router's URL, and what stands behind it.  `settings` are options of the router in its environment."""
    programs: list[Program] = []

    def start(name: str, arguments: list[str], environment: dict[str, str]) -> Program:
        programs.append(Program([weir, *arguments], environment, os.path.join(folder, f"{name}.log")))
        return programs[-1]

    def sim(name: str, pace: list[str]) -> tuple[str, str]:
        program = start(name, ["sim", "--vllm-port", "0", "--anthropic-port", "0", *pace], {})
        return program.says(r"^vllm (\S+)"), program.says(r"^anthropic (\S+)")

    try:
        local, control = sim("local", LOCAL)
        _, cloud = sim("cloud", CLOUD)
        router = start("router", ["serve", "--config", os.path.join(HERE, "stand-ins.yaml")], {
            "HOST": "127.0.0.1", "PORT": "0", "LOG_LEVEL": "info",
            "LOAD_LOCAL_URL": local, "LOAD_CLOUD_URL": cloud, "LOAD_LOCAL_SLOTS": str(SLOTS), **settings,
        })
        url = router.says(r"listening.*?(http://127\.0\.0\.1:\d+)")
        await_warm(url)
        yield url, StandIns(local, cloud, control, SLOTS)
    finally:
        problems = []
        for program in reversed(programs):
            try:
                program.stop()
            except RuntimeError as error:
                problems.append(error)
        if problems:
            raise problems[0]


def await_warm(url: str) -> None:
    """Until the router has asked the local server how it is, whatever it said."""
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        states = metrics(url).get("weir_backend_state", [])
        if any(value == 1 and labels["backend"] == "vllm" and labels["state"] != "unknown" for labels, value in states):
            return
        time.sleep(0.05)
    raise RuntimeError("the router does not probe its local backend")
