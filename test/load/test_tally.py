"""The arithmetic behind the thresholds."""
import json
import math

import pytest
from answer import Answer
from report import Check, Report, below, failed_below, none_failed
from tally import Tally, percentile, share_bounds


def answer(backend: str, total_s: float, first_s: float | None = None, problem: str = "") -> Answer:
    return Answer("short", first_s is not None, 0, status=200, backend=backend, reason="why", total_s=total_s,
                  first_token_s=first_s, problem=problem)


def test_a_percentile_is_a_value_that_was_measured() -> None:
    assert [percentile([3, 1, 2], p) for p in (0, 33, 34, 50, 95, 100)] == [1, 1, 2, 2, 3, 3]
    assert percentile([float(i) for i in range(1, 101)], 95) == 95
    assert math.isnan(percentile([], 50))


@pytest.mark.parametrize("n", [1, 28, 150, 900])
def test_the_bounds_are_those_of_the_binomial_distribution(n: int) -> None:
    low, high = share_bounds(n, 0.8)

    def below_or_at(k: int) -> float:
        return sum(math.comb(n, i) * 0.8**i * 0.2 ** (n - i) for i in range(k + 1))

    assert below_or_at(round(low * n) - 1) <= 5e-5 < below_or_at(round(low * n))
    assert below_or_at(round(high * n)) >= 1 - 5e-5
    assert round(high * n) == 0 or below_or_at(round(high * n) - 1) < 1 - 5e-5


def test_the_bounds_are_narrow_where_there_is_much_to_count() -> None:
    low, high = share_bounds(1000, 0.8)
    assert 0.74 < low < 0.76 and 0.84 < high < 0.86


def test_of_nothing_nothing_holds() -> None:
    nothing = Tally()
    assert not below("p95", percentile([], 95), 4).is_ok
    assert not none_failed(nothing).is_ok
    assert not failed_below(nothing, 0.01).is_ok


def test_failures_count_and_their_times_do_not() -> None:
    tally = Tally([answer("local", 1), answer("cloud", 2, 0.5), answer("none", 90, problem="status 503")])
    assert not none_failed(tally).is_ok
    assert not failed_below(tally, 0.01).is_ok
    assert failed_below(tally, 0.34).is_ok
    assert tally.as_json()["latency_s"]["max"] == 2
    assert tally.local_share() == 0.5


def test_a_report_is_json_and_says_for_people_what_failed() -> None:
    tally = Tally([answer("local", 1, 0.1), answer("none", 9, problem="status 503")])
    report = Report("mix", "some", "short", "http://here", 3, tally, [Check("it is fast", True), Check("none fail", False)],
                    {"more": 1}, ["a page"])
    assert not report.is_ok
    shown = json.loads(json.dumps(report.as_json(), allow_nan=False))
    assert (shown["ok"], shown["local_share"], shown["all"]["failed"]) == (False, 1, 1)
    assert shown["backends"]["local"]["first_token_s"]["p95"] == 0.1
    assert shown["backends"]["cloud"]["latency_s"] == {"count": 0, "p50": None, "p90": None, "p95": None, "p99": None,
                                                      "max": None}
    text = report.as_text()
    for words in ("ok     it is fast", "FAILED none fail", "by none why: status 503", "local share: 100.0 %", "a page"):
        assert words in text
