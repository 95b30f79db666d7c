// OpenClaw's own library: hello, a request, and one that is answered twice.
import assert from "node:assert/strict";
import { GatewayClient } from "@openclaw/gateway-client";

const states = [];
const client = new GatewayClient({
  url: `ws://${process.env.ADDRESS}`,
  token: process.env.TOKEN,
  clientName: "gateway-client",
  clientVersion: "1.0.0",
  platform: "linux",
  mode: "backend",
  role: "operator",
  scopes: ["operator.admin"],
  onEvent: ({ event, payload }) => event === "chat" && states.push(payload.state),
  onGap: (gap) => assert.fail(`a gap: ${JSON.stringify(gap)}`),
  onConnectError: (error) => assert.fail(error),
  onHelloOk: async (hello) => {
    assert.equal(hello.protocol, 4);
    assert.equal((await client.request("health", {})).ok, true);
    const asked = { message: "echo hello", sessionKey: "library", idempotencyKey: crypto.randomUUID() };
    const answered = await client.request("agent", asked, { expectFinal: true });
    assert.equal(answered.result.payloads[0].text, "The tool answered: hello");
    assert.equal(states.at(-1), "final");
    client.stop();
    console.log("all good");
    process.exit(0);
  },
});
client.start();
