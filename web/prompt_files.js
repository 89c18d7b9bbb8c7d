// A file of prompts from the user's computer: "Upload a prompt file" in the menu of a node, or a file dropped onto it.

import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";
import { undoable } from "./panels/comfy_nodes.js";
import { ENDINGS, chooseFile, isPromptFile, isWorkflowFile, uploadPromptFile } from "./panels/prompt_upload.js";
import { say } from "./panels/texts.js";

/**
 * @typedef {import("./panels/comfy_nodes.js").GraphNode} GraphNode
 * @typedef {(event: DragEvent) => boolean} OnDrag
 * @typedef {GraphNode & {onDragOver?: OnDrag, onDragDrop?: OnDrag}} DropNode as ComfyUI's page uses it
 */

const LABEL = "Upload a prompt file";
const NODES = ["SageSemanticGroupPrompts", "SagePromptList"];

/** @param {GraphNode} node */
const fileWidget = (node) =>
  NODES.includes(node.comfyClass ?? "") ? node.widgets?.find(({ name }) => name === "prompt_file") : undefined;

/** @param {GraphNode} node @param {File} file */
async function upload(node, file) {
  const widget = fileWidget(node);
  if (!widget) return;
  try {
    const name = await uploadPromptFile(api, file);
    await undoable(app, () => chooseFile(widget, name));
    node.setDirtyCanvas(true);
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    app.extensionManager.toast.add({ severity: "error", summary: say(LABEL), detail, life: 20_000 });
  }
}

/** Opens a workflow as if it were dropped beside the node. @param {GraphNode} node @param {File} file */
const take = async (node, file) => ((await isWorkflowFile(file)) ? app.handleFile(file) : upload(node, file));

/** @param {GraphNode} node */
function ask(node) {
  const input = document.createElement("input");
  input.type = "file";
  input.accept = ENDINGS.join(",");
  input.onchange = () => input.files?.[0] && upload(node, input.files[0]);
  input.click();
}

app.registerExtension({
  name: "SAGE.PromptFiles",
  getNodeMenuItems: (node) => (fileWidget(node) ? [{ content: say(LABEL), callback: () => ask(node) }] : []),
  nodeCreated(/** @type {DropNode} */ node) {
    if (!fileWidget(node)) return;
    node.onDragOver = (event) => [...(event.dataTransfer?.items ?? [])].some(({ kind }) => kind === "file");
    node.onDragDrop = (event) => {
      const file = [...(event.dataTransfer?.files ?? [])].find(isPromptFile);
      if (file) take(node, file);
      return Boolean(file);
    };
  },
});
