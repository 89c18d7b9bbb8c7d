// Which widget a setting has its value from.

import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./module.mjs";

const { widgetOf } = await load("graphs/links.js");

const widget = (name) => ({ name, value: 1 });
const input = (name, link = null) => ({ widget: { name }, link });
const node = (name, link) => ({ inputs: [{ link: null }, input(name, link)], widgets: [widget(name)], isSubgraphNode: () => false });

/** A node inside of a subgraph, whose input comes from its border, and the nodes of that subgraph. */
function inSubgraph(root, ...hosts) {
  const subgraphs = new Map();
  const rootGraph = { nodes: root, subgraphs };
  const inner = { id: "inner", rootGraph, getLink: () => ({ originIsIoNode: true, origin_slot: 1 }), nodes: [node("steps", 1)] };
  subgraphs.set("inner", inner);
  for (const host of hosts) Object.assign(host, { isSubgraphNode: () => true, subgraph: inner, graph: rootGraph });
  return Object.assign(inner.nodes[0], { graph: inner });
}

test("a setting without a link has a widget of its own", () => {
  const own = node("steps", null);
  assert.equal(widgetOf(own, "steps"), own.widgets[0]);
  assert.equal(widgetOf(own, "share"), undefined);
});

test("inside a subgraph it is the widget on the one node around it", () => {
  const host = node("steps of all", null);
  assert.equal(widgetOf(inSubgraph([host], host), "steps"), host.widgets[0]);
});

test("none where another node gives the value, or several nodes are around it", () => {
  const other = Object.assign(node("steps", 1), { graph: { getLink: () => ({ originIsIoNode: false, origin_slot: 0 }) } });
  assert.equal(widgetOf(other, "steps"), undefined);
  const linked = node("steps", 1);
  const inside = inSubgraph([linked], linked);
  linked.graph.getLink = () => ({ originIsIoNode: false, origin_slot: 0 });
  assert.equal(widgetOf(inside, "steps"), undefined);
  const [one, two] = [node("steps", null), node("steps", null)];
  assert.equal(widgetOf(inSubgraph([one, two], one, two), "steps"), undefined);
  assert.equal(widgetOf({ ...node("steps", 1), graph: null }, "steps"), undefined, "not in a graph yet");
});
