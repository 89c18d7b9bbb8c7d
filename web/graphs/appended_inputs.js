/**
 * Inputs that a node got after graphs with it had been saved. A new node has the input's default. A graph from before
 * has no value for it, and needs the one that gives what the graph gave.
 *
 * @typedef {import("../panels/comfy_nodes.js").GraphNode} GraphNode
 * @typedef {Parameters<GraphNode["configure"]>[0]} SavedNode
 * @typedef {Parameters<import("../panels/comfy_nodes.js").ComfyApp["loadApiJson"]>[0]} ApiGraph
 * @typedef {Record<string, string>} Values by the names of the inputs
 */

const SAMPLER = { share_mode: "fixed", correction: "off", latent_rows: "variations" };
const GROUPING = { compare: "whole prompts" };
/** The values in graphs from before, by the class of the node. @type {Partial<Record<string, Values>>} */
export const VALUES_BEFORE = {
  SageSharedKSamplerPrefix: SAMPLER,
  SageKSampler: SAMPLER,
  SageGuider: SAMPLER,
  SageSemanticGroupPrompts: GROUPING,
  SageShare: GROUPING,
};

/**
 * Sets the widgets for which a saved node has no value, after the node has taken the others: a list in their order.
 *
 * @param {Pick<GraphNode, "widgets">} node
 * @param {Pick<SavedNode, "widgets_values">} saved
 * @param {Values} before
 */
export function setMissingWidgets(node, saved, before) {
  const widgets = node.widgets?.filter(({ serialize }) => serialize !== false) ?? [];
  for (const widget of widgets.slice(saved.widgets_values?.length)) {
    if (widget.name in before) widget.value = before[widget.name];
  }
}

/**
 * A graph in API format, with the values for inputs that it leaves out: those that the server takes for them.
 *
 * @param {ApiGraph} graph
 * @returns {ApiGraph}
 */
export function withMissingInputs(graph) {
  const whole = Object.entries(graph).map(([id, node]) => {
    const inputs = { ...VALUES_BEFORE[node.class_type], ...node.inputs };
    return [id, { ...node, inputs }];
  });
  return Object.fromEntries(whole);
}
