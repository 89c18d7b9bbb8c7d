// Prompt List has no panel. Where it uses the favourites only, a button says so, and takes all prompts again.

import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";
import { addButton, extendMethod, undoable } from "./panels/comfy_nodes.js";
import { choiceOf } from "./panels/favourite_marks.js";
import { hideInput } from "./panels/hidden_input.js";
import { onGraphChange } from "./panels/run_events.js";
import { say } from "./panels/texts.js";

/** @typedef {import("./panels/comfy_nodes.js").GraphNode} GraphNode */

const NODE = "SagePromptList";
const BUTTON = "all_prompts";

/** @param {GraphNode} node */
function updateButton(node) {
  const choice = choiceOf(node);
  const button = node.widgets?.find(({ name }) => name === BUTTON);
  if (!choice || Boolean(choice.value) === Boolean(button)) return;
  if (button) node.removeWidget(button);
  else addChoiceButton(node, choice);
}

/** @param {GraphNode} node @param {{value?: unknown}} choice */
function addChoiceButton(node, choice) {
  const useAll = () => {
    undoable(app, () => {
      choice.value = "";
      updateButton(node);
    });
  };
  const button = addButton(node, BUTTON, useAll);
  button.label = say("Only favourites: use all prompts");
  button.tooltip = say("Only your favourites are used. Press here to use all prompts again.");
}

onGraphChange(app, api, (node) => {
  if (node.comfyClass === NODE) updateButton(node);
});
app.registerExtension({
  name: "SAGE.PromptLists",
  nodeCreated(node) {
    if (node.comfyClass !== NODE) return;
    hideInput(node, choiceOf(node));
    node.onConfigure = extendMethod(node.onConfigure, () => updateButton(node));
  },
});
