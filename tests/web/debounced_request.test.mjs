// Questions to the server while a person is still changing things.

import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { load } from "./module.mjs";

const { Latest } = await load("panels/debounced_request.js");

/** A panel's end of it: what was asked, what was shown, and the answers to give. */
function start() {
  mock.timers.enable({ apis: ["setTimeout"] });
  const seen = { asked: [], shown: [], failed: [], answers: [] };
  const ask = (question) => {
    seen.asked.push(question);
    return new Promise((resolve, reject) => seen.answers.push({ resolve, reject }));
  };
  const latest = new Latest(ask, (answer) => seen.shown.push(answer), (message) => seen.failed.push(message));
  const wait = () => mock.timers.tick(1000);
  return { latest, seen, wait };
}

const told = () => new Promise(setImmediate);

test("only the last of quick changes is asked", async (t) => {
  t.after(() => mock.timers.reset());
  const { latest, seen, wait } = start();
  for (const question of [1, 2, 3]) latest.request(question);
  wait();
  assert.deepEqual(seen.asked, [3]);
});

test("an old answer that comes late is dropped, and an old failure too", async (t) => {
  t.after(() => mock.timers.reset());
  const { latest, seen, wait } = start();
  for (const question of [1, 2, 3]) {
    latest.request(question);
    wait();
  }
  seen.answers[2].resolve("third");
  seen.answers[0].resolve("first");
  seen.answers[1].reject(new Error("second"));
  await told();
  assert.deepEqual([seen.shown, seen.failed], [["third"], []]);
});

test("a failure is told", async (t) => {
  t.after(() => mock.timers.reset());
  const { latest, seen, wait } = start();
  latest.request(1);
  wait();
  seen.answers[0].reject(new Error("gone"));
  await told();
  assert.deepEqual(seen.failed, ["gone"]);
});

test("what is cancelled is neither asked nor shown", async (t) => {
  t.after(() => mock.timers.reset());
  const { latest, seen, wait } = start();
  latest.request(1);
  wait();
  latest.request(2);
  latest.cancel();
  wait();
  seen.answers[0].resolve("first");
  await told();
  assert.deepEqual([seen.asked, seen.shown], [[1], []]);
});
