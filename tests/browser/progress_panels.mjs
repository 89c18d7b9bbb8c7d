// A user of the panels of sampling and training nodes: watches a run, leaves the page and comes back.

import { compare } from "./compare.mjs";
import { onlyNodes } from "./groups_panel.mjs";

const TRAINING = "SageTrainLora";
const ALONE = 960; // evaluations of the workflow if every prompt were sampled alone
const INPUTS = ["SageDemoModel", "SageDemoImages", "CLIPTextEncode", "MakeTrainingDataset"];

export class ProgressPanelUser {
  /** @param {import("./page.mjs").WorkflowPage} page */
  constructor(page) {
    Object.assign(this, { page, tab: page.tab });
    this.panel = page.tab.locator(".sage-panel").filter({ has: page.tab.locator(".sage-progress") });
  }

  summary() {
    return this.panel.getByRole("status").textContent();
  }

  /** Waits until the summary matches. @param {RegExp} text */
  async waitForSummary(text) {
    await this.panel.getByRole("status").filter({ hasText: text }).waitFor({ timeout: 300_000 });
  }

  /** The number of lines on the chart, and the width of the sample images. */
  trainingResult() {
    return this.panel.evaluate((panel) => {
      const samples = panel.querySelector(".sage-training img");
      return { lines: panel.querySelectorAll("path[d^=M]").length, samples: samples.hidden ? 0 : samples.naturalWidth };
    });
  }

  /** The title and the colour of the frame of each cluster. */
  figures() {
    return this.panel.locator("figure").evaluateAll((found) =>
      found.map((figure) => [figure.querySelector("figcaption").textContent, getComputedStyle(figure).borderColor]),
    );
  }

  /** Whether the first tile shows a picture, at once or soon: a busy page draws it some time after it came. */
  async hasPicture() {
    const drawn = (panel) => {
      const tile = panel.querySelector(".sage-tile");
      return tile && getComputedStyle(tile).backgroundImage.startsWith('url("data:image/jpeg;base64,');
    };
    const panel = await this.panel.elementHandle();
    return this.tab.waitForFunction(drawn, panel, { timeout: 10_000 }).then(() => true, () => false);
  }

  /** How many pictures ComfyUI itself shows on the node with the panel. */
  comfyPreviews(type) {
    return this.tab.evaluate((wanted) => {
      const node = window.app.graph.nodes.find((found) => found.type === wanted);
      const html = [...document.querySelectorAll(`[data-node-id="${node.id}"] img`)];
      return (node.imgs?.length ?? 0) + html.filter((image) => !image.closest(".sage-panel")).length;
    }, type);
  }
}

/** With share_mode auto the evaluations are known at the end only: what is saved has to be of these. */
function checkSaving(summary, problems) {
  const found = /^(\d+) of \1 evaluations, (\d+\.\d)% saved, done in (\d+ min )?\d+ s$/.exec(summary);
  const [done, saved] = found?.slice(1).map(Number) ?? [];
  if (!(done < ALONE) || saved.toFixed(1) !== (100 - (100 * done) / ALONE).toFixed(1)) {
    problems.push(`the summary: ${summary}`);
  }
}

/** Runs. The pictures are there during the run, after a copy of the workflow was open, and after a reload. */
export async function watchSampling(user, workflow, shot, problems) {
  const type = "SageKSampler";
  await user.page.load(workflow);
  await user.page.run(async () => {
    compare(problems, "ComfyUI's own pictures on the node", await user.comfyPreviews(type), 0);
    compare(problems, "a picture while it runs", await user.hasPicture(), true);
    await shot("running");
  });
  const done = { summary: await user.summary(), figures: await user.figures() };
  checkSaving(done.summary, problems);
  compare(problems, "pictures", done.figures.length, 12);
  compare(problems, "the first one", done.figures[0], ["1. a red flower on a yellow background", "rgb(0, 114, 178)"]);
  compare(problems, "the fourth one", done.figures[3], ["4. a green tree in the snow", "rgb(230, 159, 0)"]);
  await noteOldRun(user, type, problems);
  const checkUnchanged = async (when) => {
    compare(problems, when, { summary: await user.summary(), figures: await user.figures() }, done);
    compare(problems, `a picture ${when}`, await user.hasPicture(), true);
    compare(problems, `ComfyUI's own pictures on the node, ${when}`, await user.comfyPreviews(type), 0);
  };
  await user.page.load(workflow); // it has the same id
  compare(problems, "pictures in a copy of the workflow", await user.figures(), []);
  await user.page.previousWorkflow();
  await checkUnchanged("back from the copy");
  await user.page.reload();
  await user.waitForSummary(/, done in /);
  await checkUnchanged("after a reload");
  compare(problems, "lines that say that there are too many pictures", await linesOfTooMany(user), 1);
}

/** How many lines a text takes that stands in place of the pictures. */
async function linesOfTooMany(user) {
  await user.tab.evaluate(async () => {
    const { api } = window.app;
    const [run] = await (await api.fetchApi(`/sage/progress?client=${api.clientId}`)).json();
    api.dispatchEvent(new CustomEvent("sage.progress", { detail: { ...run, sheet: { too_many: 300 } } }));
  });
  const hint = user.panel.locator(".sage-sheet .sage-hint", { hasText: "300 pictures: too many to show." });
  return hint.evaluate((text) => Math.round(text.offsetHeight / parseFloat(getComputedStyle(text).lineHeight)));
}

/** Runs what another page has run: the pictures are there, without new sampling. */
export async function runAgain(user, workflow, problems) {
  await user.page.load(workflow);
  compare(problems, "pictures in a new page", await user.figures(), []);
  await user.page.run(() => {});
  checkSaving(await user.summary(), problems);
  compare(problems, "pictures of another page's run", (await user.figures()).length, 12);
  compare(problems, "a picture of another page's run", await user.hasPicture(), true);
}

/** Changes a setting and changes it back: the panel says while the run is not that of the settings. */
async function noteOldRun(user, type, problems) {
  const shown = (text) => user.panel.getByText(text, { exact: true }).isVisible();
  compare(problems, "pictures are called previews", await shown("These are previews. SAGE Save Images shows the finished pictures here."), true);
  const change = async (share) => {
    await user.tab.evaluate(([wanted, value]) => {
      const node = window.app.graph.nodes.find((found) => found.type === wanted);
      node.widgets.find(({ name }) => name === "share").value = value;
      const tracker = window.app.extensionManager.workflow.activeWorkflow.changeTracker;
      tracker[tracker.captureCanvasState ? "captureCanvasState" : "checkState"]();
    }, [type, share]);
    await user.page.settle();
    return shown("The workflow has changed since this run.");
  };
  compare(problems, "a note after a change", await change(0.1), true);
  compare(problems, "a note after the change back", await change(0.4), false);
}

/** Only the training of an example workflow and its report. */
export function trainingOnly(workflow) {
  onlyNodes(workflow, TRAINING, INPUTS);
  return workflow;
}

/** A training with so many steps that the user has to end it. */
export function endlessTraining(workflow, name) {
  const { widgets_values: values } = trainingOnly(workflow).nodes.find(({ type }) => type === TRAINING);
  values[0] = 100_000; // steps
  values[5] = name;
  values[values.length - 4] = 2; // sample_every
  return workflow;
}

/** Runs, and ends the training with the button on the panel. After a reload the panel shows the same. */
export async function endTraining(user, workflow, shot, problems) {
  await user.page.load(workflow);
  await user.tab.getByTestId("queue-button").click();
  await user.waitForSummary(/^step \d+ of 100000, .* left$/); // not the summary of an earlier run
  await user.panel.locator(".sage-training img").waitFor({ timeout: 300_000 });
  await user.page.settle();
  compare(problems, "ComfyUI's own pictures on the node", await user.comfyPreviews(TRAINING), 0);
  await shot("running");
  await user.panel.getByRole("button", { name: "Stop and save" }).press("Enter");
  await user.waitForSummary(/^step \d+ of 100000, learning rate \S+, stopped after /);
  await user.page.settle();
  const done = { summary: await user.summary(), ...(await user.trainingResult()) };
  if (done.lines < 2) problems.push(`${done.lines} lines are drawn`);
  if (!done.samples) problems.push("no sample images are shown");
  compare(problems, "buttons after the end", await user.panel.getByRole("button").count(), 0);
  await user.page.reload();
  await user.waitForSummary(/, stopped after /);
  compare(problems, "after a reload", { summary: await user.summary(), ...(await user.trainingResult()) }, done);
}

/** The size of pictures changes at once. Without panels, nodes that are loaded next have none. */
export async function useSettings(user, workflow, shot, problems) {
  const choose = (id, value) => user.tab.evaluate((chosen) => window.app.extensionManager.setting.set(...chosen), [id, value]);
  const width = () => user.tab.evaluate(() => document.documentElement.style.getPropertyValue("--sage-tile"));
  try {
    compare(problems, "the width of pictures", await width(), "64px");
    await choose("SAGE.PictureSize", 128);
    compare(problems, "the width of pictures after a change", await width(), "128px");
    await user.page.load(workflow);
    compare(problems, "panels", await user.panel.count(), 1);
    await choose("SAGE.RunningPanels", false);
    await user.page.load(workflow);
    compare(problems, "panels that are switched off", await user.panel.count(), 0);
    await shot("without");
  } finally {
    await choose("SAGE.PictureSize", 64);
    await choose("SAGE.RunningPanels", true);
  }
}
