// The panels of the sampling and training nodes: the progress of a run, and its result.

import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";
import { settingsOf } from "./graphs/settings_of.js";
import { addPanelElement, addStylesheet, nodeByPath, rootGraph, undoable } from "./panels/comfy_nodes.js";
import { FavouriteMarks } from "./panels/favourite_marks.js";
import { cardShower, samplingPanels } from "./panels/jumps.js";
import { NodeRuns, nodeKey } from "./panels/node_runs.js";
import { isOfOpenTab, onOpened, watchTabs } from "./panels/queued_from.js";
import { allNodes, onGraphChange, onNodeError } from "./panels/run_events.js";
import { SamplingPanel } from "./panels/sampling_panel.js";
import { clientId, fetchRemembered, postJson } from "./panels/server_requests.js";
import { setLatest } from "./panels/set_latest.js";
import { TrainingPanel } from "./panels/training_panel.js";

/**
 * An update names a run (ComfyUI's prompt_id), a node, and what is new of its run; what it does not name stays as it
 * was. The updates of a node together are its state.
 *
 * @typedef {{run: string, node: string}} NodeAddress
 * @typedef {import("./panels/sampling_panel.js").Run | import("./panels/training_panel.js").Run} RunState
 * @typedef {NodeAddress & RunState} Run
 * @typedef {{
 *   element: HTMLElement, notes: import("./panels/run_notes.js").RunNotes, show(run: RunState, isNew: boolean): void,
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

/** The run that each panel shows. @type {WeakMap<Panel, string>} */
const shownRuns = new WeakMap();
/** The settings of the nodes with panels when runs were queued. @type {NodeRuns<string>} */
const queuedSettings = new NodeRuns();

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
const nodeAt = (path) => nodeByPath(rootGraph(app), path);

/** Adds an update to what is known of its run, which it gives. @param {Run} update */
function keep(update) {
  const key = keyOf(update);
  const run = { ...runs.get(key), ...update };
  setLatest(runs, key, run, MOST_RUNS);
  return run;
}

/** @param {Run} run @param {boolean} isNew whether it goes on now */
function showRun(run, isNew) {
  const node = nodeAt(run.node);
  const panel = node && panels.get(node);
  if (!panel || !isOfOpenTab(app, run.run)) return;
  panel.show({ ...sampledBefore(run), ...run }, isNew);
  if (shownRuns.get(panel) === run.run) return;
  shownRuns.set(panel, run.run);
  markOld(node);
}

/** Shows the latest run of each node in this tab. */
function showAll() {
  const ofTab = [...runs.values()].filter(({ run }) => isOfOpenTab(app, run));
  const latest = new Map(ofTab.map((run) => [nodeAt(run.node), run]));
  latest.forEach((run) => showRun(run, false));
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

/** Shows what the server remembers of this page's runs: of before it was loaded, or while it was not connected. */
async function fetchRuns() {
  const before = new Map(runs);
  /** @type {Run[]} */
  const remembered = await fetchRemembered(api, "/sage/progress");
  const newer = [...runs].filter(([key, run]) => run !== before.get(key)).map(([, run]) => run);
  [...remembered, ...newer].forEach(keep);
  showAll();
}

/**
 * Shows a node's run of earlier as that of now: ComfyUI does not run a node again if nothing has changed. This page may
 * not have seen it.
 *
 * @param {NodeAddress} now
 * @param {NodeAddress & {client: string}} before
 */
async function showAgain(now, before) {
  const known = runs.get(keyOf(before));
  /** @type {Run[]} */
  const states = known ? [known] : await fetchRemembered(api, "/sage/progress", { client: before.client });
  const state = states.find((run) => keyOf(run) === keyOf(before));
  // What is new of the run of now, such as its files, stays.
  if (state) showRun(keep({ ...state, ...runs.get(keyOf(now)), ...now }), false);
}

/** Ends a training as if its steps were done. @param {NodeAddress} address */
const stopRun = ({ run, node }) => postJson(api, "/sage/stop", { client: clientId(api), run, node });

api.addEventListener("sage.progress", ({ detail }) => showRun(keep(/** @type {Run} */ (detail)), true));
api.addEventListener("executed", ({ detail }) => {
  const [before] = /** @type {any} the types do not know our output */ (detail.output)?.sage_run ?? [];
  const now = { run: detail.prompt_id, node: String(detail.display_node ?? detail.node) };
  if (before && before.run !== now.run) showAgain(now, before);
});
api.addEventListener("reconnected", fetchRuns);
// The panel shows the same pictures. This listener comes before ComfyUI's, which would show them on the node again.
api.addEventListener("b_preview_with_metadata", (event) => {
  const node = nodeAt(event.detail.displayNodeId ?? event.detail.nodeId);
  if (node && panels.has(node)) event.stopImmediatePropagation();
});

/** Says on a node's panel whether the run that it shows is older than the settings. @param {GraphNode} node */
function markOld(node) {
  const panel = panels.get(node);
  if (!panel) return;
  const ran = queuedSettings.of(nodeKey(node), shownRuns.get(panel) ?? "");
  panel.notes.markOld(ran !== undefined && ran !== settingsOf(node));
}

watchTabs(api, app, () => {
  // Those of now: the user may change settings, or open another tab, before the server answers.
  const settings = allNodes(app).filter((node) => panels.has(node)).map((node) => [nodeKey(node), settingsOf(node)]);
  return (run) => {
    for (const [node, text] of settings) queuedSettings.keep(node, run, text);
    // Its first updates may have come before its tab was known.
    for (const state of [...runs.values()]) if (state.run === run) showRun(state, true);
  };
});
onOpened(showAll);
onGraphChange(app, api, (node) => {
  markOld(node);
  panels.get(node)?.renderMarks?.();
});
onNodeError(app, api, (node, message) => panels.get(node)?.notes.showError(message));

addStylesheet();
app.registerExtension({
  name: "SAGE.RunningPanels",
  settings: SETTINGS,
  setup: () => void fetchRuns(),
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
