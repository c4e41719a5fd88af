"""What a scenario came to: as JSON, and for people."""
import json
import math
import os
import textwrap
from dataclasses import dataclass
from typing import Any

from answer import Answer
from tally import BACKENDS, PERCENTILES, Tally, percentile

PROBLEMS_SHOWN = 5


@dataclass(frozen=True)
class Check:
    what: str
    is_ok: bool


def below(what: str, found: float, limit: float, unit: str = " s") -> Check:
    """Of nothing there is no percentile, and then it does not hold."""
    shown = "nothing measured" if math.isnan(found) else f"{found:.2f}{unit}"
    return Check(f"{what}: {shown}, below {limit:g}{unit}", not math.isnan(found) and found < limit)


def failed_below(tally: Tally, limit: float) -> Check:
    return below("requests that failed", tally.failed_share() * 100, limit * 100, " %")


def p95_below(what: str, values: list[float], limit: float) -> Check:
    return below(f"p95 {what}", percentile(values, 95), limit)


def none_failed(tally: Tally) -> Check:
    return Check(f"no request failed: {len(tally.failed)} of {len(tally)}", len(tally) > 0 and len(tally.failed) == 0)


@dataclass
class Report:
    scenario: str
    says: str
    profile: str
    target: str
    seconds: float
    tally: Tally
    checks: list[Check]
    details: dict[str, Any]  # for the JSON file
    pages: list[str]  # for people

    @property
    def is_ok(self) -> bool:
        return all(check.is_ok for check in self.checks)

    def as_json(self) -> dict[str, Any]:
        tally = self.tally
        return {
            "scenario": self.scenario,
            "profile": self.profile,
            "target": self.target,
            "seconds": round(self.seconds, 1),
            "ok": self.is_ok,
            "local_share": None if math.isnan(tally.local_share()) else round(tally.local_share(), 4),
            "all": tally.as_json(),
            "backends": {name: tally.by(name).as_json() for name in BACKENDS},
            "kinds": {
                kind: tally.those(lambda a, kind=kind: a.kind == kind).as_json()  # type: ignore[misc]
                for kind in tally.counts(lambda a: a.kind)
            },
            "reasons": tally.counts(lambda a: f"{a.backend} {a.reason}"),
            "checks": [{"what": check.what, "ok": check.is_ok} for check in self.checks],
            "problems": [problem_of(answer) for answer in tally.failed.answers[:PROBLEMS_SHOWN]],
            "details": self.details,
        }

    def write(self, folder: str) -> None:
        os.makedirs(folder, exist_ok=True)
        for name, text in ((f"{self.scenario}.json", json.dumps(self.as_json(), indent=1)),
                           (f"{self.scenario}.txt", self.as_text())):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(text + "\n")

    def as_text(self) -> str:
        tally = self.tally
        lines = [
            f"=== {self.scenario}: {self.says}",
            f"{self.profile} profile at {self.target}: {len(tally)} requests in {self.seconds:.0f} s",
            "",
            *table(tally),
            "",
            "local share: " + percent(tally.local_share()),
            *textwrap.wrap("reasons: " + ", ".join(
                f"{name} ({count})" for name, count in tally.counts(lambda a: f"{a.backend} {a.reason}").items()),
                width=110, subsequent_indent="  "),
            *(line for page in self.pages for line in ("", *page.splitlines())),
            "",
            *(f"{'ok    ' if check.is_ok else 'FAILED'} {check.what}" for check in self.checks),
            *(f"       {problem_of(answer)}" for answer in tally.failed.answers[:PROBLEMS_SHOWN]),
        ]
        return "\n".join(lines)


def percent(share: float) -> str:
    return "nobody answered" if math.isnan(share) else f"{share * 100:.1f} %"


def problem_of(answer: Answer) -> str:
    stream = "stream" if answer.is_stream else "whole"
    return (f"at {answer.began_s:.1f} s: {answer.kind}, {stream}, status {answer.status}, by {answer.backend} "
            f"{answer.reason}: {answer.problem}")


def table(tally: Tally) -> list[str]:
    """Latencies of whole requests, and to the first token of streams."""
    head = f"{'':24}{'requests':>9}{'failed':>8}" + "".join(f"{'p' + str(p):>8}" for p in PERCENTILES) + f"{'max':>8}"
    rows = [head]
    for name, part in (("all", tally), *((name, tally.by(name)) for name in BACKENDS)):
        if len(part):
            rows.append(row(name, part.ok.totals(), f"{len(part):>9}{len(part.failed):>8}"))
            if firsts := part.ok.first_tokens():
                rows.append(row("  first token", firsts, f"{len(firsts):>9}{'':>8}"))
    return rows


def row(name: str, values: list[float], counts: str) -> str:
    cells = [percentile(values, p) for p in PERCENTILES] + [max(values, default=math.nan)]
    return f"{name:24}{counts}" + "".join(f"{'-':>8}" if math.isnan(c) else f"{c:>6.2f} s" for c in cells)
