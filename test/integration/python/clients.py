"""What Python's SDKs make of the router: one JSON object on stdout.

    clients.py URL MODEL CASE...

Each case is a function below; its value, or the error that it ended with, is
a member of the object.  The assertions are in sdk-python.test.ts.
"""

import json
import sys
from typing import List

import anthropic
import openai
from pydantic import BaseModel

COUNT = "Count from 1 to 5"
CITIES = "What is the weather in Berlin and in Paris?"
ADA = "Describe a person named Ada"
BUSY = COUNT + "\n[[sim: status=429; retry-after=7]]"
DEGREES = {"Berlin": "7 degrees in Berlin", "Paris": "19 degrees in Paris"}

CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
ABOUT_WEATHER = {"name": "get_weather", "description": "Current weather of a city"}


class Person(BaseModel):
    name: str
    age: int
    tags: List[str]


url, model, *wanted = sys.argv[1:]
chat = openai.OpenAI(base_url=url + "/v1", api_key="sk-caller", max_retries=0)
claude = anthropic.Anthropic(base_url=url, api_key="sk-caller", max_retries=0)


def user(text):
    return [{"role": "user", "content": text}]


def about(error):
    """An error of an SDK, as its own class tells it."""
    return {
        "class": type(error).__name__,
        "status": getattr(error, "status_code", None),
        "message": str(error),
    }


def refused(call):
    try:
        call()
    except (openai.APIError, anthropic.APIError) as error:
        return about(error)
    return None


# --- Chat Completions ---------------------------------------------------------


def chat_text():
    raw = chat.chat.completions.with_raw_response.create(model=model, messages=user(COUNT))
    answer = raw.parse()
    return {
        "text": answer.choices[0].message.content,
        "usage": answer.usage.model_dump(),
        "backend": raw.headers["x-router-backend"],
    }


def chat_stream():
    options = {"include_usage": True}
    with chat.chat.completions.stream(
        model=model, messages=user(COUNT), stream_options=options
    ) as stream:
        pieces = [event.delta for event in stream if event.type == "content.delta"]
        final = stream.get_final_completion()
    return {
        "pieces": pieces,
        "text": final.choices[0].message.content,
        "usage": final.usage.model_dump(),
    }


def chat_tools():
    tools = [{"type": "function", "function": {**ABOUT_WEATHER, "parameters": CITY}}]
    messages = user(CITIES)
    first = chat.chat.completions.create(model=model, messages=messages, tools=tools)
    message = first.choices[0].message
    calls = [json.loads(call.function.arguments) for call in message.tool_calls]
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": DEGREES[arguments["city"]]}
        for call, arguments in zip(message.tool_calls, calls)
    ]
    second = chat.chat.completions.create(
        model=model, messages=[*messages, message, *reversed(results)], tools=tools
    )
    return {"calls": calls, "text": second.choices[0].message.content}


def chat_parse():
    answer = chat.chat.completions.parse(
        model=model, messages=user(ADA), response_format=Person
    )
    return answer.choices[0].message.parsed.model_dump()


def chat_errors():
    create = chat.chat.completions.create
    return {
        "busy": refused(lambda: create(model="cloud", messages=user(BUSY))),
        "nobody": refused(lambda: create(model="nobody-has-it", messages=user(COUNT))),
        "wrong": refused(
            lambda: create(model=model, messages=user(COUNT), extra_body={"messages": 7})
        ),
    }


# --- Responses ----------------------------------------------------------------


def responses_text():
    raw = chat.responses.with_raw_response.create(model=model, input=COUNT)
    answer = raw.parse()
    return {
        "text": answer.output_text,
        "usage": answer.usage.model_dump(),
        "backend": raw.headers["x-router-backend"],
    }


def responses_stream():
    with chat.responses.stream(model=model, input=COUNT) as stream:
        pieces = [e.delta for e in stream if e.type == "response.output_text.delta"]
        final = stream.get_final_response()
    return {"pieces": pieces, "text": final.output_text, "usage": final.usage.model_dump()}


def responses_tools():
    tools = [{"type": "function", **ABOUT_WEATHER, "parameters": CITY, "strict": True}]
    first = chat.responses.create(model=model, input=CITIES, tools=tools)
    made = [item for item in first.output if item.type == "function_call"]
    calls = [json.loads(call.arguments) for call in made]
    results = [
        {
            "type": "function_call_output",
            "call_id": call.call_id,
            "output": DEGREES[arguments["city"]],
        }
        for call, arguments in zip(made, calls)
    ]
    second = chat.responses.create(
        model=model, input=[*user(CITIES), *first.output, *reversed(results)], tools=tools
    )
    return {"calls": calls, "text": second.output_text}


def responses_parse():
    answer = chat.responses.parse(model=model, input=ADA, text_format=Person)
    return answer.output_parsed.model_dump()


def responses_errors():
    create = chat.responses.create
    return {
        "busy": refused(lambda: create(model="cloud", input=BUSY)),
        "nobody": refused(lambda: create(model="nobody-has-it", input=COUNT)),
        "wrong": refused(
            lambda: create(model=model, input=COUNT, extra_body={"max_output_tokens": "x"})
        ),
    }


# --- Messages -----------------------------------------------------------------


def text_of(message):
    return "".join(block.text for block in message.content if block.type == "text")


def messages_text():
    raw = claude.messages.with_raw_response.create(
        model=model, max_tokens=100, messages=user(COUNT)
    )
    answer = raw.parse()
    return {
        "text": text_of(answer),
        "usage": answer.usage.model_dump(),
        "backend": raw.headers["x-router-backend"],
    }


def messages_stream():
    with claude.messages.stream(
        model=model, max_tokens=100, messages=user(COUNT)
    ) as stream:
        pieces = list(stream.text_stream)
        final = stream.get_final_message()
    return {"pieces": pieces, "text": text_of(final), "usage": final.usage.model_dump()}


def messages_tools():
    tools = [{**ABOUT_WEATHER, "input_schema": CITY}]
    body = {"model": model, "max_tokens": 500, "tools": tools}
    first = claude.messages.create(**body, messages=user(CITIES))
    made = [block for block in first.content if block.type == "tool_use"]
    results = [
        {"type": "tool_result", "tool_use_id": call.id, "content": DEGREES[call.input["city"]]}
        for call in made
    ]
    second = claude.messages.create(
        **body,
        messages=[
            *user(CITIES),
            {"role": "assistant", "content": first.content},
            {"role": "user", "content": list(reversed(results))},
        ],
    )
    return {"calls": [call.input for call in made], "text": text_of(second)}


def messages_runner():
    asked = []
    sent = []

    @anthropic.beta_tool
    def get_weather(city: str) -> str:
        """Current weather of a city

        Args:
            city: its name
        """
        asked.append(city)
        return DEGREES[city]

    hooks = {"request": [lambda request: sent.append(json.loads(request.content))]}
    client = claude.with_options(
        http_client=anthropic.DefaultHttpxClient(event_hooks=hooks)
    )
    runner = client.beta.messages.tool_runner(
        model=model, max_tokens=500, tools=[get_weather], messages=user(CITIES)
    )
    final = runner.until_done()
    return {
        "calls": [{"city": city} for city in sorted(asked)],
        "text": text_of(final),
        "roles": [message["role"] for message in sent[-1]["messages"]],
    }


def messages_parse():
    answer = claude.messages.parse(
        model=model, max_tokens=500, messages=user(ADA), output_format=Person
    )
    return answer.parsed_output.model_dump()


def messages_count():
    counted = claude.messages.count_tokens(model=model, messages=user(COUNT))
    answer = claude.messages.create(model=model, max_tokens=100, messages=user(COUNT))
    return {"counted": counted.input_tokens, "charged": answer.usage.input_tokens}


def messages_errors():
    body = {"max_tokens": 100, "messages": user(COUNT)}
    create = claude.messages.create
    return {
        "busy": refused(
            lambda: create(model="cloud", max_tokens=100, messages=user(BUSY))
        ),
        "nobody": refused(lambda: create(model="nobody-has-it", **body)),
        "wrong": refused(
            lambda: create(model=model, **body, extra_body={"max_tokens": "x"})
        ),
    }


def outcome(case):
    try:
        return globals()[case]()
    except Exception as error:  # the test shows it
        return {"failed": about(error)}


print(json.dumps({case: outcome(case) for case in wanted}))
