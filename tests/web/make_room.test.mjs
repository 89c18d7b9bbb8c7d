// Where new nodes are placed, and what moves for them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Graph, createNode } from "./graph.mjs";
import { load } from "./module.mjs";

const { addAfter, addBefore, addBeside } = await load("graphs/make_room.js");

/** Nodes of 200 x 100 at these places. */
function place(places) {
  const graph = new Graph().addAll(Object.fromEntries(Object.keys(places).map((name) => [name, "Latent"])));
  for (const [name, pos] of Object.entries(places)) graph[name].pos = pos;
  return graph;
}

const positions = (graph) => graph.nodes.map(({ pos }) => pos);
const added = createNode;

test("before a node where there is room", () => {
  const graph = place({ left: [0, 0], node: [700, 50] });
  addBefore(added("Latent"), graph.node);
  assert.deepEqual(positions(graph), [[0, 0], [700, 50], [440, 50]]);
});

test("before a node without room: it moves, and all at the right of it", () => {
  const graph = place({ left: [450, 0], node: [700, 50], below: [650, 300], right: [1000, 900] });
  addBefore(added("Latent"), graph.node);
  assert.deepEqual(positions(graph), [[450, 0], [960, 50], [910, 300], [1260, 900], [700, 50]]);
});

test("a node that stays and is in the way: the new one goes below it", () => {
  const graph = place({ left: [520, 0], wide: [400, 60], node: [700, 50] });
  graph.wide.size = [500, 40];
  addBefore(added("Latent"), graph.node);
  assert.deepEqual(positions(graph).slice(1), [[400, 60], [960, 50], [700, 190]]);
});

test("after a node: all at the right of it moves as far as it takes, also what is not in the same row", () => {
  const graph = place({ node: [0, 0], below: [90, 500], right: [230, 300], far: [900, 0] });
  addAfter(added("Latent"), graph.node);
  assert.deepEqual(positions(graph), [[0, 0], [90, 500], [520, 300], [1190, 0], [260, 0]]);
  const roomy = place({ node: [0, 0], far: [520, 0] });
  addAfter(added("Latent"), roomy.node);
  assert.deepEqual(positions(roomy), [[0, 0], [520, 0], [260, 0]]);
  const last = place({ node: [0, 0] });
  addAfter(added("Latent"), last.node);
  assert.deepEqual(positions(last), [[0, 0], [260, 0]]);
});

test("beside a node: at its left, or above it and what is there", () => {
  const roomy = place({ node: [300, 50] });
  addBeside(added("Latent"), roomy.node);
  assert.deepEqual(positions(roomy)[1], [40, 50]);
  const graph = place({ left: [100, 0], node: [300, 50], above: [350, -250] });
  addBeside(added("Latent"), graph.node);
  assert.deepEqual(positions(graph), [[100, 0], [300, 50], [350, -250], [300, -440]]);
});

test("groups at the right move, those that are cut grow, others stay", () => {
  const graph = place({ left: [450, 0], node: [700, 0] });
  const groups = [[400, 500], [690, 300], [700, 300], [0, 500]];
  graph.groups = groups.map(([left, width]) => ({ pos: [left, 0], size: [width, 500] }));
  addBefore(added("Latent"), graph.node);
  const after = graph.groups.map(({ pos, size }) => [pos[0], size[0]]);
  assert.deepEqual(after, [[400, 760], [690, 560], [960, 300], [0, 500]]);
});

test("reroutes and the border of a subgraph", () => {
  const graph = place({ left: [450, 0], node: [700, 0] }).addBorder([], []);
  const reroutes = [650, 750].map((left) => ({ pos: [left, 0], move(x) { this.pos = [this.pos[0] + x, 0]; } }));
  graph.reroutes = new Map(reroutes.entries());
  graph.inputNode.pos = [400, 0]; // 50 units before what is at the left
  addBefore(added("Latent"), graph.node);
  assert.deepEqual(reroutes.map(({ pos }) => pos[0]), [650, 1010]);
  assert.deepEqual([graph.inputNode.pos[0], graph.outputNode.pos[0]], [400, 9260]);
});

test("the border of a subgraph is in the way, too", () => {
  const graph = place({ node: [700, 0] }).addBorder([], []);
  graph.inputNode.pos = [550, 0];
  addBefore(added("Latent"), graph.node);
  assert.deepEqual(positions(graph), [[960, 0], [700, 0]]);
});
