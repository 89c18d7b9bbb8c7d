// From the card of a prompt to its picture on a sampler's panel, and back.

import { allNodes } from "./run_events.js";
import { openViewer } from "./viewer.js";

/**
 * @typedef {import("./comfy_nodes.js").ComfyApp} ComfyApp
 * @typedef {import("./comfy_nodes.js").GraphNode} GraphNode
 */

/** By their nodes. @type {WeakMap<GraphNode, import("./groups_panel.js").GroupsPanel>} */
export const groupsPanels = new WeakMap();
/** By their nodes. @type {WeakMap<GraphNode, import("./sampling_panel.js").SamplingPanel>} */
export const samplingPanels = new WeakMap();

/**
 * What shows the picture of a prompt, a finished one if there is one; undefined where there is none.
 *
 * @param {ComfyApp} app
 * @param {GraphNode} node the one with the prompt's card
 * @param {string[]} texts that the prompt has now, and had when it ran
 * @param {() => void} back where the focus goes afterwards
 */
export function pictureShower(app, node, texts, back) {
  const panels = allNodes(app).flatMap((each) => samplingPanels.get(each) ?? []);
  const found = panels.filter(({ favourites }) => favourites.list === node).flatMap((panel) =>
    panel.pictures.flatMap((picture) =>
      picture.prompt !== null && texts.includes(picture.prompt) ? [{ panel, picture }] : []));
  const best = found.find(({ picture }) => picture.file) ?? found[0];
  return best && (() => openViewer(best.panel, best.picture, back));
}

/**
 * What shows the card of a prompt; undefined where there is none.
 *
 * @param {ComfyApp} app
 * @param {GraphNode | undefined} node the one that may have its card
 * @param {string | null} prompt
 */
export function cardShower(app, node, prompt) {
  const panel = node && groupsPanels.get(node);
  if (!panel || prompt === null || !panel.has(prompt)) return undefined;
  return () => {
    app.canvas.centerOnNode(node);
    // The page shows a panel that was outside of the window only after it has drawn the canvas.
    requestAnimationFrame(() => setTimeout(() => panel.reveal(prompt)));
  };
}
