"""How answers are read: what is whole, what is broken, and when the first token is there."""
import json
from typing import Any

import pytest
from answer import Answer, read_stream, read_whole


def event(**delta: Any) -> str:
    return "data: " + json.dumps({"choices": [{"delta": delta, "finish_reason": delta.pop("finish", None)}]})


def call(index: int, **more: Any) -> dict[str, Any]:
    return {"index": index, **more}


def begin(index: int, name: str = "f") -> dict[str, Any]:
    return call(index, id=f"call-{index}", function={"name": name, "arguments": ""})


def go_on(index: int, text: str) -> dict[str, Any]:
    return call(index, function={"arguments": text})


def stream(*lines: str) -> Answer:
    """As it comes; the clock is the number of the line."""
    answer = Answer("short", True, 0)
    left = list(lines)

    def read_line() -> bytes:
        return (left.pop(0) + "\n").encode() if left else b""

    read_stream(answer, read_line, lambda: len(lines) - len(left))
    return answer


def test_the_first_token_is_the_first_event_that_says_something() -> None:
    answer = stream(": a comment", event(role="assistant", content=""), "", event(content="Hel"), event(content="lo"),
                    event(finish="stop"), "data: [DONE]")
    assert (answer.problem, answer.text, answer.finish, answer.first_token_s) == ("", "Hello", "stop", 4)


@pytest.mark.parametrize("delta", [{"reasoning": "hm"}, {"reasoning_content": "hm"}, {"tool_calls": [begin(0)]}])
def test_reasoning_and_a_call_are_a_first_token_too(delta: dict[str, Any]) -> None:
    assert stream(event(role="assistant"), event(**delta), "data: [DONE]").first_token_s == 2


def test_calls_are_put_together_from_their_fragments() -> None:
    answer = stream(event(tool_calls=[begin(0, "f")]), event(tool_calls=[go_on(0, '{"a"')]),
                    event(tool_calls=[go_on(0, ":1}")]), event(tool_calls=[begin(1, "g")]),
                    event(tool_calls=[go_on(1, "{}")]), event(finish="tool_calls"), "data: [DONE]")
    assert answer.problem == ""
    assert [(each.id, each.name, each.arguments) for each in answer.calls] == [
        ("call-0", "f", '{"a":1}'), ("call-1", "g", "{}")]


@pytest.mark.parametrize(("lines", "problem"), [
    ([event(content="a")], "without [DONE]"),
    ([event(content="a"), 'data: {"error":{"message":"lost"}}', "data: [DONE]"], "error: lost"),
    (["data: {", "data: [DONE]"], "no event of this format"),
    ([event(tool_calls=[go_on(0, "{")])], "begins without id or name"),
    ([event(tool_calls=[begin(0)]), event(tool_calls=[begin(1)]), event(tool_calls=[go_on(0, "{")])], "behind call 1"),
    ([event(tool_calls=[begin(0)]), event(tool_calls=[begin(0) | {"id": "other"}])], "changes its id"),
])
def test_a_broken_stream_is_a_failure(lines: list[str], problem: str) -> None:
    answer = stream(*lines)
    assert problem in answer.problem and not answer.is_ok


def test_an_answer_in_one_piece_is_read_with_its_calls() -> None:
    answer = Answer("short", False, 0)
    message = {"content": None, "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]}
    read_whole(answer, json.dumps({"choices": [{"message": message, "finish_reason": "tool_calls"}]}).encode())
    assert (answer.problem, answer.finish, [each.name for each in answer.calls]) == ("", "tool_calls", ["f"])


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"choices":[]}'])
def test_what_is_no_answer_is_a_failure(body: bytes) -> None:
    answer = Answer("short", False, 0)
    read_whole(answer, body)
    assert answer.problem.startswith("no answer of this format")
