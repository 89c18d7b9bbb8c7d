// Where only some prompts are used, they stay the chosen ones while the user edits their lines.

import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";
import { extendMethod } from "./panels/comfy_nodes.js";
import { LISTS, choiceOf } from "./panels/favourite_marks.js";
import { choiceAfterEdit } from "./panels/favourites.js";
import { onGraphChange } from "./panels/run_events.js";

/** @typedef {import("./panels/comfy_nodes.js").GraphNode} GraphNode */

/** What each node had before the edit that the user makes now. @type {WeakMap<GraphNode, {list: string, chosen: string}>} */
const before = new WeakMap();

/** @param {GraphNode} node */
const listOf = (node) => node.widgets?.find(({ name }) => name === "prompts");

/** @param {GraphNode} node */
function remember(node) {
  before.set(node, { list: String(listOf(node)?.value ?? ""), chosen: String(choiceOf(node)?.value ?? "") });
}

/** The choice changes with the text, not when the edit is over: a key can start a run from the text box. @param {GraphNode} node */
function follow(node) {
  const [list, choice, old] = [listOf(node), choiceOf(node), before.get(node)];
  if (old?.chosen && list && choice) choice.value = choiceAfterEdit(old.chosen, old.list, String(list.value));
}

onGraphChange(app, api, (node) => {
  if (LISTS.includes(node.comfyClass ?? "")) remember(node);
});
app.registerExtension({
  name: "SAGE.ChosenPrompts",
  nodeCreated(node) {
    const list = LISTS.includes(node.comfyClass ?? "") ? listOf(node) : undefined;
    if (!list) return;
    remember(node);
    list.callback = extendMethod(list.callback?.bind(list), () => follow(node));
    node.onConfigure = extendMethod(node.onConfigure, () => remember(node));
  },
});
