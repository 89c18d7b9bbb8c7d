// What the page is told about runs and about the graph, for the node that it concerns.

import { nodeByPath, rootGraph } from "./comfy_nodes.js";
import { sayError } from "./error_texts.js";
import { isOfOtherTab } from "./queued_from.js";

/** @typedef {import("./comfy_nodes.js").ComfyApp} ComfyApp @typedef {import("./comfy_nodes.js").GraphNode} GraphNode */
/** @typedef {ComfyApp["api"]} Api */

/**
 * Calls `show` with a node and its output for the page, and the prompt_id of the run. Copies of a workflow have nodes with
 * equal ids: for a run of another tab `keep` is called, with the node's execution id in place of the node.
 *
 * @param {ComfyApp} app
 * @param {Api} api
 * @param {(node: GraphNode, output: object, run: string) => void} show
 * @param {(path: string, output: object, run: string) => void} [keep]
 */
export function onNodeExecuted(app, api, show, keep = () => {}) {
  api.addEventListener("executed", ({ detail }) => {
    const [path, output, run] = [String(detail.display_node ?? detail.node), detail.output ?? {}, detail.prompt_id];
    if (isOfOtherTab(app, run)) return keep(path, output, run);
    const node = nodeByPath(rootGraph(app), path);
    if (node) show(node, output, run);
  });
}

/**
 * Calls a function with the node that has failed, and why, in the language of the page. Runs of other tabs are left out.
 *
 * @param {ComfyApp} app
 * @param {Api} api
 * @param {(node: GraphNode, message: string) => void} show
 */
export function onNodeError(app, api, show) {
  api.addEventListener("execution_error", ({ detail }) => {
    if (isOfOtherTab(app, detail.prompt_id)) return;
    const node = nodeByPath(rootGraph(app), String(detail.node_id));
    // Another workflow may have been opened since the run began.
    if (!node || node.type !== detail.node_type) return;
    show(node, sayError(detail.exception_message.trim(), (input) => labelOf(node, input)));
  });
}

/** What the page calls an input of a node. @param {GraphNode} node @param {string} input */
function labelOf({ inputs, widgets }, input) {
  const named = (/** @type {{name: string}} */ { name }) => name === input;
  const socket = inputs.find(named);
  return socket?.label ?? socket?.localized_name ?? widgets?.find(named)?.label;
}

/**
 * Calls a function with every node after each change of the graph.
 *
 * @param {ComfyApp} app
 * @param {Api} api
 * @param {(node: GraphNode) => void} update
 */
export function onGraphChange(app, api, update) {
  api.addEventListener("graphChanged", () => allNodes(app).forEach(update));
}

/** All nodes of the workflow, also those in subgraphs. @param {ComfyApp} app */
export function allNodes(app) {
  const root = rootGraph(app);
  return [root, ...(root.subgraphs?.values() ?? [])].flatMap(({ nodes }) => nodes);
}
