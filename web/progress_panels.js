// The panels of the nodes that run for long: what they do, while they do it and afterwards.

import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";
import { addElement, nodeAt } from "./panels/comfy_nodes.js";
import { SamplingPanel } from "./panels/sampling_panel.js";
import { TrainingPanel } from "./panels/training_panel.js";

/**
 * What is told of a node.
 *
 * @typedef {{workflow: string, node: string}} Place
 * @typedef {import("./panels/sampling_panel.js").Run | import("./panels/training_panel.js").Run} Told
 * @typedef {Place & Told} Run
 * @typedef {{element: HTMLElement, show(run: Told): void}} Panel
 */

const sampling = () => new SamplingPanel();
/** @type {Partial<Record<string, () => Panel>>} */
const PANELS = {
  SageKSampler: sampling,
  SageSharedKSamplerPrefix: sampling,
  SageBranchKSampler: sampling,
  SageBranchSave: sampling,
  SageTrainLora: () => new TrainingPanel(stop),
};
/** @type {WeakMap<object, Panel>} */
const panels = new WeakMap();
/** What was told of each node, by `keyOf`. @type {Map<string, Run>} */
const runs = new Map();

const SHOWN = "SAGE.RunningPanels";
/** @type {import("@comfyorg/comfyui-frontend-types").ComfyExtension["settings"]} */
const SETTINGS = [
  {
    id: SHOWN,
    category: ["SAGE", "Panels", "Shown"],
    name: "Show panels on the samplers and the training node",
    tooltip: "Without them ComfyUI's own live preview is shown. For nodes that are loaded from now on.",
    type: "boolean",
    defaultValue: true,
  },
  {
    id: "SAGE.PictureSize",
    category: ["SAGE", "Panels", "Picture size"],
    name: "Smallest width of a picture on a sampler's panel",
    type: "slider",
    attrs: { min: 32, max: 256, step: 16 },
    defaultValue: 64,
    onChange: (width) => document.documentElement.style.setProperty("--sage-tile", `${Number(width)}px`),
  },
];

const root = () => app.rootGraph ?? app.graph;
/** @param {Place} place */
const keyOf = ({ workflow, node }) => `${workflow} ${node}`;

/** @param {string} path */
const panelAt = (path) => panels.get(nodeAt(root(), path) ?? {});

/** @param {Run} news */
function hear(news) {
  const key = keyOf(news);
  const run = { ...runs.get(key), ...news };
  runs.set(key, run);
  show(run);
}

/** @param {Run} run */
function show(run) {
  if (run.workflow === root()?.id) panelAt(run.node)?.show(run);
}

/** What was told of this workflow's nodes, to this page and before it was opened. */
async function recall() {
  const before = new Map(runs);
  before.forEach(show);
  const answer = await api.fetchApi(`/sage/progress?${new URLSearchParams({ workflow: root().id })}`);
  const told = answer.ok ? await answer.json() : [];
  for (const run of told) {
    if (runs.get(keyOf(run)) === before.get(keyOf(run))) hear(run); // or newer news came meanwhile
  }
}

/** Ends a node's run as if all of it were done. @param {Place} place */
async function stop({ workflow, node }) {
  const answer = await api.fetchApi("/sage/stop", { method: "POST", body: JSON.stringify({ workflow, node }) });
  if (!answer.ok) throw new Error((await answer.json()).error);
}

api.addEventListener("sage.progress", ({ detail }) => hear(/** @type {Run} */ (detail)));
// The panel has the same pictures, framed: the page, which hears of them after us, need not put them on the node too.
api.addEventListener("b_preview_with_metadata", (event) => {
  if (panelAt(event.detail.displayNodeId ?? event.detail.nodeId)) event.stopImmediatePropagation();
});

app.registerExtension({
  name: "SAGE.RunningPanels",
  settings: SETTINGS,
  nodeCreated(node) {
    const make = PANELS[node.comfyClass ?? ""];
    if (!make || !app.extensionManager.setting.get(SHOWN)) return;
    const panel = make();
    addElement(/** @type {import("./panels/comfy_nodes.js").PageNode} */ (node), "running_panel", panel.element, 150);
    panels.set(node, panel);
  },
  afterConfigureGraph() {
    recall().catch(() => {}); // a page without its server says so itself
  },
  onNodeOutputsUpdated: () => runs.forEach(show),
});
