/**
 * Named settings of what is shared. What each of them keeps and costs is measured, see docs/measurements.md.
 *
 * @typedef {import("../panels/comfy_nodes.js").GraphNode} GraphNode
 * @typedef {Record<string, string | number>} Settings
 */

/** The values by the names of the widgets; from the most faithful preset to the cheapest. */
export const PRESETS = /** @type {Record<string, Settings>} */ ({
  safe: { share: 0.4, share_mode: "auto", correction: "on" },
  balanced: { share: 0.6, share_mode: "fixed", correction: "on" },
  fast: { share: 0.7, share_mode: "fixed", correction: "on" },
});
/** Any other settings. */
export const CUSTOM = "custom";

/**
 * The widgets that a preset sets.
 *
 * @param {Pick<GraphNode, "widgets">} node
 */
export const sharingWidgets = (node) => node.widgets?.filter(({ name }) => name in PRESETS.safe) ?? [];

/**
 * The name of the preset that a node's settings are, or CUSTOM.
 *
 * @param {Pick<GraphNode, "widgets" | "inputs">} node
 */
export function presetOf(node) {
  // What comes by a wire is not known before the run.
  if (node.inputs?.some(({ name, link }) => name in PRESETS.safe && link != null)) return CUSTOM;
  const widgets = sharingWidgets(node);
  const found = Object.entries(PRESETS).find(([, values]) => widgets.every(({ name, value }) => values[name] === value));
  return found?.[0] ?? CUSTOM;
}

/**
 * Sets a node's widgets to a preset; CUSTOM leaves them.
 *
 * @param {Pick<GraphNode, "widgets">} node
 * @param {string} preset
 */
export const applyPreset = (node, preset) => applySettings(node, PRESETS[preset] ?? {});

/** @param {Pick<GraphNode, "widgets">} node @param {Settings} settings */
export function applySettings(node, settings) {
  for (const widget of sharingWidgets(node)) {
    const value = settings[widget.name] ?? widget.value;
    if (widget.value === value) continue;
    widget.value = value;
    widget.callback?.(value);
  }
}
