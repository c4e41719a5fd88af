"""Ordinary traffic: four short questions to each long one, the router chooses."""
from typing import Any

from locust import constant, task

from report import Check, failed_below, p95_below
from scenario import Caller, Findings, Scenario, Stages
from tally import Tally, share_bounds

SHORT_SHARE = 0.8
STAGES: dict[str, list[tuple[float, int]]] = {
    "full": [(60, 10), (180, 30), (60, 0)],
    "short": [(8, 10), (24, 30), (8, 0)],
    "tiny": [(2, 10), (6, 20), (2, 0)],
}
TOKENS = {"short": 60, "long": 600}
QUESTIONS = {
    "short": [
        "What is a weir? Answer in two sentences.",
        "Translate into French: the basin keeps what it can hold.",
        "Is this review positive or negative? \"It arrived late, but it works well.\"",
        "Name three rivers of Europe and the seas that they flow into.",
        "Write a subject line for an e-mail about tomorrow's maintenance.",
        "Which is larger, a litre or a pint? Say why.",
    ],
    "long": [
        "Write an essay on how towns along a river have dealt with floods since the Middle Ages: dams, weirs, polders, "
        "early warning, and moving away. Weigh what each costs and whom it protects, and end with what a town of "
        "twenty thousand should do first.",
        "We run a service on two model servers, a small one of our own and a large one that we rent. Plan the move of "
        "all our batch jobs to the small one: what to measure before, in which order to move, what may go wrong, how "
        "to go back, and who has to be told. Explain every step.",
        "Explain to a new colleague how a request travels through a proxy that chooses between two servers, from the "
        "first byte to the last: parsing, admission, choice, queues, streaming, failures in every phase, accounting. "
        "Be thorough and give an example for each.",
    ],
}


def question(kind: str) -> dict[str, Any]:
    text = scenario.random.choice(QUESTIONS[kind])
    if scenario.stand_ins:  # they would answer some of it in a few words
        text += f"\n[[sim: tokens={TOKENS[kind]}]]"
    return {
        "model": "auto",
        "max_tokens": TOKENS[kind],
        "stream": scenario.random.random() < 0.5,
        "messages": [{"role": "user", "content": text}],
    }


def share_check(tally: Tally) -> Check:
    low, high = share_bounds(len(tally.ok), SHORT_SHARE)
    found = tally.ok.local_share()
    return Check(f"the local share: {found * 100:.1f} % of {len(tally.ok)}; {SHORT_SHARE * 100:g} % but for sampling "
                 f"error is {low * 100:.1f} to {high * 100:.1f} %", low <= found <= high)


def choice_check(tally: Tally, kind: str, backend: str) -> Check:
    """A few may spill while all places are taken, or go elsewhere in a bad moment."""
    those = tally.those(lambda answer: answer.kind == kind)
    right = len(those.by(backend))
    return Check(f"{kind} questions went to the {backend} tier: {right} of {len(those)}, at least 98 %",
                 len(those) > 0 and right >= 0.98 * len(those))


def conclude(it: Scenario) -> Findings:
    tally = it.tally
    return Findings([
        failed_below(tally, 0.01),
        p95_below("of all", tally.ok.totals(), 10),
        p95_below("of local answers", tally.ok.by("local").totals(), 4),
        p95_below("of cloud answers", tally.ok.by("cloud").totals(), 12),
        share_check(tally),
        choice_check(tally, "short", "local"),
        choice_check(tally, "long", "cloud"),
    ])


scenario = Scenario("mix", "80 % short questions, 20 % long ones, model auto", conclude)


class Traffic(Stages):
    stages = scenario.of_profile(STAGES)


class Asker(Caller):
    wait_time = constant(1)
    scenario = scenario

    @task
    def ask_one(self) -> None:
        kind = "short" if scenario.random.random() < SHORT_SHARE else "long"
        self.ask(kind, question(kind))
