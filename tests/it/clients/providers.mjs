// The official libraries of OpenAI and Anthropic.
import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";

const base = `http://${process.env.ADDRESS}`;
const said = (word) => new RegExp(`The tool answered: ${word}$`);
const user = (content) => [{ role: "user", content }];

const openai = new OpenAI({ baseURL: `${base}/v1`, apiKey: process.env.TOKEN });
assert.deepEqual((await openai.models.list()).data.map(({ id }) => id), ["exoclaw", "exoclaw/main"]);
const whole = await openai.chat.completions.create({ model: "exoclaw", messages: user("echo one") });
assert.match(whole.choices[0].message.content, said("one"));
let text = "";
for await (const chunk of await openai.chat.completions.create({ model: "main", messages: user("echo two"), stream: true })) {
  text += chunk.choices[0]?.delta?.content ?? "";
}
assert.match(text, said("two"));
const first = await openai.responses.create({ model: "exoclaw", input: "echo three" });
assert.match(first.output_text, said("three"));
const stream = openai.responses.stream({ model: "exoclaw", input: "echo four", previous_response_id: first.id });
assert.match((await stream.finalResponse()).output_text, said("four"));
const wrong = new OpenAI({ baseURL: `${base}/v1`, apiKey: "wrong", maxRetries: 0 });
await assert.rejects(wrong.models.list(), OpenAI.AuthenticationError);

const anthropic = new Anthropic({ baseURL: base, apiKey: process.env.TOKEN });
const asked = (content) => ({ model: "main", max_tokens: 100, messages: user(content) });
assert.match((await anthropic.messages.create(asked("echo five"))).content[0].text, said("five"));
assert.match(await anthropic.messages.stream(asked("echo six")).finalText(), said("six"));
console.log("all good");
