// What is kept of nodes in their runs.

import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./module.mjs";

const { NodeRuns, nodeKey } = await load("panels/node_runs.js");
const { MOST_RUNS } = await load("panels/queued_from.js");

test("a node that undo has made again is the same one, though its workflow's graph gets another id", () => {
  const root = (id) => {
    const graph = { id };
    return Object.assign(graph, { rootGraph: graph });
  };
  const inSubgraph = () => ({ graph: { id: "of a subgraph", rootGraph: root("1") }, id: 5 });
  assert.equal(nodeKey({ graph: root("before"), id: 5 }), nodeKey({ graph: root("after"), id: 5 }));
  assert.equal(nodeKey(inSubgraph()), nodeKey(inSubgraph()));
  assert.notEqual(nodeKey({ graph: root("1"), id: 5 }), nodeKey(inSubgraph()));
});

test("each run has what was known of the node then", () => {
  const settings = new NodeRuns();
  settings.keep("node", "run 1", "share 0.4");
  settings.keep("node", "run 2", "share 0.6");
  settings.keep("other", "run 2", "steps 20");
  assert.deepEqual(["run 1", "run 2", "run 3"].map((run) => settings.of("node", run)), ["share 0.4", "share 0.6", undefined]);
  assert.equal(settings.of("unknown", "run 1"), undefined);
});

test("of the runs that count, the latest one is told", () => {
  const found = new NodeRuns();
  for (const [run, share] of [["a 1", 0.2], ["a 2", 0.4], ["b 1", 0.6]]) found.keep("node", run, share);
  assert.equal(found.latest("node", (run) => run.startsWith("a")), 0.4);
  assert.equal(found.latest("node", (run) => run.startsWith("c")), undefined);
  assert.equal(found.latest("unknown", () => true), undefined);
});

test("the oldest runs are forgotten", () => {
  const settings = new NodeRuns();
  for (let run = 0; run <= MOST_RUNS; run += 1) settings.keep("node", String(run), "share 0.4");
  assert.deepEqual([settings.of("node", "0"), settings.of("node", "1")], [undefined, "share 0.4"]);
});
