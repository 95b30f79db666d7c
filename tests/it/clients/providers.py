"""The official libraries of OpenAI and Anthropic."""

import os

from anthropic import Anthropic
from openai import AuthenticationError, OpenAI

base = f"http://{os.environ['ADDRESS']}"
token = os.environ["TOKEN"]


def user(text):
    return [{"role": "user", "content": text}]


def answers(text, word):
    assert text.endswith(f"The tool answered: {word}"), text


openai = OpenAI(base_url=f"{base}/v1", api_key=token)
assert [model.id for model in openai.models.list()] == ["exoclaw", "exoclaw/main"]
whole = openai.chat.completions.create(model="exoclaw", messages=user("echo one"))
answers(whole.choices[0].message.content, "one")
chunks = openai.chat.completions.create(model="main", messages=user("echo two"), stream=True)
answers("".join(chunk.choices[0].delta.content or "" for chunk in chunks), "two")
first = openai.responses.create(model="exoclaw", input="echo three")
answers(first.output_text, "three")
with openai.responses.stream(model="exoclaw", input="echo four", previous_response_id=first.id) as stream:
    for _ in stream:
        pass
    answers(stream.get_final_response().output_text, "four")
try:
    OpenAI(base_url=f"{base}/v1", api_key="wrong", max_retries=0).models.list()
    raise SystemExit("a wrong key was taken")
except AuthenticationError:
    pass

anthropic = Anthropic(base_url=base, api_key=token)
answers(anthropic.messages.create(model="main", max_tokens=100, messages=user("echo five")).content[0].text, "five")
with anthropic.messages.stream(model="main", max_tokens=100, messages=user("echo six")) as stream:
    answers("".join(stream.text_stream), "six")
print("all good")
