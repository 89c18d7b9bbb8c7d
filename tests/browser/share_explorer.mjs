// A user of the Share Explorer: runs it, sees its picture, and sets the sampler to the share that it has found.

import { compare } from "./compare.mjs";

const node = (class_type, inputs = {}, title = class_type) => ({ class_type, inputs, _meta: { title } });
const SAMPLING = {
  model: ["1", 0], groups: ["2", 0], negative: ["3", 0], latent_image: ["4", 0], seed: 3, control_after_generate: "fixed",
  steps: 6, cfg: 4, sampler_name: "euler", scheduler: "simple", denoise: 1,
};
/** Two cars on the demo model; whatever the share, their pictures are alike enough. */
const GRAPH = {
  1: node("SageDemoModel"),
  2: node("SageSemanticGroupPrompts", {
    clip: ["1", 1], prompts: "a red car in the snow\na blue car in the snow", threshold_mode: "fixed", threshold: 0.5,
  }),
  3: node("CLIPTextEncode", { clip: ["1", 1], text: "" }),
  4: node("EmptyLatentImage", { width: 64, height: 64, batch_size: 1 }),
  5: node("SageKSampler", { ...SAMPLING, share: 0.2, share_mode: "tree", correction: "off" }, "sampler"),
  6: node("SageShareExplorer", {
    ...SAMPLING, vae: ["1", 2], shares: "0.5", tolerance: 0.9, most_prompts: 2,
  }, "explorer"),
};
const BUTTON = "Use share 0.5 in the sampler";

/** @param {import("./page.mjs").WorkflowPage} page @param {string} renderer */
export async function useShareExplorer(page, renderer, shot, problems) {
  const { tab } = page;
  const buttons = () => tab.evaluate(() => {
    const { widgets } = window.app.graph.nodes.find(({ title }) => title === "explorer");
    return widgets.filter(({ type }) => type === "button").map(({ label }) => label);
  });
  const sampler = () => tab.evaluate(() => {
    const { widgets } = window.app.graph.nodes.find(({ title }) => title === "sampler");
    return ["share", "share_mode", "correction"].map((name) => widgets.find((widget) => widget.name === name).value);
  });
  await tab.evaluate((api) => window.app.loadApiJson(api, "explorer"), GRAPH);
  await page.settle();
  compare(problems, "buttons before the run", await buttons(), []);
  const { images } = await page.run(() => {});
  compare(problems, "the pictures of the run", (await page.widths(images)).map(Boolean), [true]);
  // Nodes 2.0 leaves the last live preview beside it.
  compare(problems, "a picture on the node", (await page.shownImages(1)) >= 1, true);
  compare(problems, "buttons after the run", await buttons(), [BUTTON]);
  compare(problems, "the sampler before", await sampler(), [0.2, "tree", "off"]);
  await page.look("explorer");
  await shot("found");
  if (renderer === "vue") await tab.locator(".lg-node-widget").getByRole("button", { name: BUTTON }).click();
  else await page.pressOnCanvas("explorer", "use_share");
  compare(problems, "the sampler after the button", await sampler(), [0.5, "fixed", "on"]);
  await page.settle();
  await tab.keyboard.press("Control+z");
  await page.settle();
  compare(problems, "the sampler after an undo", await sampler(), [0.2, "tree", "off"]);
  compare(problems, "buttons after an undo", await buttons(), [BUTTON]);

  const copy = await page.saved();
  await tab.evaluate(() => {
    const { widgets } = window.app.graph.nodes.find(({ title }) => title === "explorer");
    widgets.find(({ name }) => name === "steps").value = 40; // long enough to open a tab meanwhile
    window.ended = false;
    window.app.api.addEventListener("execution_success", () => (window.ended = true), { once: true });
  });
  await tab.getByTestId("queue-button").click();
  const ended = await tab.evaluate((graph) => window.app.loadGraphData(graph).then(() => window.ended), copy);
  compare(problems, "the run has ended before the other tab was open", ended, false);
  await tab.waitForFunction(() => window.ended);
  compare(problems, "buttons in another tab", await buttons(), []);
  await page.previousWorkflow();
  compare(problems, "buttons after a run that ended while another tab was open", await buttons(), [BUTTON]);
}
