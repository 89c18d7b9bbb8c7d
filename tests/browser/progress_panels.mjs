// A person at the panels of nodes that run for long: sees what they do, goes away and comes back.

import { compare, onlyNodes } from "./groups_panel.mjs";

const TRAINING = "SageTrainLora";
const BEFORE = ["SageDemoModel", "SageDemoImages", "CLIPTextEncode", "MakeTrainingDataset"];

export class RunUser {
  /** @param {import("./page.mjs").WorkflowPage} page */
  constructor(page) {
    Object.assign(this, { page, tab: page.tab });
    this.panel = page.tab.locator(".sage-panel").filter({ has: page.tab.locator(".sage-progress") });
  }

  summary() {
    return this.panel.getByRole("status").textContent();
  }

  /** Waits until it says so. @param {RegExp} text */
  async says(text) {
    await this.panel.getByRole("status").filter({ hasText: text }).waitFor({ timeout: 300_000 });
  }

  /** Lines of the plot, and the width of the sample images. */
  training() {
    return this.panel.evaluate((panel) => {
      const samples = panel.querySelector(".sage-training img");
      return { lines: panel.querySelectorAll("path[d^=M]").length, samples: samples.hidden ? 0 : samples.naturalWidth };
    });
  }

  /** Title and frame of each picture that is shown. */
  figures() {
    return this.panel.locator("figure").evaluateAll((found) =>
      found.map((figure) => [figure.querySelector("figcaption").textContent, getComputedStyle(figure).borderColor]),
    );
  }

  /** Whether the tiles have a picture to show. */
  painted() {
    const background = (found) => getComputedStyle(found).backgroundImage.startsWith('url("data:image/jpeg;base64,');
    return this.panel.locator(".sage-tile").first().evaluate(background);
  }

  /** How many pictures the page itself shows on the node with the panel. */
  hostPreviews(type) {
    return this.tab.evaluate((wanted) => {
      const node = window.app.graph.nodes.find((each) => each.type === wanted);
      const html = [...document.querySelectorAll(`[data-node-id="${node.id}"] img`)];
      return (node.imgs?.length ?? 0) + html.filter((image) => !image.closest(".sage-panel")).length;
    }, type);
  }
}

/** Runs; the pictures are there meanwhile, after another workflow was open, and in a page that is loaded again. */
export async function watchSampling(user, workflow, other, shot, problems) {
  const type = "SageKSampler";
  await user.page.load(workflow);
  await user.page.run(async () => {
    compare(problems, "pictures on the node besides the panel's", await user.hostPreviews(type), 0);
    compare(problems, "a picture while it runs", await user.painted(), true);
    await shot("running");
  });
  const done = { summary: await user.summary(), figures: await user.figures() };
  if (!/^736 of 736 evaluations, 23.3% saved, done in (\d+ min )?\d+ s$/.test(done.summary)) problems.push(`it says ${done.summary}`);
  compare(problems, "pictures", done.figures.length, 12);
  compare(problems, "the first one", done.figures[0], ["1. a red flower on a yellow background", "rgb(0, 114, 178)"]);
  compare(problems, "the fourth one", done.figures[3], ["4. a green tree in the snow", "rgb(230, 159, 0)"]);
  const look = async (when) => {
    compare(problems, when, { summary: await user.summary(), figures: await user.figures() }, done);
    compare(problems, `a picture ${when}`, await user.painted(), true);
    compare(problems, `pictures besides, ${when}`, await user.hostPreviews(type), 0);
  };
  await user.page.load(other);
  await user.page.load(workflow);
  await look("back from another workflow");
  await user.page.reload();
  await look("after a reload");
}

/** The training of an example workflow and its report. */
export function trainingOnly(workflow) {
  onlyNodes(workflow, TRAINING, BEFORE);
  return workflow;
}

/** Far too long, so that somebody has to end it. */
export function endlessTraining(workflow, name) {
  const { widgets_values: values } = trainingOnly(workflow).nodes.find(({ type }) => type === TRAINING);
  values[0] = 100_000; // steps
  values[5] = name;
  values[values.length - 4] = 2; // sample_every
  return workflow;
}

/** Runs, and ends it with the panel's button; all is there in a page that is loaded again. */
export async function endTraining(user, workflow, shot, problems) {
  await user.page.load(workflow);
  await user.tab.getByTestId("queue-button").click();
  await user.says(/^step \d+ of 100000, .* left$/); // not what an earlier run has left on the panel
  await user.panel.locator(".sage-training img").waitFor({ timeout: 300_000 });
  await user.page.settle();
  compare(problems, "pictures on the node besides the panel's", await user.hostPreviews(TRAINING), 0);
  await shot("running");
  await user.panel.getByRole("button", { name: "Stop and save" }).press("Enter");
  await user.says(/^step \d+ of 100000, learning rate \S+, stopped after /);
  await user.page.settle();
  const done = { summary: await user.summary(), ...(await user.training()) };
  if (done.lines < 2) problems.push(`${done.lines} lines are drawn`);
  if (!done.samples) problems.push("no sample images are shown");
  compare(problems, "a button where nothing runs", await user.panel.getByRole("button").count(), 0);
  await user.page.reload();
  compare(problems, "after a reload", { summary: await user.summary(), ...(await user.training()) }, done);
}

/** Larger pictures at once; no panels on nodes that are loaded next. */
export async function useSettings(user, workflow, shot, problems) {
  const choose = (id, value) => user.tab.evaluate((chosen) => window.app.extensionManager.setting.set(...chosen), [id, value]);
  const width = () => user.tab.evaluate(() => document.documentElement.style.getPropertyValue("--sage-tile"));
  try {
    compare(problems, "the width of pictures", await width(), "64px");
    await choose("SAGE.PictureSize", 128);
    compare(problems, "the width of pictures that was chosen", await width(), "128px");
    await user.page.load(workflow);
    compare(problems, "panels", await user.panel.count(), 1);
    await choose("SAGE.RunningPanels", false);
    await user.page.load(workflow);
    compare(problems, "panels that nobody wants", await user.panel.count(), 0);
    await shot("without");
  } finally {
    await choose("SAGE.PictureSize", 64);
    await choose("SAGE.RunningPanels", true);
  }
}
