// The library openclaw-node: a stream, and an answer in one piece.
import assert from "node:assert/strict";
import { OpenClawClient } from "openclaw-node";

const client = new OpenClawClient({ url: `ws://${process.env.ADDRESS}`, token: process.env.TOKEN });
await client.connect();
let text = "";
for await (const chunk of client.chat("echo hello")) {
  if (chunk.type === "text") text += chunk.text;
}
assert.match(text, /The tool answered: hello$/);
assert.match(await client.chatSync("echo again"), /The tool answered: again$/);
await client.disconnect();
console.log("all good");
