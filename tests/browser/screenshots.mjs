// Takes the pictures that the README and the help pages show: panels of nodes after a run.
//
//     node screenshots.mjs URL FOLDER

import fs from "node:fs";
import path from "node:path";
import { example } from "./examples.mjs";
import { WorkflowPage, launch } from "./page.mjs";
import { trainingOnly } from "./running.mjs";
import { Server } from "./server.mjs";

const VIEW = { viewport: { width: 1280, height: 2000 }, deviceScaleFactor: 2 }; // higher than the highest node
const SETTINGS = {
  "Comfy.TutorialCompleted": true, "Comfy.VueNodes.Enabled": true, "Comfy.ColorPalette": "dark",
  "Comfy.Execution.PreviewMethod": "latent2rgb",
};
const WIDTH = 440;
/** What is run, and the panels that are taken then: their nodes, made so high that the panels are equally high. */
const RUNS = [
  [example("sage_ksampler"), { groups_panel: ["SageSemanticGroupPrompts", 1258], sampling_panel: ["SageKSampler", 867] }],
  [trainingOnly(example("Train a SAGE LoRA")), { training_panel: ["SageTrainLora", 1558] }],
];

/** Brings a node into view, large and with nothing before it; the place of its panel. */
async function panelOf(tab, type, height) {
  const id = await tab.evaluate(([wanted, size]) => {
    const { graph, canvas } = window.app;
    const node = graph.nodes.find((each) => each.type === wanted);
    node.setSize(size);
    canvas.ds.scale = 1;
    canvas.ds.offset = [200 - node.pos[0], 150 - node.pos[1]];
    canvas.bringToFront(node);
    canvas.setDirty(true, true);
    return node.id;
  }, [type, [WIDTH, height]]);
  const cover = await tab.addStyleTag({ content: `[data-node-id]:not([data-node-id="${id}"]) { visibility: hidden; }` });
  await tab.waitForTimeout(1500); // the layout settles
  return { clip: await tab.locator(`[data-node-id="${id}"] .sage-panel`).boundingBox(), cover };
}

const [url, folder] = process.argv.slice(2);
await new Server(url).choose(SETTINGS);
fs.mkdirSync(folder, { recursive: true });
const browser = await launch();
const page = await WorkflowPage.open(browser, url, VIEW);
await page.begin();
for (const [workflow, panels] of RUNS) {
  await page.load(workflow);
  await page.run(() => {});
  for (const [name, [type, height]] of Object.entries(panels)) {
    const file = path.join(folder, `${name}.jpg`);
    const { clip, cover } = await panelOf(page.tab, type, height);
    await page.tab.screenshot({ path: file, clip, quality: 85 });
    await cover.evaluate((style) => style.remove());
    console.log(`${file}: ${clip.width} x ${clip.height}, ${Math.round(fs.statSync(file).size / 1024)} kB`);
  }
}
await browser.close();
