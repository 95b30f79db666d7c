// Speaks the Agent Client Protocol (JSON-RPC 2.0, a line each) with the bridge that the arguments start.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

const bridge = spawn(process.argv[2], process.argv.slice(3), { stdio: ["pipe", "pipe", "inherit"] });
const waiting = new Map();
let text = "";
createInterface({ input: bridge.stdout }).on("line", (line) => {
  const message = JSON.parse(line);
  waiting.get(message.id)?.(message);
  const update = message.params?.update;
  if (update?.sessionUpdate === "agent_message_chunk") text += update.content.text;
});

let id = 0;
const call = (method, params) =>
  new Promise((resolve, reject) => {
    id += 1;
    waiting.set(id, ({ result, error }) => (error ? reject(new Error(JSON.stringify(error))) : resolve(result)));
    bridge.stdin.write(JSON.stringify({ jsonrpc: "2.0", id, method, params }) + "\n");
  });

await call("initialize", { protocolVersion: 1, clientCapabilities: {} });
const { sessionId } = await call("session/new", { cwd: process.cwd(), mcpServers: [] });
const { stopReason } = await call("session/prompt", { sessionId, prompt: [{ type: "text", text: "hello" }] });
console.log(stopReason, text);
bridge.kill();
process.exit(stopReason === "end_turn" ? 0 : 1);
