// New nodes with text boxes and no panel are large enough to read the text.

import { app } from "../../scripts/app.js";
import { giveRoom } from "./panels/comfy_nodes.js";

const NODES = ["SagePromptList", "SageAddPrompts", "SageComparisonGrid"];

app.registerExtension({
  name: "SAGE.TextBoxes",
  nodeCreated(node) {
    if (NODES.includes(node.comfyClass ?? "")) giveRoom(node);
  },
});
