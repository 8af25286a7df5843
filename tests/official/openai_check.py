"""Checks a chat server with the official client: python openai_check.py BASE_URL MODEL MESSAGE

Lists the models, asks for one whole and one streamed completion with a JSON schema, and compares
content and usage. Exits with 1 and a sentence on the first difference.
"""

import json
import sys

from openai import BadRequestError, OpenAI

SCHEMA = {
    "type": "json_schema",
    "json_schema": {
        "name": "turn",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {
                "urgency": {"type": "string", "enum": ["NORMAL", "URGENT", "CRITICAL"]},
                "message": {"type": "string"},
                "sources": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["urgency", "message", "sources"],
            "additionalProperties": False,
        },
    },
}


def expect(what, found, wanted):
    if found != wanted:
        sys.exit(f"{what}: found {found!r} instead of {wanted!r}")


def expect_usage(usage):
    if usage is None:
        sys.exit("usage: none came")
    expect("usage", usage.total_tokens, usage.prompt_tokens + usage.completion_tokens)
    expect("prompt tokens", usage.prompt_tokens, 5)


def main(base_url, model, message):
    client = OpenAI(base_url=base_url, api_key="sk-check", max_retries=0, timeout=20)
    ask = {
        "model": model,
        "messages": [
            {"role": "system", "content": "Answer as JSON."},
            {"role": "user", "content": "I smell gas."},
        ],
        "response_format": SCHEMA,
    }

    expect("models", [it.id for it in client.models.list()], [model])

    whole = client.chat.completions.create(**ask)
    expect("message", json.loads(whole.choices[0].message.content)["message"], message)
    expect("finish_reason", whole.choices[0].finish_reason, "stop")
    expect_usage(whole.usage)

    content, ends, usage = "", [], None
    stream = client.chat.completions.create(
        **ask, stream=True, stream_options={"include_usage": True}
    )
    for chunk in stream:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            content += choice.delta.content or ""
            ends += [choice.finish_reason] if choice.finish_reason else []
    expect("streamed message", json.loads(content)["message"], message)
    expect("streamed finish_reason", ends, ["stop"])
    expect_usage(usage)

    try:
        client.chat.completions.create(model=model, messages=[])
    except BadRequestError as err:
        expect("parameter of the error", err.param, "messages")
    else:
        sys.exit("an empty conversation was not refused")
    print("ok")


if __name__ == "__main__":
    main(*sys.argv[1:])
