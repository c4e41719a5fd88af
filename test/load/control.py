"""What can be asked of the router, and told to the stand-ins, while a scenario runs."""
import json
import os
from dataclasses import asdict, dataclass
from typing import Any, Self
from urllib.request import Request, urlopen

from prometheus_client.parser import text_string_to_metric_families

TIMEOUT_S = 20
VARIABLE = "LOAD_STAND_INS"


def fetch(url: str, body: object = None) -> str:
    data = None if body is None else json.dumps(body).encode()
    request = Request(url, data, {"Content-Type": "application/json"})
    with urlopen(request, timeout=TIMEOUT_S) as answer:
        text: str = answer.read().decode()
        return text


def metrics(router: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Every sample of the router, by its name."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(fetch(f"{router}/metrics")):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def total(samples: list[tuple[dict[str, str], float]], **labels: str) -> float:
    """The sum of what bears these labels."""
    return sum(value for bears, value in samples if labels.items() <= bears.items())


@dataclass(frozen=True)
class StandIns:
    """The simulated backends of this run, as the runner has started them."""

    local: str
    cloud: str
    control: str  # a port of the local one's program that stays open whatever happens to it
    slots: int

    def to_environment(self) -> dict[str, str]:
        return {VARIABLE: json.dumps(asdict(self))}

    @classmethod
    def from_environment(cls) -> Self | None:
        told = os.environ.get(VARIABLE)
        return cls(**json.loads(told)) if told else None

    def fault(self, **fault: Any) -> None:
        """Of the local one."""
        fetch(f"{self.control}/sim/fault?target=vllm", fault)

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(fetch(f"{self.control}/sim/state?target=vllm"))
        return state
