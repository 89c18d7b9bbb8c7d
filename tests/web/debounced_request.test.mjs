// Requests to the server while the user still changes things.

import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { load } from "./module.mjs";

const { DebouncedRequest } = await load("panels/debounced_request.js");

/** A request with a false clock, and what happened: bodies sent, results and errors handled, and open responses. */
function start() {
  mock.timers.enable({ apis: ["setTimeout"] });
  const seen = { sent: [], results: [], errors: [], responses: [] };
  const send = (body) => {
    seen.sent.push(body);
    return new Promise((resolve, reject) => seen.responses.push({ resolve, reject }));
  };
  const request = new DebouncedRequest(send, (result) => seen.results.push(result), (message) => seen.errors.push(message));
  const wait = () => mock.timers.tick(1000);
  return { request, seen, wait };
}

const handled = () => new Promise(setImmediate);

test("of quick changes only the last one is sent", async (t) => {
  t.after(() => mock.timers.reset());
  const { request, seen, wait } = start();
  for (const body of [1, 2, 3]) request.schedule(body);
  wait();
  assert.deepEqual(seen.sent, [3]);
});

test("an old result that comes late is dropped, and an old error too", async (t) => {
  t.after(() => mock.timers.reset());
  const { request, seen, wait } = start();
  for (const body of [1, 2, 3]) {
    request.schedule(body);
    wait();
  }
  seen.responses[2].resolve("third");
  seen.responses[0].resolve("first");
  seen.responses[1].reject(new Error("second"));
  await handled();
  assert.deepEqual([seen.results, seen.errors], [["third"], []]);
});

test("an error is reported", async (t) => {
  t.after(() => mock.timers.reset());
  const { request, seen, wait } = start();
  request.schedule(1);
  wait();
  seen.responses[0].reject(new Error("gone"));
  await handled();
  assert.deepEqual(seen.errors, ["gone"]);
});

test("what is cancelled is neither sent nor handled", async (t) => {
  t.after(() => mock.timers.reset());
  const { request, seen, wait } = start();
  request.schedule(1);
  wait();
  request.schedule(2);
  request.cancel();
  wait();
  seen.responses[0].resolve("first");
  await handled();
  assert.deepEqual([seen.sent, seen.results], [[1], []]);
});
