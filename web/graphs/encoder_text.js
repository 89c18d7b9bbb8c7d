/**
 * The text that a conditioning is made of: which node encodes it, and where it is typed.
 *
 * @typedef {import("./links.js").AnyGraph} AnyGraph
 * @typedef {import("./links.js").GraphNode} GraphNode
 * @typedef {import("./links.js").Link} Link
 * @typedef {{node: GraphNode, slot: number}} Box A text box and its input.
 * @typedef {{inputs: Box[], boxes: Box[], link?: Link}} EncoderText The inputs of the encoder that have the text; the
 *   boxes it is typed into, which are on nodes around if the encoder is in a subgraph and has its text from outside, by
 *   the link.
 */

import { graphOf, hosts, linkTo, upstream } from "./links.js";
import { isNegative } from "./sampler_parts.js";

/** The text box of an input; undefined if it has none. @param {Box} box */
const textBox = ({ node, slot }) => {
  const widget = node.getWidgetFromSlot(node.inputs[slot]);
  return widget?.type === "customtext" ? widget : undefined;
};

/** @param {Box} box */
export const textOf = (box) => String(textBox(box)?.value ?? "");

/** @param {Box} box @param {string} text */
export function setText(box, text) {
  const widget = textBox(box);
  if (widget) widget.value = text;
}

/** The inputs of a node that have a text box. @param {GraphNode} node */
const textInputs = (node) => node.inputs.map((_, slot) => ({ node, slot })).filter(textBox);

/**
 * The node that a positive conditioning is encoded by.
 *
 * @param {GraphNode | null} node that gives the conditioning
 */
export function findEncoder(node) {
  const before = upstream(node, (input) => ["CONDITIONING", "*"].includes(String(input.type)) && !isNegative(input));
  return before.find((each) => textInputs(each).length && !each.inputs.some(({ type }) => type === "CONDITIONING"));
}

/**
 * Where the text of an encoder is typed; null if it comes from another node. Of several texts, as those for clip_l and
 * t5xxl, it is the first that is not empty, with all that are equal to it.
 *
 * @param {GraphNode} encoder
 * @returns {EncoderText | null}
 */
export function findText(encoder) {
  const inputs = textInputs(encoder);
  const linked = (/** @type {Box} */ { slot }) => linkTo(encoder, slot);
  const first = inputs.find((box) => linked(box) || textOf(box).trim()) ?? inputs[0];
  const link = linked(first);
  if (!link) return { inputs: inputs.filter((box) => !linked(box) && textOf(box) === textOf(first)), boxes: [first] };
  const boxes = outerBoxes(graphOf(encoder), link);
  const same = inputs.filter((box) => linked(box)?.hasOrigin(link.origin_id, link.origin_slot));
  return boxes && { inputs: same, boxes, link };
}

/**
 * The text boxes on the nodes of a subgraph that a link from its border has its text from; null if another node gives
 * it.
 *
 * @param {AnyGraph} graph
 * @param {Link} link
 * @returns {Box[] | null}
 */
function outerBoxes(graph, link) {
  if (!link.originIsIoNode || !("inputs" in graph)) return null;
  const { name } = graph.inputs[link.origin_slot];
  /** @type {Box[]} */
  const boxes = [];
  for (const node of hosts(graph)) {
    const slot = node.findInputSlot(name);
    const outer = linkTo(node, slot);
    const found = outer ? outerBoxes(graphOf(node), outer) : [{ node, slot }];
    if (!found) return null;
    boxes.push(...found);
  }
  return boxes;
}

/**
 * On the nodes around a subgraph that show the box of one of its nodes, shows the box of another one instead. ComfyUI
 * 0.3.75 has such boxes; newer pages link them to the border of the subgraph.
 *
 * @param {Box} box
 * @param {Box} other
 */
export function showInstead(box, other) {
  const nameOf = (/** @type {Box} */ { node, slot }) => [String(node.id), node.inputs[slot].name];
  const isBox = (/** @type {unknown} */ each) => String(each) === String(nameOf(box));
  for (const { properties } of hosts(graphOf(box.node))) {
    const shown = properties.proxyWidgets;
    if (Array.isArray(shown)) properties.proxyWidgets = shown.map((each) => (isBox(each) ? nameOf(other) : each));
  }
}
