"""The load test itself: it fails where the router does what it should not, and refuses what it cannot do."""
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from places import HERE, standing
from run import locust

WEIR = os.environ["WEIR_BIN"]


def failed_at(folder: Path, name: str, settings: dict[str, str]) -> tuple[dict[str, Any], list[str]]:
    """The report of a short run at a router with these settings, and the checks in it that failed."""
    with standing(WEIR, str(folder), settings) as (url, stand_ins):
        is_ok = locust(name, url, str(folder), {"LOAD_PROFILE": "tiny", **stand_ins.to_environment()})
    report: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    assert report["ok"] is is_ok
    assert (folder / f"{name}.txt").read_text().startswith(f"=== {name}: ")
    return report, [check["what"] for check in report["checks"] if not check["ok"]]


def test_the_mix_fails_where_all_goes_to_the_cloud(tmp_path: Path) -> None:
    report, failed = failed_at(tmp_path, "mix", {"LOCAL_MAX_TOKENS_THRESHOLD": "50"})
    assert report["local_share"] == 0 and report["all"]["failed"] == 0 and report["all"]["requests"] > 10
    assert [what.split(":")[0] for what in failed] == [
        "p95 of local answers", "the local share", "short questions went to the local tier"]


def test_the_mix_fails_where_all_goes_to_the_local_tier(tmp_path: Path) -> None:
    _, failed = failed_at(tmp_path, "mix", {"LOCAL_MAX_TOKENS_THRESHOLD": "4096"})
    assert "long questions went to the cloud tier" in [what.split(":")[0] for what in failed]


def test_the_mix_fails_where_nobody_answers(tmp_path: Path) -> None:
    nobody = "http://127.0.0.1:9"
    report, failed = failed_at(tmp_path, "mix", {"LOAD_LOCAL_URL": nobody, "LOAD_CLOUD_URL": nobody})
    assert report["all"]["failed"] == report["all"]["requests"] > 0
    assert "requests that failed: 100.00 %, below 1 %" in failed
    assert all("status 50" in problem for problem in report["problems"])


def test_saturation_fails_where_requests_wait_in_an_endless_line(tmp_path: Path) -> None:
    _, failed = failed_at(tmp_path, "saturation", {"QUEUE_TIMEOUT": "60s"})
    assert [what.split(":")[0] for what in failed] == [
        "p95 to the first token, while full", "the cloud takes the spill"]


def test_saturation_fails_where_the_local_server_gets_more_than_it_has_places_for(tmp_path: Path) -> None:
    _, failed = failed_at(tmp_path, "saturation", {"LOAD_LOCAL_SLOTS": "40"})
    assert "and it never gets more than it has places for" in [what.split(":")[0] for what in failed]


def test_cold_fails_where_the_share_comes_back_at_once(tmp_path: Path) -> None:
    _, failed = failed_at(tmp_path, "cold", {"RAMP_TIME": "0s"})
    assert "the local share ramps back" in [what.split(":")[0] for what in failed]


def test_tools_fails_where_no_tools_are_called(tmp_path: Path) -> None:
    report, failed = failed_at(tmp_path, "tools", {"LOAD_LOCAL_URL": "http://127.0.0.1:9"})
    assert report["all"]["failed"] == 0
    assert "the local tier called tools: 0 answers" in failed


@pytest.mark.parametrize(("settings", "words"), [
    ({"LOAD_ONLY": "cold", "ROUTER_URL": "http://127.0.0.1:9"}, "cold: not at http://127.0.0.1:9"),
    ({"LOAD_ONLY": "mix,saturation", "ROUTER_URL": "http://127.0.0.1:9"}, "saturation: not at"),
    ({"ROUTER_URL": "http://127.0.0.1:9"}, "no router answers at http://127.0.0.1:9/health"),
    ({"ROUTER_URL": "localhost:8080"}, "no router answers at localhost:8080/health"),
    ({"LOAD_PROFILE": "shrt"}, "there is no profile shrt, but full, short, tiny"),
    ({"LOAD_ONLY": "mixx"}, "there is no scenario mixx, but mix, tools, cold, saturation"),
])
def test_what_cannot_be_run_is_refused(tmp_path: Path, settings: dict[str, str], words: str) -> None:
    ran = subprocess.run([sys.executable, os.path.join(HERE, "run.py")], capture_output=True, text=True,
                         env={**os.environ, **settings, "LOAD_OUT": str(tmp_path)}, check=False)
    assert ran.returncode == 2 and words in ran.stderr and list(tmp_path.iterdir()) == []


def test_a_router_that_is_there_already_is_asked_as_it_is(tmp_path: Path) -> None:
    with standing(WEIR, str(tmp_path), {}) as (url, _):
        ran = subprocess.run([sys.executable, os.path.join(HERE, "run.py")], capture_output=True, text=True,
                             env={**os.environ, "ROUTER_URL": url + "/", "LOAD_ONLY": "tools", "LOAD_PROFILE": "tiny",
                                  "LOAD_OUT": str(tmp_path)}, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"tiny profile at {url}: " in ran.stdout
    assert "tools        passed" in ran.stdout
