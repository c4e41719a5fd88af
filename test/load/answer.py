"""One request and what came back: the account of it, and how a stream is read."""
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Call:
    """A tool call, put together from its fragments."""

    id: str
    name: str
    arguments: str = ""


@dataclass
class Answer:
    kind: str
    is_stream: bool
    began_s: float  # since the scenario's start
    status: int = 0
    backend: str = "none"  # X-Router-Backend: local or cloud
    reason: str = ""  # X-Router-Reason
    first_token_s: float | None = None  # of streams: to the first content, reasoning or tool call
    total_s: float = 0
    text: str = ""
    calls: list[Call] = field(default_factory=list)
    finish: str = ""
    problem: str = ""  # none: it is a whole and right answer

    @property
    def is_ok(self) -> bool:
        return self.problem == ""

    def fails(self, problem: str) -> None:
        """The first problem is the one that counts."""
        self.problem = self.problem or problem


def read_whole(answer: Answer, body: bytes) -> None:
    """An answer in one piece."""
    try:
        choice = json.loads(body)["choices"][0]
        message = choice["message"]
    except (ValueError, LookupError, TypeError):
        answer.fails(f"no answer of this format: {body[:200]!r}")
        return
    answer.text = message.get("content") or ""
    answer.finish = choice.get("finish_reason") or ""
    for call in message.get("tool_calls") or []:
        function = call["function"]
        answer.calls.append(Call(call["id"], function["name"], function["arguments"]))


def read_stream(answer: Answer, read_line: Callable[[], bytes], now_s: Callable[[], float]) -> None:
    """Reads events until [DONE]; without it the stream is a broken one."""
    while line := read_line():
        line = line.rstrip(b"\r\n")
        if not line.startswith(b"data:"):
            continue  # comments, and what ends an event
        data = line[5:].strip()
        if data == b"[DONE]":
            return
        try:
            event = json.loads(data)
        except ValueError:
            answer.fails(f"no event of this format: {data[:200]!r}")
            return
        if "error" in event:
            answer.fails(f"the stream ends with an error: {event['error'].get('message')}")
            return
        for choice in event["choices"]:
            take_choice(answer, choice)
        if answer.first_token_s is None and has_content(event):
            answer.first_token_s = now_s()
    answer.fails("the stream ended without [DONE]")


def has_content(event: dict[str, Any]) -> bool:
    """An event that only opens the message is not what a caller waits for."""
    deltas = [choice["delta"] for choice in event["choices"]]
    return any(delta.get(key) for delta in deltas for key in ("content", "reasoning", "reasoning_content", "tool_calls"))


def take_choice(answer: Answer, choice: dict[str, Any]) -> None:
    delta = choice["delta"]
    answer.text += delta.get("content") or ""
    for fragment in delta.get("tool_calls") or []:
        take_fragment(answer, fragment)
    answer.finish = choice.get("finish_reason") or answer.finish


def take_fragment(answer: Answer, fragment: dict[str, Any]) -> None:
    """A call begins with its id and name; what follows goes on with the newest one."""
    index = fragment["index"]
    function = fragment.get("function") or {}
    if index == len(answer.calls):
        if not fragment.get("id") or not function.get("name"):
            answer.fails(f"a call begins without id or name: {fragment}")
            return
        answer.calls.append(Call(fragment["id"], function["name"]))
    elif index != len(answer.calls) - 1:
        answer.fails(f"a fragment of call {index} stands behind call {len(answer.calls) - 1}")
        return
    elif fragment.get("id") not in (None, "", answer.calls[index].id):
        answer.fails(f"call {index} changes its id")
        return
    answer.calls[index].arguments += function.get("arguments") or ""
