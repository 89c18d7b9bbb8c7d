// A button on the Share Explorer, where it has found a good share: sets the samplers with the same groups to it.

import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";
import { nodeBefore } from "./graphs/links.js";
import { applySettings } from "./graphs/sharing_presets.js";
import { addButton, extendMethod, undoable } from "./panels/comfy_nodes.js";
import { onGraphChange } from "./panels/run_events.js";
import { samplersAfter } from "./panels/saving_text.js";
import { say } from "./panels/texts.js";

/** @typedef {import("./panels/comfy_nodes.js").GraphNode} GraphNode */

const NODE = "SageShareExplorer";
const BUTTON = "use_share";

/** What each node found in its last run. @type {WeakMap<GraphNode, number>} */
const found = new WeakMap();

/** The samplers and guiders with the groups of an explorer. @param {GraphNode} node */
function samplersOf(node) {
  const source = nodeBefore(node, node.findInputSlot("groups"));
  return source ? samplersAfter(source) : [];
}

/** Sets all samplers to the share; undo takes all of it back in one step. @param {GraphNode} node @param {number} share */
function use(node, share) {
  undoable(app, () => {
    for (const sampler of samplersOf(node)) applySettings(sampler, { share, share_mode: "fixed", correction: "on" });
  });
  node.setDirtyCanvas(true, true);
}

/** @param {GraphNode} node */
function updateButton(node) {
  const share = samplersOf(node).length ? found.get(node) : 0;
  const old = node.widgets?.find(({ name }) => name === BUTTON);
  if (old) node.removeWidget(old);
  if (!share) return;
  const button = addButton(node, BUTTON, () => use(node, share));
  button.label = say("Use share {share} in the sampler", { share });
  button.tooltip = say("Sets share, share_mode and correction of the samplers with the same groups.");
}

onGraphChange(app, api, (node) => {
  if (node.comfyClass === NODE) updateButton(node);
});
app.registerExtension({
  name: "SAGE.ShareExplorer",
  nodeCreated(/** @type {import("./panels/comfy_nodes.js").PageNode} */ node) {
    if (node.comfyClass !== NODE) return;
    node.onExecuted = extendMethod(node.onExecuted, (/** @type {{sage_share?: [number]}} */ output) => {
      found.set(node, output.sage_share?.[0] ?? 0);
      updateButton(node);
    });
  },
});
