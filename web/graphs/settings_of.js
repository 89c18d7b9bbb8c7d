import { upstream, widgetOf } from "./links.js";

/** @typedef {import("./links.js").GraphNode} GraphNode @typedef {NonNullable<GraphNode["widgets"]>[number]} Widget */

/** The widget that changes the one above it after each run. */
const CONTROL = "control_after_generate";

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

/** @param {Widget} widget @param {number} index @param {Widget[]} widgets of its node */
const isChosen = ({ serialize, name, linkedWidgets }, index, widgets) =>
  serialize !== false && !linkedWidgets?.length && name !== CONTROL && widgets[index + 1]?.name !== CONTROL;
