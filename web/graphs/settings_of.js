import { upstream, widgetOf } from "./links.js";

/** @typedef {import("./links.js").GraphNode} GraphNode */

/**
 * The settings of a node and of those before it, as a text that is another one when they are others. What the page
 * itself changes after each run is left out, as seeds are.
 *
 * @param {GraphNode} node
 */
export function settingsOf(node) {
  const nodes = upstream(node).map((each) => [
    each.id, each.type, each.mode,
    (each.widgets ?? []).filter(isChosen).map(({ name, value }) => [name, (widgetOf(each, name) ?? { value }).value]),
  ]);
  return JSON.stringify(nodes);
}

/** @param {NonNullable<GraphNode["widgets"]>[number]} widget */
const isChosen = ({ serialize, name, linkedWidgets }) =>
  serialize !== false && !linkedWidgets?.length && name !== "control_after_generate";
