"""Agents: tools are offered, called in a stream, answered, and the result is talked about."""
import json
from typing import Any

import jsonschema
from locust import constant, task

from answer import Answer, Call
from report import Check, none_failed, p95_below
from scenario import Caller, Findings, Scenario, Stages

STAGES: dict[str, list[tuple[float, int]]] = {
    "full": [(5, 12), (60, 12)],
    "short": [(2, 12), (15, 12)],
    "tiny": [(1, 8), (5, 8)],
}
# auto sends a request for more than 512 tokens to the cloud
TOKENS = {"local": 200, "cloud": 600}


def tool(name: str, description: str, **properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "function", "function": {
        "name": name,
        "description": description,
        "parameters": {"type": "object", "properties": properties, "required": list(properties),
                       "additionalProperties": False},
    }}


TOOLS = [
    tool("get_weather", "The weather of a city today", city={"type": "string"},
         unit={"type": "string", "enum": ["celsius", "fahrenheit"]}),
    tool("find_orders", "The latest orders of a customer", customer={"type": "string"},
         limit={"type": "integer", "minimum": 1, "maximum": 50}),
    tool("convert_money", "Converts an amount from one currency to another", amount={"type": "number"},
         source={"type": "string"}, target={"type": "string"}),
]
SCHEMAS = {each["function"]["name"]: each["function"]["parameters"] for each in TOOLS}
# the question, and the tools that it is about
QUESTIONS = [
    ("What is the weather in Lyon, in celsius?", {"get_weather"}),
    ("Please find orders of the customer Nakamura, the latest three.", {"find_orders"}),
    ("Convert the money: 120 euros to yen.", {"convert_money"}),
    ("Get the weather in Oslo and in Rome, in celsius.", {"get_weather"}),
]


def judge_calls(answer: Answer, names: set[str], count: int | None) -> None:
    """Calls that a program could carry out as they are."""
    if answer.finish != "tool_calls":
        answer.fails(f"finish_reason is {answer.finish!r} where tools must be called")
    if not answer.calls or (count is not None and len(answer.calls) != count):
        answer.fails(f"{len(answer.calls)} calls, wanted {count or 'some'}")
    if len({call.id for call in answer.calls}) != len(answer.calls):
        answer.fails("two calls have the same id")
    for call in answer.calls:
        if problem := problem_of(call, names):
            answer.fails(f"{call.name}({call.arguments}): {problem}")


def problem_of(call: Call, names: set[str]) -> str | None:
    if call.name not in names:
        return f"called instead of {', '.join(sorted(names))}"
    try:
        jsonschema.validate(json.loads(call.arguments), SCHEMAS[call.name])
    except ValueError as error:
        return f"the fragments make no JSON: {error}"
    except jsonschema.ValidationError as error:
        return error.message
    return None


def judge_talk(answer: Answer, result: str) -> None:
    if answer.calls:
        answer.fails("calls again, though no tools may be called")
    # a model may say it in other words, the stand-ins quote it
    if scenario.stand_ins and result not in answer.text:
        answer.fails(f"does not tell the result {result}: {answer.text[:200]}")


def conclude(it: Scenario) -> Findings:
    tally = it.tally
    calls = sum(len(answer.calls) for answer in tally.answers)
    many = sum(len(answer.calls) > 1 for answer in tally.answers)
    return Findings([
        none_failed(tally),
        Check(f"calls put together from their fragments: {calls}, several at a time in {many} answers",
              calls > 0 and (many > 0 or it.stand_ins is None)),
        *(Check(f"the {tier} tier called tools: {count} answers", count > 0) for tier in TOKENS
          for count in [sum(bool(answer.calls) for answer in tally.by(tier).answers)]),
        p95_below("of local answers", tally.ok.by("local").totals(), 4),
        p95_below("of cloud answers", tally.ok.by("cloud").totals(), 12),
    ], details={"calls": calls, "answers_with_several_calls": many})


scenario = Scenario("tools", "streams that call tools, and go on with their results", conclude)


class Traffic(Stages):
    stages = scenario.of_profile(STAGES)


class Agent(Caller):
    wait_time = constant(0.5)
    scenario = scenario
    turn = 0

    @task
    def call_tools(self) -> None:
        text, names = scenario.random.choice(QUESTIONS)
        tier = scenario.random.choice(list(TOKENS))
        count = scenario.random.choice([1, 2]) if scenario.stand_ins else None
        told = f"{text}\n[[sim: calls={count}]]" if count else text
        messages: list[dict[str, Any]] = [{"role": "user", "content": told}]
        body = {"model": "auto", "stream": True, "max_tokens": TOKENS[tier], "tools": TOOLS, "tool_choice": "required",
                "messages": messages}
        asked = self.ask("call", body, lambda answer: judge_calls(answer, names, count))
        if not asked.is_ok:
            return
        self.turn += 1
        result = f"result-{self.turn}-{id(self) % 9973}"
        messages.append({"role": "assistant", "content": asked.text or None, "tool_calls": [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in asked.calls]})
        messages += [{"role": "tool", "tool_call_id": call.id, "content": result} for call in asked.calls]
        self.ask("talk", body | {"tool_choice": "none"}, lambda answer: judge_talk(answer, result))
