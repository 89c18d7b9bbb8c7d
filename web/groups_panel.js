// The panel of Semantic Group Prompts: its groups as cards, which follow the settings and can be changed by hand.

import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";
import { addElement, extended, nodeAt } from "./panels/comfy_nodes.js";
import { GroupsPanel } from "./panels/groups_panel.js";

const NODE = "SageSemanticGroupPrompts";
/** @type {WeakMap<object, GroupsPanel>} */
const panels = new WeakMap();

const root = () => app.rootGraph ?? app.graph;

/**
 * What the node shows, see `panel` in sage_core/regrouping.py.
 *
 * @typedef {import("./panels/groups_panel.js").Run} Run
 * @typedef {{sage_groups?: [Run | {too_many: number}]}} Output
 */

/** @param {object} question @returns {Promise<import("./panels/groups_panel.js").Grouping>} */
async function ask(question) {
  const answer = await api.fetchApi("/sage/regroup", { method: "POST", body: JSON.stringify(question) });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error);
  return told;
}

/** @param {() => void} change */
function commit(change) {
  app.canvas.emitBeforeChange();
  change();
  app.canvas.emitAfterChange();
}

/** @param {import("./panels/comfy_nodes.js").PageNode} node */
function addPanel(node) {
  const panel = new GroupsPanel(node, ask, commit);
  // It shows the pins and changes them: their JSON would only be in the way.
  const pinned = panel.widget("pinned");
  pinned.hidden = true;
  Object.assign(pinned.options, { hidden: true }); // here Nodes 2.0 looks, which 0.3.75 has not
  const socket = node.findInputSlot("pinned");
  if (socket >= 0) node.removeInput(socket);

  addElement(node, "groups_panel", panel.element, 250);
  panels.set(node, panel);
  node.onExecuted = extended(node.onExecuted, (output) => show(node, output));
  node.onConfigure = extended(node.onConfigure, () => panel.render());
  node.onRemoved = extended(node.onRemoved, () => panel.request.cancel());
}

/** @param {object | null | undefined} node @param {Output} output */
function show(node, output) {
  const run = output?.sage_groups?.[0];
  if (run) panels.get(node ?? {})?.fill(run);
}

/** Fills what is still empty with what the server remembers of this workflow. */
async function recall() {
  const answer = await api.fetchApi(`/sage/groups?${new URLSearchParams({ workflow: root().id })}`);
  const told = answer.ok ? await answer.json() : [];
  for (const run of told) {
    if (run.workflow === root().id) panels.get(nodeAt(root(), run.node) ?? {})?.recall(run);
  }
}

/**
 * A node by the name that outputs are kept under: its id, after its subgraph's where it is in one.
 *
 * @param {string} locator
 */
function nodeOf(locator) {
  const [id, subgraph] = locator.split(":").reverse();
  return (subgraph ? root().subgraphs?.get(subgraph) : root())?.getNodeById(id);
}

app.registerExtension({
  name: "SAGE.GroupsPanel",
  nodeCreated(node) {
    if (node.comfyClass === NODE) addPanel(/** @type {import("./panels/comfy_nodes.js").PageNode} */ (node));
  },
  afterConfigureGraph() {
    recall().catch(() => {}); // a page without its server says so itself
  },
  /** @param {Record<string, Output>} outputs */
  onNodeOutputsUpdated(outputs) {
    for (const [locator, output] of Object.entries(outputs)) {
      if (output?.sage_groups) show(nodeOf(locator), output);
    }
  },
});
