"""The GPU goes away in the middle, and comes back."""
from dataclasses import dataclass
from itertools import pairwise

import gevent
from locust import constant, task

from control import metrics, total
from report import Check, none_failed, percent
from scenario import Caller, Findings, Scenario, Stages
from tally import Tally

USERS = 20
TOKENS = 16


@dataclass(frozen=True)
class Course:
    """Seconds of each phase."""

    warm: float
    gone: float  # connections are refused: there is no pod
    loading: float  # 503: there is one, and it loads the model
    back: float  # probed, ramping, and warm again

    def seconds(self) -> float:
        return self.warm + self.gone + self.loading + self.back


COURSES = {
    "full": Course(warm=20, gone=15, loading=15, back=40),
    "short": Course(warm=6, gone=4, loading=5, back=22),
    "tiny": Course(warm=4, gone=3, loading=3, back=20),
}
SERVED = ("local", "cloud", "held", "refused")


@dataclass(frozen=True)
class Look:
    """At the router's own metrics."""

    at_s: float
    state: str  # of the local server
    wanted: dict[str, float]  # weir_local_wanted_total, by who served it


looks: list[Look] = []


def look() -> None:
    at = scenario.now()
    found = metrics(scenario.target)
    states = [labels["state"] for labels, value in found["weir_backend_state"]
              if labels["backend"] == "vllm" and value == 1]
    wanted = found["weir_local_wanted_total"]
    looks.append(Look(at, states[0], {served: total(wanted, served=served) for served in SERVED}))


def play() -> None:
    """Called once, at the end of the warm phase."""
    stand_ins.fault(fault="refuse", seconds=600)
    gevent.sleep(course.gone)
    stand_ins.fault(fault="cold", seconds=600)
    gevent.sleep(course.loading)
    stand_ins.fault(fault=None)
    gevent.sleep(1e9)  # nothing follows


def span(state: str) -> tuple[float, float]:
    """From when to when the router held the local server for that; (0, 0): never."""
    at = [each.at_s for each in looks if each.state == state and each.at_s > course.warm]
    return (at[0], at[-1]) if at else (0.0, 0.0)


def begun(tally: Tally, began: float, ended: float) -> Tally:
    return tally.those(lambda answer: began <= answer.began_s < ended)


def demand_check(began: float, ended: float) -> Check:
    """weir_local_wanted_total{served="cloud"}, in thirds of the cold time."""
    edges = [began + (ended - began) * i / 3 for i in range(4)]
    values = [max((each.wanted["cloud"] for each in looks if each.at_s <= edge), default=0) for edge in edges]
    return Check('weir_local_wanted_total{served="cloud"} rises while it is cold: '
                 + ", ".join(f"{value:g}" for value in values), all(a < b for a, b in pairwise(values)))


def ramp_checks(tally: Tally) -> list[Check]:
    began, ended = span("ramping")
    middle = (began + ended) / 2
    early, late = begun(tally, began, middle), begun(tally, middle, ended)
    after = begun(tally, ended + 1, 1e9)
    return [
        Check(f"the local share ramps back: {percent(early.local_share())} of {len(early)} in the first half of the "
              f"ramp, {percent(late.local_share())} of {len(late)} in the second, 15 points more at least",
              late.local_share() - early.local_share() >= 0.15),
        Check(f"and is whole afterwards: {percent(after.local_share())} of {len(after)}", after.local_share() == 1),
    ]


def timeline(tally: Tally) -> str:
    step = course.seconds() / 20
    lines = ["from       state     local  cloud  local share"]
    for i in range(20):
        those = begun(tally, i * step, (i + 1) * step)
        state = next((each.state for each in looks if each.at_s >= i * step), "")
        share = those.local_share() if len(those.ok) else 0
        lines.append(f"{i * step:>5.1f} s  {state:8} {len(those.by('local')):>6} {len(those.by('cloud')):>6}  "
                     f"{'#' * round(share * 40):40} {share * 100:>3.0f} %")
    return "\n".join(lines)


def conclude(it: Scenario) -> Findings:
    look()
    tally = it.tally
    began, ended = span("cold")
    warm = begun(tally, 0, course.warm - 1)
    cold = begun(tally, began, ended)
    rise = looks[-1].wanted["cloud"] - looks[0].wanted["cloud"]
    by_cloud = len(tally.by("cloud"))
    return Findings([
        none_failed(tally),
        Check(f"before, the local tier answers: {percent(warm.local_share())} of {len(warm)}", warm.local_share() == 1),
        Check(f"while it is cold, the cloud answers: {len(cold.by('cloud'))} of {len(cold)}",
              len(cold) > 0 and len(cold.by("cloud")) == len(cold)),
        demand_check(began, ended),
        Check(f"that counter counts each of them: it rose by {rise:g}, the cloud answered {by_cloud}", rise == by_cloud),
        *ramp_checks(tally),
    ], details={
        "states": [{"at_s": round(each.at_s, 2), "state": each.state, "wanted": each.wanted} for each in looks],
    }, pages=[timeline(tally)])


scenario = Scenario("cold", "the GPU goes away in the middle, and comes back", conclude)
stand_ins = scenario.needs_stand_ins("it takes the local server away and brings it back")
course = scenario.of_profile(COURSES)
scenario.every(0.25, look)
scenario.every(course.warm, play)


class Traffic(Stages):
    stages = [(1, USERS), (course.seconds() - 1, USERS)]


class Asker(Caller):
    wait_time = constant(0.6)
    scenario = scenario

    @task
    def ask_one(self) -> None:
        self.ask("short", {
            "model": "auto", "max_tokens": TOKENS, "stream": scenario.random.random() < 0.5,
            "messages": [{"role": "user", "content": f"Is it warm?\n[[sim: tokens={TOKENS}]]"}],
        })
