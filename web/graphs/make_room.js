/**
 * Room for new nodes: places where they lie over no other.
 *
 * @typedef {import("./links.js").GraphNode} GraphNode
 * @typedef {import("./links.js").AnyGraph} AnyGraph
 * @typedef {{pos: Iterable<number> & ArrayLike<number>, size: Iterable<number> & ArrayLike<number>}} Placed
 */

import { graphOf } from "./links.js";

const GAP = 60;
const TITLE = 30; // its height; it is above the position of a node

/** @param {Placed} placed */
const edges = ({ pos: [left, top], size: [width, height] }) => ({
  left, right: left + width, top: top - TITLE, bottom: top + height,
});

/** All nodes, and the border of a subgraph. @param {AnyGraph} graph @returns {Placed[]} */
const allOf = (graph) => ("inputNode" in graph ? [...graph.nodes, graph.inputNode, graph.outputNode] : graph.nodes);

/** Whether something lies mostly right of a line. @param {Placed} placed @param {number} line */
const isRight = ({ pos, size }, line) => pos[0] + size[0] / 2 > line;

/** Something that lies under a node. @param {AnyGraph} graph @param {GraphNode} node */
function under(graph, node) {
  const { left, right, top, bottom } = edges(node);
  const others = allOf(graph).filter((other) => other !== node).map(edges);
  return others.find((other) => other.left < right && other.right > left && other.top < bottom && other.bottom > top);
}

/**
 * Adds a node at the left of another one. If there is no room, the other one and all that is right of it moves.
 *
 * @param {GraphNode} node
 * @param {GraphNode} neighbour
 */
export function addBefore(node, neighbour) {
  const graph = graphOf(neighbour);
  const [left, top] = neighbour.pos;
  node.pos = [left - GAP - node.size[0], top];
  if (under(graph, node)) {
    moveRight(graph, left, node.size[0] + GAP);
    node.pos = [left, top];
  }
  addBelow(node, graph);
}

/**
 * Adds a node at the right of another one, before all that is there.
 *
 * @param {GraphNode} node
 * @param {GraphNode} neighbour
 */
export function addAfter(node, neighbour) {
  const graph = graphOf(neighbour);
  const { right } = edges(neighbour);
  node.pos = [right + GAP, neighbour.pos[1]];
  const next = allOf(graph).filter((other) => isRight(other, right)).map(({ pos }) => pos[0]);
  moveRight(graph, right, Math.max(0, edges(node).right + GAP - Math.min(...next)));
  addBelow(node, graph);
}

/** Adds a node at the left of another one, or else above it. @param {GraphNode} node @param {GraphNode} neighbour */
export function addBeside(node, neighbour) {
  const graph = graphOf(neighbour);
  const [left, top] = neighbour.pos;
  const [width, height] = node.size;
  node.pos = [left - GAP - width, top];
  for (let other = under(graph, node); other; other = under(graph, node)) {
    node.pos = [left, Math.min(other.top, top - TITLE) - GAP - height];
  }
  graph.add(node);
}

/** Adds a node where it is, or else below what is there. @param {GraphNode} node @param {AnyGraph} graph */
export function addBelow(node, graph) {
  for (let other = under(graph, node); other; other = under(graph, node)) {
    node.pos = [node.pos[0], other.bottom + TITLE + GAP];
  }
  graph.add(node);
}

/**
 * Moves all that is mostly right of a line. A group that the line cuts grows.
 *
 * @param {AnyGraph} graph
 * @param {number} line
 * @param {number} width
 */
function moveRight(graph, line, width) {
  for (const node of graph.nodes) if (isRight(node, line)) node.pos = [node.pos[0] + width, node.pos[1]];
  for (const reroute of graph.reroutes.values()) if (reroute.pos[0] > line) reroute.move(width, 0);
  if ("outputNode" in graph && isRight(graph.outputNode, line)) graph.outputNode.move(width, 0);
  for (const group of graph.groups) {
    const { left, right } = edges(group);
    if (left >= line) group.pos = [left + width, group.pos[1]];
    else if (right > line) group.size = [group.size[0] + width, group.size[1]];
  }
}
