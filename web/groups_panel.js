// The panel of Semantic Group Prompts: it shows the groups as cards, and the user can change them by hand.

import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";
import { addPanelElement, addStylesheet, extendMethod, nodeByPath, rootGraph, undoable } from "./panels/comfy_nodes.js";
import { onGraphChange, onNodeError } from "./panels/run_events.js";
import { GroupsPanel } from "./panels/groups_panel.js";
import { fetchRemembered, postJson } from "./panels/server_requests.js";

/**
 * The node's output for the page, see panel_payload in sage_core/panels/groups.py.
 *
 * @typedef {import("./panels/groups_panel.js").Run} Run
 * @typedef {{sage_groups?: [Run | {too_many: number}]}} Output
 */

const NODE = "SageSemanticGroupPrompts";
/** Panels show and change these, so their JSON is hidden. */
const HIDDEN = ["pinned", "chosen"];
/** @type {WeakMap<object, GroupsPanel>} */
const panels = new WeakMap();

/**
 * The groups under other settings.
 *
 * @param {object} body
 * @returns {Promise<import("./panels/groups_panel.js").Grouping>}
 */
const fetchGrouping = (body) => postJson(api, "/sage/regroup", body);

/** @param {import("./panels/comfy_nodes.js").PageNode} node */
function addPanel(node) {
  const panel = new GroupsPanel(node, fetchGrouping, (change) => undoable(app, change), () => undefined);
  for (const name of HIDDEN) {
    const widget = panel.widget(name);
    widget.hidden = true;
    Object.assign(widget.options, { hidden: true }); // for Nodes 2.0; ComfyUI 0.3.75 does not have it
    const socket = node.findInputSlot(name);
    if (socket >= 0) node.removeInput(socket);
  }

  addPanelElement(node, "groups_panel", panel.element, 250);
  panels.set(node, panel);
  node.onExecuted = extendMethod(node.onExecuted, (output) => showOutput(node, output));
  node.onConfigure = extendMethod(node.onConfigure, () => panel.render());
  node.onRemoved = extendMethod(node.onRemoved, () => panel.request.cancel());
}

/** @param {object | null | undefined} node @param {Output} output */
function showOutput(node, output) {
  const run = output?.sage_groups?.[0];
  if (run) panels.get(node ?? {})?.showRun(run);
}

/** Fills empty panels with what the server remembers of this workflow. */
async function restorePanels() {
  /** @type {(Run & {workflow: string, node: string})[]} */
  const remembered = await fetchRemembered(api, "/sage/groups");
  const ours = remembered.filter(({ workflow }) => workflow === rootGraph(app).id).reverse(); // the latest first
  for (const edited of [false, true]) {
    for (const run of ours) panels.get(nodeByPath(rootGraph(app), run.node) ?? {})?.restoreRun(run, edited);
  }
}

/**
 * The node that ComfyUI keeps outputs of under this name: the node's id, after the id of its subgraph if it has one.
 *
 * @param {string} locator
 */
function nodeByLocator(locator) {
  const [id, subgraph] = locator.split(":").reverse();
  const root = rootGraph(app);
  return (subgraph ? root.subgraphs?.get(subgraph) : root)?.getNodeById(id);
}

onNodeError(app, api, (node, message) => panels.get(node)?.showError(message));
onGraphChange(app, api, (node) => panels.get(node)?.graphChanged());

addStylesheet();
app.registerExtension({
  name: "SAGE.GroupsPanel",
  nodeCreated(node) {
    if (node.comfyClass === NODE) addPanel(/** @type {import("./panels/comfy_nodes.js").PageNode} */ (node));
  },
  afterConfigureGraph() {
    restorePanels().catch(() => {}); // if the server is gone, ComfyUI says so itself
  },
  /** @param {Record<string, Output>} outputs */
  onNodeOutputsUpdated(outputs) {
    for (const [locator, output] of Object.entries(outputs)) {
      if (output?.sage_groups) showOutput(nodeByLocator(locator), output);
    }
  },
});
