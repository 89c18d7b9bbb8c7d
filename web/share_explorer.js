// A button on the Share Explorer, where it has found a good share: sets the samplers with the same groups to it.

import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";
import { originOf } from "./graphs/links.js";
import { applySettings } from "./graphs/sharing_presets.js";
import { addButton, undoable } from "./panels/comfy_nodes.js";
import { NodeRuns, nodeKey } from "./panels/node_runs.js";
import { isOfOtherTab, onOpened } from "./panels/queued_from.js";
import { allNodes, onGraphChange, onNodeExecuted } from "./panels/run_events.js";
import { samplersAfter } from "./panels/saving_text.js";
import { say } from "./panels/texts.js";

/** @typedef {import("./panels/comfy_nodes.js").GraphNode} GraphNode */

const NODE = "SageShareExplorer";
const BUTTON = "use_share";

/** The share that each node has found; 0 for none. @type {NodeRuns<number>} */
const found = new NodeRuns();

/** The samplers and guiders with the groups of an explorer. @param {GraphNode} node */
function samplersOf(node) {
  const source = originOf(node, node.findInputSlot("groups"));
  return source ? samplersAfter(source) : [];
}

/** Sets all samplers to the share; undo takes all of it back in one step. @param {GraphNode} node @param {number} share */
function use(node, share) {
  undoable(app, () => {
    for (const sampler of samplersOf(node)) applySettings(sampler, { share, share_mode: "fixed", correction: "on" });
  });
  node.setDirtyCanvas(true, true);
}

/** Shows the button where the last run in this tab has found a share. @param {GraphNode} node */
function updateButton(node) {
  if (node.comfyClass !== NODE) return;
  const share = samplersOf(node).length && found.latest(nodeKey(node), (run) => !isOfOtherTab(app, run));
  const label = share ? say("Use share {share} in the sampler", { share }) : undefined;
  const old = node.widgets?.find(({ name }) => name === BUTTON);
  if (old?.label === label) return; // a new button could make the node larger: one more step for undo
  if (old) node.removeWidget(old);
  if (!share) return;
  const button = addButton(node, BUTTON, () => use(node, share));
  button.label = label;
  button.tooltip = say("Sets share, share_mode and correction of the samplers with the same groups.");
}

/** @param {string} key the node's `nodeKey` @param {{sage_share?: [number]}} output @param {string} run */
function keepShare(key, { sage_share: share }, run) {
  if (share) found.keep(key, run, share[0]);
}

onNodeExecuted(app, api, (node, output, run) => {
  keepShare(nodeKey(node), output, run);
  updateButton(node);
}, keepShare); // an execution id is the key of a node that is in no subgraph; one in a subgraph needs another run
onGraphChange(app, api, updateButton);
onOpened(() => allNodes(app).forEach(updateButton)); // its nodes are new
