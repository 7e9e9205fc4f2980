// The published example of Standard Webhooks, and what is wrong with it once it is changed: node --test

import assert from "node:assert/strict";
import { test } from "node:test";

import { isGenuine } from "./verify.mjs";

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const TIME = 1614265330;
const BODY = '{"test": 2432232314}';
const SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
const HEADERS = {
  "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
  "webhook-timestamp": String(TIME),
  "webhook-signature": SIGNATURE,
};

test("what was signed is genuine, beside other signatures too", () => {
  assert(isGenuine(SECRET, HEADERS, BODY, TIME));
  assert(isGenuine(SECRET, HEADERS, Buffer.from(BODY), TIME - 299));
  const several = `v1,bm90IHRoaXMgb25l v1a,x ${SIGNATURE}`;
  assert(isGenuine(SECRET, { ...HEADERS, "webhook-signature": several }, BODY, TIME + 299));
});

test("what was changed, sent late or not signed is not", () => {
  const refused = (headers, body = BODY, time = TIME, secret = SECRET) =>
    assert(!isGenuine(secret, headers, body, time));
  refused(HEADERS, BODY + " ");
  refused(HEADERS, BODY, TIME + 301);
  refused(HEADERS, BODY, TIME - 301);
  refused(HEADERS, BODY, TIME, "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX");
  refused({ ...HEADERS, "webhook-id": "msg_other" });
  refused({ ...HEADERS, "webhook-timestamp": String(TIME + 1) });
  refused({ ...HEADERS, "webhook-timestamp": "1e9" });
  refused({ ...HEADERS, "webhook-signature": SIGNATURE.replace("v1,", "v2,") });
  refused({ ...HEADERS, "webhook-signature": "" });
  refused({});
});
