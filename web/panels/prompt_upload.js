/**
 * Files of prompts from the user's computer.
 *
 * @typedef {import("./server_requests.js").Api} Api
 * @typedef {NonNullable<import("./comfy_nodes.js").GraphNode["widgets"]>[number]} Widget
 */

import { say } from "./texts.js";

/** Endings of the files that a node can read. */
export const ENDINGS = [".txt", ".csv", ".tsv", ".json"];

/** @param {{name: string}} file */
export const isPromptFile = (file) => ENDINGS.some((ending) => file.name.toLowerCase().endsWith(ending));

/** Whether a file is a saved workflow: it ends as a prompt file does. @param {File} file */
export async function isWorkflowFile(file) {
  if (!file.name.toLowerCase().endsWith(".json")) return false;
  try {
    return isWorkflow(JSON.parse(await file.text()));
  } catch {
    return false; // the server says what is wrong with it
  }
}

/** Whether a value is a workflow, as ComfyUI saves it or in the API format. @param {any} value */
function isWorkflow(value) {
  const nodes = Object.values(value);
  return Array.isArray(value.nodes) || (nodes.length > 0 && nodes.every((node) => node?.class_type));
}

/**
 * Puts a file into ComfyUI's input folder, by the route that all its uploads take. An equal file that is there already
 * is used; another one with that name stays, and the new one gets a number.
 *
 * @param {Api} api
 * @param {File} file
 * @returns {Promise<string>} its name there
 */
export async function uploadPromptFile(api, file) {
  const body = new FormData();
  body.append("image", file);
  const response = await api.fetchApi("/upload/image", { method: "POST", body });
  if (!response.ok) {
    const reason = `${response.status} ${response.statusText}`;
    throw new Error(say("{name} was not uploaded: {reason}", { name: file.name, reason }));
  }
  return (await response.json()).name;
}

/**
 * Chooses a file in the widget of a node, and adds it to the list there.
 *
 * @param {Pick<Widget, "value" | "options" | "callback">} widget
 * @param {string} name
 */
export function chooseFile(widget, name) {
  const { values } = widget.options;
  if (Array.isArray(values) && !values.includes(name)) values.push(name);
  widget.value = name;
  widget.callback?.(name);
}
