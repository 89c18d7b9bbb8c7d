// What the page is told of runs: only what is of the open tab, for the node that it concerns.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Graph } from "./graph.mjs";
import { load } from "./module.mjs";

const { onNodeError, onNodeExecuted } = await load("panels/run_events.js");
const { watchTabs } = await load("panels/queued_from.js");

globalThis.sessionStorage = { getItem: () => null };
globalThis.addEventListener = () => {};

/** A page with a sampler, and one in a subgraph; both tabs have the same graph, as copies of a template have. */
function page() {
  const [rootGraph, subgraph] = [new Graph().addAll({ sampler: "SageKSampler", host: "Text" }), new Graph()];
  subgraph.addAll({ inner: "SageKSampler" });
  Object.assign(rootGraph.host, { subgraph });
  const api = Object.assign(new EventTarget(), { queuePrompt: async (run) => ({ prompt_id: run }) });
  const workflow = { activeWorkflow: { path: "a.json" } };
  const app = { rootGraph, extensionManager: { workflow }, loadGraphData: async () => {} };
  watchTabs(api, app, () => () => {});
  const open = (path) => (workflow.activeWorkflow = { path });
  const send = (kind, detail) => api.dispatchEvent(Object.assign(new Event(kind), { detail }));
  return { api, app, open, send, sampler: rootGraph.sampler, inner: subgraph.inner };
}

test("an output comes with its node, also in a subgraph", () => {
  const { api, app, send, sampler, inner } = page();
  const seen = [];
  onNodeExecuted(app, api, (...told) => seen.push(told));
  const output = { images: [] };
  send("executed", { node: "9", display_node: "1", output, prompt_id: "early" });
  send("executed", { node: "2:1", output: null, prompt_id: "early" });
  send("executed", { node: "7", display_node: "7", output, prompt_id: "early" });
  assert.deepEqual(seen, [[sampler, output, "early"], [inner, {}, "early"]]);
});

test("outputs and errors of a run from another tab are not for the nodes of this one", async () => {
  const { api, app, open, send, sampler } = page();
  const seen = [];
  const others = [];
  onNodeExecuted(app, api, (node, output) => seen.push(output.text), (...told) => others.push(told));
  onNodeError(app, api, (node, message) => seen.push(message));
  const run = (text) => {
    send("executed", { node: "1", display_node: "1", output: { text }, prompt_id: "of a" });
    send("execution_error", { node_id: "1", node_type: sampler.type, exception_message: `no ${text}\n`, prompt_id: "of a" });
  };
  await api.queuePrompt("of a");
  run("own");
  open("copy.json");
  run("other");
  assert.deepEqual(seen, ["own", "no own"]);
  assert.deepEqual(others, [["1", { text: "other" }, "of a"]]);
});
