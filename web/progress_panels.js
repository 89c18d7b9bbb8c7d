// The panels of the sampling and training nodes: the progress of a run, and its result.

import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";
import { settingsOf } from "./graphs/settings_of.js";
import { addPanelElement, addStylesheet, nodeByPath, rootGraph, undoable } from "./panels/comfy_nodes.js";
import { FavouriteMarks } from "./panels/favourite_marks.js";
import { cardShower, samplingPanels } from "./panels/jumps.js";
import { isOfOpenTab, watchTabs } from "./panels/queued_from.js";
import { allNodes, onGraphChange, onNodeError } from "./panels/run_events.js";
import { SamplingPanel } from "./panels/sampling_panel.js";
import { clientId, fetchRemembered, postJson } from "./panels/server_requests.js";
import { TrainingPanel } from "./panels/training_panel.js";

/**
 * An update names a run (ComfyUI's prompt_id), a node, and what is new of its run; what it does not name stays as it
 * was. The updates of a node together are its state.
 *
 * @typedef {{run: string, node: string}} NodeAddress
 * @typedef {import("./panels/sampling_panel.js").Run | import("./panels/training_panel.js").Run} RunState
 * @typedef {NodeAddress & RunState} Run
 * @typedef {{
 *   element: HTMLElement, show(run: RunState, isNew: boolean): void, showError(message: string): void, markOld(old: boolean): void,
 *   renderMarks?(): void,
 * }} Panel
 * @typedef {import("./panels/comfy_nodes.js").GraphNode} GraphNode
 */

/** @param {GraphNode} node */
function makeSamplingPanel(node) {
  const favourites = new FavouriteMarks(node, (change) => undoable(app, change));
  const run = () => app.extensionManager.command.execute("Comfy.QueuePrompt");
  const panel = new SamplingPanel(
    (query) => api.apiURL(`/view?${query}`), favourites, run, ({ prompt }) => cardShower(app, favourites.list, prompt),
  );
  samplingPanels.set(node, panel);
  return panel;
}

/** @type {Partial<Record<string, (node: GraphNode) => Panel>>} */
const PANELS = {
  SageKSampler: makeSamplingPanel,
  SageSharedKSamplerPrefix: makeSamplingPanel,
  SageBranchKSampler: makeSamplingPanel,
  SageBranchSave: makeSamplingPanel,
  SageShare: makeSamplingPanel,
  SageTrainLora: () => new TrainingPanel(stopRun),
};
/** @type {WeakMap<object, Panel>} */
const panels = new WeakMap();
/** What ran last, by `keyOf`, the latest last. @type {Map<string, Run>} */
const runs = new Map();
const MOST_RUNS = 64; // as many as the server remembers

/** The settings of each node's last run that began while the page was open. @type {WeakMap<object, string>} */
const settingsOfRun = new WeakMap();

const SHOW_PANELS = "SAGE.RunningPanels";
/** @type {import("@comfyorg/comfyui-frontend-types").ComfyExtension["settings"]} */
const SETTINGS = [
  {
    id: SHOW_PANELS,
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

/** @param {NodeAddress} address */
const keyOf = ({ run, node }) => `${run} ${node}`;

/** @param {string} path */
const panelAt = (path) => panels.get(nodeByPath(rootGraph(app), path) ?? {});

/** @param {Run} update @param {boolean} isNew whether it comes from a run that goes on now */
function applyUpdate(update, isNew) {
  const key = keyOf(update);
  const run = { ...runs.get(key), ...update };
  runs.delete(key);
  runs.set(key, run);
  if (runs.size > MOST_RUNS) runs.delete(/** @type {string} */ (runs.keys().next().value));
  showRun(run, isNew);
}

/** @param {Run} run @param {boolean} isNew */
function showRun(run, isNew) {
  if (isOfOpenTab(app, run.run)) panelAt(run.node)?.show({ ...sampledBefore(run), ...run }, isNew);
}

/**
 * The last run of a node in this tab that sampled, for one of which only the saved files are known: ComfyUI does not run
 * a node again if nothing has changed before it.
 *
 * @param {Run} run
 */
function sampledBefore({ node, total }) {
  const isBefore = (/** @type {Run} */ other) => other.node === node && other.total !== undefined;
  if (total === undefined) return [...runs.values()].findLast((run) => isBefore(run) && isOfOpenTab(app, run.run));
}

/** Shows the last runs of this workflow's nodes: those that this page knows, then those that the server remembers. */
async function restorePanels() {
  const before = new Map(runs);
  showAll();
  for (const run of await fetchRemembered(api, "/sage/progress")) {
    const key = keyOf(run);
    if (runs.get(key) === before.get(key)) applyUpdate(run, false); // otherwise an update came meanwhile, which is newer
  }
}

/** Ends a training as if its steps were done. @param {NodeAddress} address */
const stopRun = ({ run, node }) => postJson(api, "/sage/stop", { client: clientId(api), run, node });

const showAll = () => runs.forEach((run) => showRun(run, false));

api.addEventListener("sage.progress", ({ detail }) => applyUpdate(/** @type {Run} */ (detail), true));
// The panel shows the same pictures. This listener comes before ComfyUI's, which would show them on the node again.
api.addEventListener("b_preview_with_metadata", (event) => {
  if (panelAt(event.detail.displayNodeId ?? event.detail.nodeId)) event.stopImmediatePropagation();
});

watchTabs(api, app, showAll, () => {
  restorePanels().catch(() => {}); // if the server is gone, ComfyUI says so itself
});

/** Says on a node's panel whether it is older than the settings. @param {GraphNode} node */
function markOld(node) {
  const ran = settingsOfRun.get(node);
  if (ran !== undefined) panels.get(node)?.markOld(ran !== settingsOf(node));
}

// At the time when the run is queued: the user may change settings while it waits.
api.addEventListener("promptQueued", () => {
  for (const node of allNodes(app)) {
    if (!panels.has(node)) continue;
    settingsOfRun.set(node, settingsOf(node));
    markOld(node);
  }
});
onGraphChange(app, api, (node) => {
  markOld(node);
  panels.get(node)?.renderMarks?.();
});
onNodeError(app, api, (node, message) => panels.get(node)?.showError(message));

addStylesheet();
app.registerExtension({
  name: "SAGE.RunningPanels",
  settings: SETTINGS,
  nodeCreated(node) {
    const makePanel = PANELS[node.comfyClass ?? ""];
    if (!makePanel || !app.extensionManager.setting.get(SHOW_PANELS)) return;
    const panel = makePanel(node);
    addPanelElement(
      /** @type {import("./panels/comfy_nodes.js").PageNode} */ (node), "running_panel", panel.element, 150,
    );
    panels.set(node, panel);
  },
  onNodeOutputsUpdated: showAll,
});
