// Which tab of the page a run belongs to.

import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./module.mjs";

const { isOfOpenTab, isOfOtherTab, onOpened, onOpening, openTab, watchTabs } = await load("panels/queued_from.js");
const [first, copy] = [{ path: "workflows/a.json" }, { path: "workflows/a (2).json" }];

/** A page with one open tab, and what its functions were called with. */
function page(stored) {
  const kept = { "SAGE.QueuedFrom": stored };
  globalThis.sessionStorage = { getItem: (key) => kept[key] ?? null, setItem: (key, value) => (kept[key] = value) };
  const hide = [];
  globalThis.addEventListener = (kind, listener) => hide.push(listener);
  const api = { queuePrompt: async (run) => ({ prompt_id: run }) };
  const workflow = { activeWorkflow: first };
  const app = {
    extensionManager: { workflow },
    loadGraphData: async (tab, midway) => {
      midway?.();
      workflow.activeWorkflow = tab;
    },
  };
  const calls = [];
  watchTabs(api, app, () => {
    calls.push("queue");
    return (run) => calls.push(`queued ${run}`);
  });
  onOpened(() => calls.push("opened"));
  return { api, app, calls, leave: () => hide.forEach((listener) => listener()), kept };
}

test("a run is of the tab that it was queued from, whatever it is renamed to", async () => {
  const { api, app, calls } = page();
  assert.equal(isOfOpenTab(app, "run 1"), false);
  await api.queuePrompt("run 1");
  assert.equal(isOfOpenTab(app, "run 1"), true);
  await app.loadGraphData(copy);
  assert.equal(isOfOpenTab(app, "run 1"), false);
  first.path = "workflows/renamed.json";
  await app.loadGraphData(first);
  assert.equal(isOfOpenTab(app, "run 1"), true);
  assert.deepEqual(calls, ["queue", "queued run 1", "opened", "opened"]);
});

test("a run that is not known yet is of no other tab, until its own is known", async () => {
  const { api, app } = page();
  assert.equal(isOfOtherTab(app, "run 4"), false);
  await api.queuePrompt("run 4");
  assert.equal(isOfOtherTab(app, "run 4"), false);
  await app.loadGraphData(copy);
  assert.equal(isOfOtherTab(app, "run 4"), true);
  await app.loadGraphData(first);
  assert.equal(isOfOtherTab(app, "run 4"), false);
});

test("of many runs that wait, the first one is still of its tab", async () => {
  const { api, app } = page();
  for (let run = 0; run < 100; run += 1) await api.queuePrompt(`one of many ${run}`);
  assert.equal(isOfOpenTab(app, "one of many 0"), true);
});

test("while a workflow is being opened, no run is of it", async () => {
  const { api, app } = page();
  await api.queuePrompt("run 2");
  let shown = null;
  await app.loadGraphData(copy, () => (shown = [isOfOpenTab(app, "run 2"), isOfOtherTab(app, "run 2")]));
  assert.deepEqual(shown, [false, true]);
});

test("what is called before a workflow is opened still finds the tab before, and never one half opened", async () => {
  const { app } = page();
  const found = [];
  onOpening(() => found.push(openTab(app)));
  await app.loadGraphData(copy, () => app.loadGraphData(first));
  await app.loadGraphData(first);
  assert.deepEqual(found, [first, copy]);
});

test("after a reload the tabs are found by their paths", async () => {
  const before = page();
  await before.api.queuePrompt("run 3");
  before.leave();
  const { app } = page(before.kept["SAGE.QueuedFrom"]);
  app.extensionManager.workflow.activeWorkflow = { path: first.path };
  assert.equal(isOfOpenTab(app, "run 3"), true);
});
