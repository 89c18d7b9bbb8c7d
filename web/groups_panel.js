// The panel of Semantic Group Prompts: it shows the groups as cards, and the user can change them by hand.

import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";
import { addPanelElement, addStylesheet, extendMethod, nodeByPath, rootGraph, undoable } from "./panels/comfy_nodes.js";
import { allNodes, onGraphChange, onNodeError, onNodeExecuted } from "./panels/run_events.js";
import { GroupsPanel } from "./panels/groups_panel.js";
import { hideInput } from "./panels/hidden_input.js";
import { groupsPanels, pictureShower } from "./panels/jumps.js";
import { nodeKey } from "./panels/node_runs.js";
import { isOpening, onOpened, onOpening, openTab } from "./panels/queued_from.js";
import { fetchRemembered, postJson } from "./panels/server_requests.js";

/**
 * The node's output for the page, see panel_payload in sage_core/panels/groups.py.
 *
 * @typedef {import("./panels/groups_panel.js").Run} Run
 * @typedef {{sage_groups?: [Run | import("./panels/groups_panel.js").TooMany]}} Output
 */

const NODE = "SageSemanticGroupPrompts";
/** Panels show and change these, so their JSON is hidden. */
const HIDDEN = ["pinned", "chosen"];

/**
 * The groups under other settings.
 *
 * @param {object} body
 * @returns {Promise<import("./panels/groups_panel.js").Grouping>}
 */
const fetchGrouping = (body) => postJson(api, "/sage/regroup", body);

/** @param {import("./panels/comfy_nodes.js").PageNode} node */
function addPanel(node) {
  const findPicture = (/** @type {string[]} */ texts, /** @type {() => void} */ back) => pictureShower(app, node, texts, back);
  const panel = new GroupsPanel(node, fetchGrouping, (change) => undoable(app, change), findPicture);
  for (const name of HIDDEN) {
    hideInput(node, panel.widget(name));
  }

  addPanelElement(node, "groups_panel", panel.element, 250);
  groupsPanels.set(node, panel);
  node.onConfigure = extendMethod(node.onConfigure, () => panel.render());
  node.onRemoved = extendMethod(node.onRemoved, () => {
    panel.request.cancel();
    if (!isOpening()) keepLast(node, panel);
  });
}

/** @param {string} path */
function panelAt(path) {
  const node = nodeByPath(rootGraph(app), path);
  return node && groupsPanels.get(node);
}

/**
 * The last runs of the panels of each tab, by `nodeKey`.
 *
 * @type {WeakMap<object, Map<string, import("./panels/groups_panel.js").LastRun>>}
 */
const lastRuns = new WeakMap();
let restoring = 0; // panels are being filled: an empty one may be of a node that has a run

/**
 * Keeps the last run of a panel whose node is about to be made anew, or forgets one of an earlier node with its key.
 *
 * @param {import("./panels/comfy_nodes.js").GraphNode} node
 * @param {GroupsPanel} panel
 */
function keepLast(node, panel) {
  const tab = openTab(app);
  if (!tab) return;
  const runs = lastRuns.get(tab) ?? new Map();
  lastRuns.set(tab, runs);
  if (panel.last) runs.set(nodeKey(node), panel.last);
  else if (!restoring) runs.delete(nodeKey(node));
}

/** Every node that has a panel, with it. */
const allPanels = () =>
  allNodes(app).flatMap((node) => {
    const panel = groupsPanels.get(node);
    return panel ? [{ node, panel }] : [];
  });

/**
 * Fills empty panels with what the server remembers of this workflow, or else with their last runs. What the server
 * remembers of other pages has to be of the same prompts.
 */
async function restorePanels() {
  const [tab, { id }] = [openTab(app), rootGraph(app)];
  restoring += 1;
  /** @type {(Run & {node: string, own: boolean})[]} */
  const remembered = await fetchRemembered(api, "/sage/groups", { workflow: String(id) });
  restoring -= 1;
  if (isOpening() || openTab(app) !== tab || rootGraph(app).id !== id) return;
  const latest = remembered.reverse();
  for (const run of latest) panelAt(run.node)?.restoreRun(run, false);
  for (const run of latest) if (run.own) panelAt(run.node)?.restoreRun(run, true);
  const runs = tab ? lastRuns.get(tab) : undefined;
  for (const { node, panel } of allPanels()) panel.showBefore(runs?.get(nodeKey(node)));
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

onNodeExecuted(app, api, (node, /** @type {Output} */ output) => {
  const run = output.sage_groups?.[0];
  if (run) groupsPanels.get(node)?.showRun(run);
});
onNodeError(app, api, (node, message) => groupsPanels.get(node)?.showError(message));
onGraphChange(app, api, (node) => groupsPanels.get(node)?.graphChanged());
onOpening(() => allPanels().forEach(({ node, panel }) => keepLast(node, panel)));
onOpened(restorePanels);

addStylesheet();
app.registerExtension({
  name: "SAGE.GroupsPanel",
  nodeCreated(node) {
    if (node.comfyClass === NODE) addPanel(/** @type {import("./panels/comfy_nodes.js").PageNode} */ (node));
  },
  /** What ComfyUI keeps for a tab can be of a run of another one. @param {Record<string, Output>} outputs */
  onNodeOutputsUpdated(outputs) {
    for (const [locator, output] of Object.entries(outputs)) {
      const run = output?.sage_groups?.[0];
      const node = run && nodeByLocator(locator);
      if (node) groupsPanels.get(node)?.restoreRun(run, true);
    }
  },
});
