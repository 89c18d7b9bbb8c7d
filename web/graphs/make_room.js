/**
 * Room for new nodes: places where they lie over no other.
 *
 * @typedef {import("./links.js").GraphNode} GraphNode
 * @typedef {import("./links.js").AnyGraph} AnyGraph
 * @typedef {{pos: ArrayLike<number>, size: ArrayLike<number>}} Placed
 */

import { graphOf } from "./links.js";

const GAP = 60;
const TITLE = 30; // its height; it is above the position of a node

/** @param {Placed} placed */
const edges = ({ pos, size }) => ({ left: pos[0], right: pos[0] + size[0], top: pos[1] - TITLE, bottom: pos[1] + size[1] });

/** Something that lies under a node. @param {AnyGraph} graph @param {GraphNode} node */
function under(graph, node) {
  const own = edges(node);
  const borders = "inputNode" in graph ? [graph.inputNode, graph.outputNode] : [];
  return [...graph.nodes, ...borders].map((other) => (other === node ? null : edges(other))).find(
    (other) => other && other.left < own.right && other.right > own.left && other.top < own.bottom && other.bottom > own.top,
  );
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

/** Adds a node at the right of another one. @param {GraphNode} node @param {GraphNode} neighbour */
export function addAfter(node, neighbour) {
  const graph = graphOf(neighbour);
  const { right } = edges(neighbour);
  node.pos = [right + GAP, neighbour.pos[1]];
  if (under(graph, node)) moveRight(graph, right, node.size[0] + GAP);
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
  const isRight = (/** @type {Placed} */ { pos, size }) => pos[0] + size[0] / 2 > line;
  for (const node of graph.nodes.filter(isRight)) node.pos = [node.pos[0] + width, node.pos[1]];
  for (const reroute of graph.reroutes.values()) if (reroute.pos[0] > line) reroute.move(width, 0);
  if ("outputNode" in graph && isRight(graph.outputNode)) graph.outputNode.move(width, 0);
  for (const group of graph.groups) {
    const { left, right } = edges(group);
    if (left >= line) group.pos = [left + width, group.pos[1]];
    else if (right > line) group.size = [group.size[0] + width, group.size[1]];
  }
}
