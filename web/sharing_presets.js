// A choice of presets on the nodes that share steps. It sets the other widgets, and is not saved itself.

import { app } from "../../scripts/app.js";
import { CUSTOM, PRESETS, applyPreset, presetOf, sharingWidgets } from "./graphs/sharing_presets.js";
import { extendMethod, giveRoom } from "./panels/comfy_nodes.js";
import { say } from "./panels/texts.js";

const NODES = ["SageKSampler", "SageSharedKSamplerPrefix", "SageGuider", "SageShare"];
const TIP =
  "Sets share, share_mode and correction. safe: nearest to every prompt sampled alone. balanced: cheaper. fast: " +
  "cheapest, not for cfg 7. On the demo model at 20 steps, groups of 4 and 8 cost about 55%, 50% and 40% of all " +
  "prompts alone; smaller ones more. custom: your own settings.";

/** @param {import("./panels/comfy_nodes.js").GraphNode} node */
function addPresets(node) {
  const options = { values: [...Object.keys(PRESETS), CUSTOM], serialize: false }; // not in the prompt
  const show = () => {
    choice.value = presetOf(node);
  };
  const choose = (/** @type {unknown} */ preset) => {
    applyPreset(node, String(preset));
    show(); // custom leaves the settings, which may be those of a preset
  };
  const choice = node.addWidget("combo", say("preset"), CUSTOM, choose, options);
  choice.serialize = false; // not in the workflow
  choice.tooltip = say(TIP);
  // Below everything that is saved: the values in a saved node are in the order of its widgets.
  const panel = node.widgets?.findIndex((widget) => widget !== choice && widget.serialize === false) ?? -1;
  if (panel >= 0) node.widgets?.splice(panel, 0, .../** @type {any[]} */ (node.widgets.splice(-1)));
  for (const widget of sharingWidgets(node)) widget.callback = extendMethod(widget.callback, show);
  node.onConfigure = extendMethod(node.onConfigure, show);
  node.onConnectionsChange = extendMethod(node.onConnectionsChange, show);
  show();
  giveRoom(node);
}

app.registerExtension({
  name: "SAGE.SharingPresets",
  nodeCreated(node) {
    if (NODES.includes(node.comfyClass ?? "")) addPresets(node);
  },
});
