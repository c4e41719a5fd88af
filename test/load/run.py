"""Runs the scenarios of the load test, one after the other: see docs/load.md."""
import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from types import FrameType

from control import fetch
from places import HERE, standing

SCENARIOS = ("mix", "tools", "cold", "saturation")
ELSEWHERE = ("mix", "tools")  # the others play with the stand-ins
PROFILES = ("full", "short", "tiny")
LIMIT_S = 900
EXIT_USAGE = 2


def chosen(router: str | None) -> list[str]:
    only = os.environ.get("LOAD_ONLY", ",".join(ELSEWHERE if router else SCENARIOS))
    names = [name.strip() for name in only.split(",") if name.strip()]
    profile = os.environ.get("LOAD_PROFILE", "full")
    if profile not in PROFILES:
        refuse(f"LOAD_PROFILE: there is no profile {profile}, but {', '.join(PROFILES)}")
    if unknown := [name for name in names if name not in SCENARIOS]:
        refuse(f"LOAD_ONLY: there is no scenario {', '.join(unknown)}, but {', '.join(SCENARIOS)}")
    if router and (impossible := [name for name in names if name not in ELSEWHERE]):
        refuse(f"LOAD_ONLY: {', '.join(impossible)}: not at {router}. It sets faults on the backends, or has to know "
               "their places, and does so with the stand-ins only: leave ROUTER_URL out, and they are started")
    return names


def await_router(router: str) -> None:
    try:
        fetch(f"{router}/health")
    except (OSError, ValueError) as error:
        refuse(f"ROUTER_URL: no router answers at {router}/health: {error}")


def refuse(why: str) -> None:
    print(f"load: {why}", file=sys.stderr)
    sys.exit(EXIT_USAGE)


def locust(name: str, url: str, folder: str, environment: dict[str, str]) -> bool:
    """True when all of it held."""
    command = [sys.executable, "-m", "locust", "-f", os.path.join(HERE, f"{name}.py"), "--headless", "--host", url,
               "--only-summary", "--logfile", os.path.join(folder, f"{name}.log"),
               "--html", os.path.join(folder, f"{name}.html")]
    with subprocess.Popen(command, env={**os.environ, **environment, "LOAD_OUT": folder}) as process:
        try:
            return process.wait(LIMIT_S) == 0
        except BaseException:
            process.kill()
            raise


def run(name: str, router: str | None, out: str) -> bool:
    logs = os.path.join(out, "logs", name)
    os.makedirs(logs, exist_ok=True)
    weir = os.environ.get("WEIR_BIN", "build/release/weir")
    place = nullcontext((router, None)) if router else standing(weir, logs, {})
    with place as (url, stand_ins):
        assert url
        return locust(name, url, out, stand_ins.to_environment() if stand_ins else {})


def on_signal(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)  # by way of everything that ends what was started


def main() -> None:
    signal.signal(signal.SIGTERM, on_signal)
    router = os.environ.get("ROUTER_URL", "").rstrip("/") or None
    out = os.environ.get("LOAD_OUT", "build/load")
    names = chosen(router)
    if router:
        await_router(router)
    passed: dict[str, tuple[bool, float]] = {}
    for name in names:
        began = time.monotonic()
        is_ok = run(name, router, out)
        passed[name] = is_ok, time.monotonic() - began
        print(flush=True)
    for name, (is_ok, seconds) in passed.items():
        print(f"load: {name:12} {'passed' if is_ok else 'FAILED'} in {seconds:.0f} s: {out}/{name}.json, .txt, .html")
    sys.exit(0 if all(is_ok for is_ok, _ in passed.values()) else 1)


if __name__ == "__main__":
    main()
