// The line of text above a run's panel.

import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./module.mjs";

const { duration, earlierLines, samplingSummary, trainingSummary, workerLines } = await load("panels/run_summary.js");

test("durations", () => {
  const texts = [0, 59.4, 59.6, 3599, 3600, 9000].map(duration);
  assert.deepEqual(texts, ["0 s", "59 s", "1 min 0 s", "59 min 59 s", "1 h 0 min", "2 h 30 min"]);
});

const RUN = {
  done: 16, total: 64, saving: 0.3, seconds: 4, left: 12, running: true, stopped: false, shared: true, at_most: false,
  corrected: false,
};

test("a sampling run", () => {
  assert.equal(samplingSummary(RUN), "16 of 64 evaluations, 30.0% saved, shared steps, 12 s left");
  const branch = { ...RUN, shared: false };
  assert.equal(samplingSummary(branch), "16 of 64 evaluations, 30.0% saved, every prompt on its own, 12 s left");
});

test("a corrected run", () => {
  const run = { ...RUN, corrected: true, saving: null, at_most: true };
  assert.equal(samplingSummary(run), "16 of at most 64 evaluations, one picture per group, 12 s left");
  const own = { ...run, shared: false };
  assert.equal(samplingSummary(own), "16 of at most 64 evaluations, each prompt's own steps, 12 s left");
});

test("before the first step the time left is not known", () => {
  assert.equal(samplingSummary({ ...RUN, done: 0, left: null, shared: null }), "0 of 64 evaluations, 30.0% saved");
});

test("no saving is shown for a sampler whose evaluations cannot be predicted", () => {
  assert.equal(samplingSummary({ ...RUN, saving: null }), "16 of 64 evaluations, shared steps, 12 s left");
});

test("a run that has ended", () => {
  const ended = { ...RUN, running: false, done: 64, left: 0 };
  assert.equal(samplingSummary(ended), "64 of 64 evaluations, 30.0% saved, done in 4 s");
  assert.equal(
    samplingSummary({ ...RUN, running: false, stopped: true }), "16 of 64 evaluations, 30.0% saved, stopped after 4 s",
  );
});

test("a training", () => {
  const training = { done: 40, total: 160, seconds: 60, left: 180, running: true, stopped: false, rate: 0.00012345 };
  assert.equal(trainingSummary(training), "step 40 of 160, learning rate 0.00012, 3 min 0 s left");
  const before = { ...training, done: 0, left: null, rate: null };
  assert.equal(trainingSummary(before), "step 0 of 160");
  const ended = { ...training, running: false, stopped: true };
  assert.equal(trainingSummary(ended), "step 40 of 160, learning rate 0.00012, stopped after 1 min 0 s");
});

test("what is used of earlier renders", () => {
  const lines = (taken, ...followed) =>
    earlierLines({ ...RUN, earlier: { taken, followed: followed.map(([text, prompts]) => ({ text, prompts })) } });
  assert.deepEqual(earlierLines({ ...RUN, earlier: null }), []);
  assert.deepEqual(lines(0), ["No earlier render fits. Keep the seed and the settings, and the next run can use this one."]);
  assert.deepEqual(lines(11, ["a red car", 1]), [
    "11 prompts rendered earlier: no cost.", "1 prompt follows “a red car”, rendered earlier.",
  ]);
  assert.deepEqual(lines(1, ["a", 2], ["b", 1], ["c", 1]), [
    "1 prompt rendered earlier: no cost.", "2 prompts follow “a”, rendered earlier.",
    "1 prompt follows “b”, rendered earlier.", "1 prompt follows “c”, rendered earlier.",
  ]);
  assert.deepEqual(lines(0, ["a", 2], ["b", 1], ["c", 1], ["d", 3]), ["7 prompts follow earlier renders."]);
});

test("a run on workers", () => {
  const workers = [{ worker: "worker 1: pc GPU 0", done: 1 }, { worker: "worker 2: pc GPU 1", done: 3 }];
  const run = { ...RUN, done: 4, total: 24, workers };
  assert.equal(samplingSummary(run), "4 of 24 prompts, 12 s left");
  assert.deepEqual(workerLines(run), ["worker 1: pc GPU 0: 1 prompt", "worker 2: pc GPU 1: 3 prompts"]);
  assert.deepEqual(workerLines({ ...run, workers: [] }), ["Waiting for the first worker"]);
  assert.deepEqual(workerLines({ ...run, workers: [], running: false }), []);
  assert.deepEqual(workerLines(RUN), []);
});
