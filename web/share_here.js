// "Share sampling here" in the menu of a sampler: puts Prompt List, Share Sampling and Split by Prompt around it.

import { app } from "../../scripts/app.js";
import { samplerParts } from "./graphs/sampler_parts.js";
import { shareHere } from "./graphs/share_here.js";
import { undoable } from "./panels/comfy_nodes.js";
import { say } from "./panels/texts.js";

/** @typedef {import("./panels/comfy_nodes.js").GraphNode} GraphNode */

const COMMAND = "SAGE.ShareHere";
const LABEL = "Share sampling here";
const LEAST_WIDTH = 300; // titles can be read, and Nodes 2.0 does not make nodes wider

/** A node in no graph yet. @param {string} type */
function create(type) {
  const node = window.LiteGraph.createNode(type);
  node.setSize([Math.max(node.size[0], LEAST_WIDTH), node.size[1]]);
  return node;
}

const nextFrame = () => new Promise((resolve) => requestAnimationFrame(resolve));

/** @param {string} detail */
function tell(detail) {
  app.extensionManager.toast.add({ severity: "warn", summary: say(LABEL), detail, life: 20_000 });
}

/** @param {GraphNode | undefined} sampler */
function share(sampler) {
  const parts = sampler && samplerParts(sampler);
  if (!parts) return tell(say("Select a sampler that has no Share Sampling before it."));
  undoable(app, async () => {
    const { nodes, missing } = shareHere(sampler, parts, create);
    app.canvas.selectItems(nodes);
    if (missing) tell(missing);
    await nextFrame(); // Nodes 2.0 then has drawn the nodes,
    await nextFrame(); // and has given them their heights
  });
}

app.registerExtension({
  name: COMMAND,
  getNodeMenuItems: (node) => (samplerParts(node) ? [{ content: say(LABEL), callback: () => share(node) }] : []),
  // In Nodes 2.0 of ComfyUI 0.3.75 extensions cannot add to the menu of a node. There it is a button above the node.
  commands: [
    {
      id: COMMAND, label: LABEL, icon: "pi pi-share-alt",
      function: () => share(Object.values(app.canvas.selected_nodes)[0]),
    },
  ],
  getSelectionToolboxCommands(item) {
    const isSampler = "outputs" in item && samplerParts(/** @type {GraphNode} */ (item));
    return isSampler ? [COMMAND] : [];
  },
});
