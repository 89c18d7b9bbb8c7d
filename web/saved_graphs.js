// Graphs that were saved before a node had some input go on giving what they gave.

import { app } from "../../scripts/app.js";
import { VALUES_BEFORE, setMissingWidgets, withMissingInputs } from "./graphs/appended_inputs.js";
import { extendMethod } from "./panels/comfy_nodes.js";

app.registerExtension({
  name: "SAGE.SavedGraphs",
  nodeCreated(node) {
    const before = VALUES_BEFORE[node.comfyClass ?? ""];
    // Nodes in subgraphs and copies come here too. A copy has a value for every widget.
    if (before) node.onConfigure = extendMethod(node.onConfigure, (saved) => setMissingWidgets(node, saved, before));
  },
});

// The nodes of a graph in API format are not configured, and ComfyUI has no hook for them.
const { loadApiJson } = app;
app.loadApiJson = (graph, ...others) => loadApiJson.call(app, withMissingInputs(graph), ...others);
