// Which tab of the page each run was queued from. All copies of a template have one workflow id, and several can be open.

/**
 * @typedef {import("@comfyorg/comfyui-frontend-types").ComfyApp} ComfyApp
 * @typedef {{path: string}} Tab the page's own object of an open workflow; renaming it changes the path
 * @typedef {{queuePrompt(...args: any[]): Promise<{prompt_id?: string}>}} Api the page's api
 */

const STORED = "SAGE.QueuedFrom";
const MOST_RUNS = 64;
/** By prompt_id. @type {Map<string, Tab>} */
const tabs = new Map();

/**
 * @param {ComfyApp} app
 * @returns {Tab | null | undefined}
 */
const openTab = (app) => /** @type {any} the types leave this out */ (app.extensionManager).workflow.activeWorkflow;

let loads = 0; // workflows that are being opened: the page still has the tab before

/**
 * Whether a run was queued from the tab that is open now.
 *
 * @param {ComfyApp} app
 * @param {string} run its prompt_id
 */
export const isOfOpenTab = (app, run) => !loads && tabs.has(run) && tabs.get(run)?.path === openTab(app)?.path;

/**
 * Notes from now on where runs are queued from.
 *
 * @param {Api} api
 * @param {ComfyApp} app
 * @param {() => void} queued called when a run has its tab; its first updates may have come before
 * @param {() => void} opened called when another workflow is open
 */
export function watchTabs(api, app, queued, opened) {
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
    const answer = await queuePrompt.apply(this, args);
    if (answer?.prompt_id && tab) {
      tabs.set(answer.prompt_id, tab);
      if (tabs.size > MOST_RUNS) tabs.delete(/** @type {string} */ (tabs.keys().next().value));
      queued();
    }
    return answer;
  };

  const { loadGraphData } = app;
  app.loadGraphData = async function (...args) {
    loads += 1;
    try {
      return await loadGraphData.apply(this, args);
    } finally {
      loads -= 1;
      opened();
    }
  };
}
