"""More local work than the local tier has places for."""
import statistics

from locust import constant, task

from control import metrics, total
from report import Check, none_failed, p95_below
from scenario import Caller, Findings, Scenario, Stages

USERS = 96
THINK_S = 2
TOKENS = 120  # 3.1 s at the local tier
STAGES: dict[str, list[tuple[float, int]]] = {
    "full": [(5, USERS), (60, USERS)],
    "short": [(2, USERS), (20, USERS)],
    "tiny": [(1, USERS), (10, USERS)],
}
# A request waits 2 s for a place (timeouts.queue), then the cloud needs 0.6 s to its first token.  In an endless line
# it would be 13.5 s: 16 places serve 96 callers in turn every 18.6 s, of which they think for 2 s and are served for 3.
FIRST_TOKEN_S = 7

at_work: list[float] = []  # requests under way at the local tier, as the router counts them
in_line: list[float] = []  # requests that wait for a place there
too_many: list[float] = []  # requests for which the stand-in itself had none


def look() -> None:
    """While all callers are there."""
    (ramp, _), (hold, _) = Traffic.stages
    if not ramp < scenario.now() < ramp + hold:
        return
    found = metrics(scenario.target)
    at_work.append(total(found["weir_backend_in_flight"], backend="vllm"))
    in_line.append(total(found.get("weir_backend_waiting", []), backend="vllm"))
    too_many.append(stand_ins.state()["waiting"])


def conclude(it: Scenario) -> Findings:
    tally = it.tally
    ramp = Traffic.stages[0][0]
    full = tally.those(lambda answer: answer.began_s > ramp)
    spilled = full.those(lambda answer: answer.reason == "spill:full")
    usual = statistics.median(at_work) if at_work else 0
    local = len(full.ok.by("local"))
    page = (f"places in use at the local tier: {usual:g} of {stand_ins.slots} in the median of {len(at_work)} looks, "
            f"most {max(at_work, default=0):g}\n"
            f"in line for one: {statistics.median(in_line) if in_line else 0:g} in the median, "
            f"most {max(in_line, default=0):g}")
    return Findings([
        none_failed(tally),
        p95_below("to the first token, while full", full.ok.first_tokens(), FIRST_TOKEN_S),
        Check(f"the cloud takes the spill: {len(spilled.ok.by('cloud'))} answers of {len(full.ok.by('cloud'))} by it, "
              "all spill:full",
              len(spilled) > 0 and len(spilled.ok.by("cloud")) == len(full.ok.by("cloud"))),
        Check(f"the local tier works on: {local} answers", local > 0),
        Check(f"its places are used: {usual:g} of {stand_ins.slots} in the median", usual >= stand_ins.slots - 1),
        Check(f"and it never gets more than it has places for: most {max(at_work, default=0):g}, none waits at the "
              f"server itself ({max(too_many, default=0):g})",
              max(at_work, default=99) <= stand_ins.slots and max(too_many, default=99) == 0),
    ], details={"in_flight": at_work, "waiting": in_line}, pages=[page])


scenario = Scenario("saturation", f"{USERS} callers on the places of the local tier", conclude)
stand_ins = scenario.needs_stand_ins("it fills all places of the local tier, and has to know how many there are")
scenario.every(0.5, look)


class Traffic(Stages):
    stages = scenario.of_profile(STAGES)


class Asker(Caller):
    wait_time = constant(THINK_S)
    scenario = scenario

    @task
    def ask_one(self) -> None:
        self.ask("short", {
            "model": "auto", "max_tokens": TOKENS, "stream": True,
            "messages": [{"role": "user", "content": f"Tell me about rivers.\n[[sim: tokens={TOKENS}]]"}],
        })
