// Takes webhooks of Waymark: verifies them, passes over what it has, and answers once its work is done.

import { createServer } from "node:http";

import { isGenuine } from "./verify.mjs";

const BODY_BYTES_MAX = 8 * 1024 * 1024;

const secret = process.env.WEBHOOK_SECRET;
if (!secret) {
  console.error("WEBHOOK_SECRET is not set: CreateEndpoint and RotateEndpointSecret show it");
  process.exit(2);
}
// Yours lies in a database: a webhook comes again where its answer was lost.
const handled = new Set();

// Your work. The contract's HistoryEntry and Order are in `data`.
async function handle({ type, data }) {
  console.log(type, data.order.id, data.entry.sequence, `${data.entry.toState}/${data.entry.toStatus}`);
}

async function read(request) {
  const parts = [];
  let size = 0;
  for await (const part of request) {
    size += part.length;
    if (size <= BODY_BYTES_MAX) parts.push(part);
  }
  return size <= BODY_BYTES_MAX ? Buffer.concat(parts) : undefined;
}

async function answer(request) {
  if (request.method !== "POST") return 405;
  const body = await read(request);
  if (!body) return 413;
  if (!isGenuine(secret, request.headers, body)) return 401;
  const id = request.headers["webhook-id"];
  if (!handled.has(id)) {
    await handle(JSON.parse(body));
    handled.add(id);
  }
  return 204;
}

const server = createServer(async (request, response) => {
  try {
    response.statusCode = await answer(request);
  } catch (error) {
    // The webhook comes again.
    console.error(error);
    response.statusCode = 500;
  }
  response.end();
});
server.listen(Number(process.env.PORT ?? 8000), "127.0.0.1", () => {
  console.log(`listening on 127.0.0.1:${server.address().port}`);
});
