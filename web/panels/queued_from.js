// Which tab of the page each run was queued from. All copies of a template have one workflow id, and several can be open.

import { setLatest } from "./set_latest.js";

/**
 * @typedef {import("@comfyorg/comfyui-frontend-types").ComfyApp} ComfyApp
 * @typedef {{path: string}} Tab the page's own object of an open workflow; renaming it changes the path
 * @typedef {{queuePrompt(...args: any[]): Promise<{prompt_id?: string}>}} Api the page's api
 */

const STORED = "SAGE.QueuedFrom";
/** More than wait at once; a run takes an id and a reference. */
export const MOST_RUNS = 4096;
/** By prompt_id. @type {Map<string, Tab>} */
const tabs = new Map();

/**
 * The tab that is open; while a workflow is being opened, that may be the one before.
 *
 * @param {ComfyApp} app
 * @returns {Tab | null | undefined}
 */
export const openTab = (app) => /** @type {any} the types leave this out */ (app.extensionManager).workflow.activeWorkflow;

/** What is called before a workflow is opened. @type {(() => void)[]} */
const beginnings = [];
/** What is called when a workflow has been opened. @type {(() => void)[]} */
const openings = [];
let loads = 0; // workflows that are being opened: the page still has the tab before

/** Whether a workflow is being opened: the nodes may be those of either tab. */
export const isOpening = () => loads > 0;

/** An error in a function does not stop the page. @param {() => void} act */
function attempt(act) {
  try {
    act();
  } catch (error) {
    console.error(error);
  }
}

/**
 * Whether a run was queued from the tab that is open now.
 *
 * @param {ComfyApp} app
 * @param {string} run its prompt_id
 */
export const isOfOpenTab = (app, run) => !isOpening() && tabs.has(run) && tabs.get(run)?.path === openTab(app)?.path;

/**
 * Whether a run is known to be of another tab than the open one. What a run sends first can come before its tab is
 * known, and is the open tab's. While a workflow is being opened, the nodes may be those of either tab: then all known
 * runs are of another one.
 *
 * @param {ComfyApp} app
 * @param {string} run its prompt_id
 */
export const isOfOtherTab = (app, run) => tabs.has(run) && !isOfOpenTab(app, run);

/** Calls a function before a workflow is opened, while the tab before is still whole. @param {() => void} opening */
export const onOpening = (opening) => void beginnings.push(opening);

/** Calls a function whenever a workflow is open: in another tab, or again after an undo. @param {() => void} opened */
export const onOpened = (opened) => void openings.push(opened);

/**
 * Notes from now on where runs are queued from.
 *
 * @param {Api} api
 * @param {ComfyApp} app
 * @param {() => (run: string) => void} queue called when a run is queued. What it gives is called with the prompt_id, once
 *     the run has its tab; its first updates may have come before
 */
export function watchTabs(api, app, queue) {
  /** @type {[string, Tab][]} */
  const before = JSON.parse(sessionStorage.getItem(STORED) ?? "[]"); // of this page, before it was reloaded
  before.forEach(([run, tab]) => tabs.set(run, tab));
  addEventListener("pagehide", () => {
    const paths = [...tabs].map(([run, { path }]) => [run, { path }]);
    sessionStorage.setItem(STORED, JSON.stringify(paths));
  });

  const { queuePrompt } = api;
  api.queuePrompt = async function (...args) {
    const tab = openTab(app);
    const queued = Promise.resolve().then(queue); // an error in it does not stop the run
    const answer = await queuePrompt.apply(this, args);
    const run = answer?.prompt_id;
    if (run && tab) {
      setLatest(tabs, run, tab, MOST_RUNS);
      queued.then((tell) => tell(run));
    }
    return answer;
  };

  const { loadGraphData } = app;
  app.loadGraphData = async function (...args) {
    if (!isOpening()) beginnings.forEach(attempt);
    loads += 1;
    try {
      return await loadGraphData.apply(this, args);
    } finally {
      loads -= 1;
      openings.forEach(queueMicrotask); // an error in one stops neither the others nor the page
    }
  };
}
