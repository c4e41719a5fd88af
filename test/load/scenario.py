"""A scenario for Locust: its users, its stages, what is watched meanwhile, and what must hold at the end."""
import json
import logging
import os
import random
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import gevent
from locust import FastHttpUser, LoadTestShape, constant, events
from locust.contrib.fasthttp import FAILURE_EXCEPTIONS
from locust.env import Environment
from locust.runners import LocalRunner

from answer import Answer, read_stream, read_whole
from control import StandIns, metrics, total
from report import Check, Report
from tally import BACKENDS, Tally

PROGRESS_S = 10
PATH = "/v1/chat/completions"
T = TypeVar("T")


@dataclass
class Findings:
    """What a scenario has to say at its end."""

    checks: list[Check]
    details: dict[str, Any] = field(default_factory=dict)
    pages: list[str] = field(default_factory=list)


class Scenario:
    """The one of this process."""

    def __init__(self, name: str, says: str, conclude: Callable[["Scenario"], Findings]) -> None:
        self.name = name
        self.says = says
        self.conclude = conclude
        self.profile = os.environ.get("LOAD_PROFILE", "full")
        # one line of chances for all users: the n-th request is of the same kind in every run
        self.random = random.Random(int(os.environ.get("LOAD_SEED", "1")))
        self.stand_ins = StandIns.from_environment()
        self.target = ""
        self.tally = Tally()
        self.broken: list[Check] = []  # what was to watch and could not
        self.watchers: list[tuple[float, Callable[[], None]]] = []
        self.greenlets: list[gevent.Greenlet[..., None]] = []
        self.began = 0.0
        events.init.add_listener(self.on_init)
        events.test_start.add_listener(self.on_start)
        events.test_stop.add_listener(self.on_stop)

    def of_profile(self, profiles: dict[str, T]) -> T:
        if self.profile not in profiles:
            sys.exit(f"{self.name}: LOAD_PROFILE={self.profile}: there are {', '.join(profiles)}")
        return profiles[self.profile]

    def needs_stand_ins(self, why: str) -> StandIns:
        if self.stand_ins is None:
            sys.exit(f"{self.name}: {why}, which it can do to the stand-ins only: leave ROUTER_URL out, and make load "
                     "starts them")
        return self.stand_ins

    def every(self, seconds: float, watcher: Callable[[], None]) -> None:
        self.watchers.append((seconds, watcher))

    def now(self) -> float:
        return time.perf_counter() - self.began

    # --- what Locust tells ---

    def on_init(self, environment: Environment, **_: Any) -> None:
        if not isinstance(environment.runner, LocalRunner):
            sys.exit("the counts are kept in one process: leave --processes, --master and --worker out")
        # who is stopped brings the request under way to its end, or long answers would be missing
        environment.stop_timeout = environment.stop_timeout or 120
        logging.getLogger("locust.stats_logger").disabled = True  # the report has more of it

    def on_start(self, environment: Environment, **_: Any) -> None:
        self.tally = Tally()
        self.broken = []
        self.began = time.perf_counter()
        self.target = (environment.host or "").rstrip("/")
        watchers = [*self.watchers, (PROGRESS_S, self.show_progress)]
        self.greenlets = [gevent.spawn(self.watch, *watcher) for watcher in watchers]

    def on_stop(self, environment: Environment, **_: Any) -> None:
        for greenlet in self.greenlets:
            greenlet.kill()
        seconds = self.now()
        findings = self.conclude(self)
        counted = [self.counted_check()] if self.stand_ins else []  # elsewhere others may be counted, too
        report = Report(self.name, self.says, self.profile, self.target, seconds, self.tally,
                        [*findings.checks, *counted, *self.broken], findings.details, findings.pages)
        report.write(os.environ.get("LOAD_OUT", "build/load"))
        print(report.as_text(), flush=True)
        environment.process_exit_code = 0 if report.is_ok else 1

    def counted_check(self) -> Check:
        """The router counts an answer at its end, a moment after the caller has it."""
        seen = {tier: len(self.tally.ok.by(tier)) for tier in BACKENDS}
        counted: dict[str, float] = {}
        for _ in range(50):
            samples = metrics(self.target)["weir_requests_total"]
            counted = {tier: total(samples, tier=tier, outcome="ok") for tier in BACKENDS}
            if counted == seen:
                break
            gevent.sleep(0.1)
        return Check("the router's weir_requests_total counts what callers saw: " + ", ".join(
            f"{counted[tier]:g} {tier}, seen {seen[tier]}" for tier in BACKENDS), counted == seen)

    # --- beside the users ---

    def watch(self, seconds: float, watcher: Callable[[], None]) -> None:
        while True:
            gevent.sleep(seconds)
            try:
                watcher()
            except Exception as error:  # whatever it is: it is told, and fails the run
                traceback.print_exc()
                self.broken.append(Check(f"at {self.now():.0f} s {watcher.__name__} could not look: {error!r}", False))
                return

    def show_progress(self) -> None:
        tally = self.tally
        print(f"{self.name}: {self.now():.0f} s, {len(tally)} answers, {len(tally.by('local'))} local, "
              f"{len(tally.by('cloud'))} cloud, {len(tally.failed)} failed", file=sys.stderr, flush=True)


class Stages(LoadTestShape):
    """So many seconds to get, evenly, to so many users; one stage after the other."""

    abstract = True
    stages: list[tuple[float, int]]

    def tick(self) -> tuple[int, float] | None:
        at = self.get_run_time()
        users = 0
        for seconds, then in self.stages:
            if at < seconds:
                return max(1, round(users + (then - users) * at / seconds)), 100.0
            at -= seconds
            users = then
        return None


class Caller(FastHttpUser):
    """Asks the router one question after the other."""

    abstract = True
    insecure = False  # the certificate of a router is looked at
    network_timeout = 120.0
    wait_time = constant(1)
    scenario: Scenario

    def on_start(self) -> None:
        # read() says which ones are
        self.client.client.valid_response_codes = frozenset(range(200, 600))  # type: ignore[misc]

    def ask(self, kind: str, body: dict[str, Any],
            judge: Callable[[Answer], None] = lambda answer: None) -> Answer:
        """Sends one request and reads its answer to the end.  `judge` may still find fault with it."""
        answer = Answer(kind, bool(body.get("stream")), self.scenario.now())
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if key := os.environ.get("ROUTER_API_KEY"):
            headers["Authorization"] = f"Bearer {key}"
        began = time.perf_counter()
        with self.client.request("POST", PATH, name=kind, data=json.dumps(body), headers=headers, stream=True,
                                 catch_response=True) as response:
            try:
                read(answer, response, lambda: time.perf_counter() - began)
            except FAILURE_EXCEPTIONS as error:
                answer.fails(f"{error!r}")
            answer.total_s = time.perf_counter() - began
            if answer.is_ok:
                judge(answer)
            self.scenario.tally.add(answer)
            # and for Locust's own figures and pages
            response.request_meta["name"] = f"{kind}, {answer.backend}"
            response.request_meta["response_time"] = answer.total_s * 1000
            if answer.is_ok:
                response.success()
            else:
                response.failure(answer.problem)
        return answer


def read(answer: Answer, response: Any, now_s: Callable[[], float]) -> None:
    response.raise_for_status()
    body = response.stream
    answer.status = response.status_code
    answer.backend = response.headers.get("x-router-backend", "none")
    answer.reason = response.headers.get("x-router-reason", "")
    if answer.status != 200:
        answer.fails(body.read().decode(errors="replace")[:300])
    elif answer.is_stream:
        read_stream(answer, lambda: body.readline(b"\n"), now_s)
        body.read()  # to its end, so that the connection can be used again
    else:
        read_whole(answer, body.read())
    if answer.is_ok and not answer.text and not answer.calls:
        answer.fails("an empty answer")
