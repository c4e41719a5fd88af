"""What many answers come to: counts, percentiles, shares."""
import math
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from answer import Answer

BACKENDS = ("local", "cloud")
PERCENTILES = (50, 90, 95, 99)
TAIL = 5e-5  # on either side: a right share falls outside once in 10,000 runs


def percentile(values: list[float], p: float) -> float:
    """The smallest value that p percent are not above; of none: not a number."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * p / 100) - 1)] if ordered else math.nan


def trend(values: list[float]) -> dict[str, Any]:
    """None stands for what there is not, as JSON has no NaN."""
    found: dict[str, Any] = {"count": len(values)}
    for p in PERCENTILES:
        found[f"p{p}"] = round(percentile(values, p), 4) if values else None
    found["max"] = round(max(values), 4) if values else None
    return found


def share_bounds(n: int, share: float) -> tuple[float, float]:
    """Where the share of n draws lies but for sampling error: the binomial distribution without its tails."""
    if n == 0:
        return 0.0, 1.0
    below = 0.0
    low: int | None = None
    for k in range(n + 1):
        log = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
        below += math.exp(log + k * math.log(share) + (n - k) * math.log1p(-share))
        if low is None and below > TAIL:
            low = k
        if below >= 1 - TAIL:
            return (low or 0) / n, k / n
    return (low or 0) / n, 1.0


class Tally:
    def __init__(self, answers: Iterable[Answer] = ()) -> None:
        self.answers = list(answers)

    def add(self, answer: Answer) -> None:
        self.answers.append(answer)

    def those(self, wanted: Callable[[Answer], bool]) -> "Tally":
        return Tally(answer for answer in self.answers if wanted(answer))

    def by(self, backend: str) -> "Tally":
        return self.those(lambda answer: answer.backend == backend)

    @property
    def failed(self) -> "Tally":
        return self.those(lambda answer: not answer.is_ok)

    @property
    def ok(self) -> "Tally":
        return self.those(lambda answer: answer.is_ok)

    def __len__(self) -> int:
        return len(self.answers)

    def totals(self) -> list[float]:
        return [answer.total_s for answer in self.answers]

    def first_tokens(self) -> list[float]:
        return [answer.first_token_s for answer in self.answers if answer.first_token_s is not None]

    def failed_share(self) -> float:
        return len(self.failed) / len(self) if self.answers else math.nan

    def local_share(self) -> float:
        """Of what was answered, by whom it was."""
        answered = len(self.by("local")) + len(self.by("cloud"))
        return len(self.by("local")) / answered if answered else math.nan

    def counts(self, key: Callable[[Answer], str]) -> dict[str, int]:
        return dict(sorted(Counter(map(key, self.answers)).items()))

    def as_json(self) -> dict[str, Any]:
        return {
            "requests": len(self),
            "failed": len(self.failed),
            "latency_s": trend(self.ok.totals()),
            "first_token_s": trend(self.ok.first_tokens()),
        }
