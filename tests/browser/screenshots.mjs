// Takes the pictures of the README and the help pages: nodes and panels after a run.
//
//     node screenshots.mjs URL FOLDER [NAME ...]
//
// With names it takes only these pictures, and runs only what they need.

import fs from "node:fs";
import path from "node:path";
import { example } from "./examples.mjs";
import { WorkflowPage, launch } from "./page.mjs";
import { trainingOnly } from "./progress_panels.mjs";
import { SCENES } from "./scenes.mjs";
import { Server } from "./server.mjs";

const VIEWPORT = { width: 1280, height: 2000 }; // taller than the tallest node
const SETTINGS = { "Comfy.TutorialCompleted": true, "Comfy.VueNodes.Enabled": true, "Comfy.ColorPalette": "dark" };
const EMPTY = { version: 0.4, nodes: [], links: [], groups: [] };
const WIDTH = 440;
const MARGIN = 14;
/** A workflow to run, and the panels to take: the node type and its height, so that all panels are equally high. */
const PANELS = [
  [
    example("3 One node (SAGE KSampler)"),
    { sampling_panel: ["SageKSampler", 979], groups_panel: ["SageSemanticGroupPrompts", 1236] },
  ],
  [trainingOnly(example("8 Train a SAGE LoRA")), { training_panel: ["SageTrainLora", 1558] }],
];

/**
 * Places nodes for a picture: by id [x, y, width, height], or [x, y] for a collapsed node. Nodes before the first of
 * them are hidden, so that only their links are seen. All other nodes are removed.
 */
async function arrange(tab, places) {
  await tab.evaluate((wanted) => {
    const { graph, canvas } = window.app;
    const first = graph.nodes.findIndex((node) => node.id in wanted);
    for (const [index, node] of [...graph.nodes].entries()) {
      const [x, y, ...size] = wanted[node.id] ?? [-800, 0];
      node.pos = [x, y];
      if (size.length) node.setSize(size);
      else if (node.id in wanted) node.collapse();
      else if (index > first) graph.remove(node);
    }
    canvas.ds.scale = 1;
    canvas.ds.offset = [200, 150];
    canvas.setDirty(true, true);
  }, places);
  const shown = Object.keys(places).map((id) => `:not([data-node-id="${id}"])`);
  const cover = await tab.addStyleTag({ content: `[data-node-id]${shown.join("")} { visibility: hidden; }` });
  await tab.waitForTimeout(1500); // the layout settles
  return cover;
}

/** The box around some elements, in page coordinates. */
async function boxAround(locators, margin) {
  const boxes = await Promise.all(locators.map((locator) => locator.boundingBox()));
  const x = Math.min(...boxes.map((box) => box.x)) - margin;
  const y = Math.min(...boxes.map((box) => box.y)) - margin;
  const width = Math.max(...boxes.map((box) => box.x + box.width)) + margin - x;
  return { x, y, width, height: Math.max(...boxes.map((box) => box.y + box.height)) + margin - y };
}

async function take(tab, name, clip) {
  const file = path.join(folder, `${name}.jpg`);
  await tab.screenshot({ path: file, clip, quality: 80 });
  console.log(`${file}: ${Math.round(fs.statSync(file).size / 1024)} kB`);
}

async function open(deviceScaleFactor, previews) {
  await new Server(url).changeSettings({ ...SETTINGS, "Comfy.Execution.PreviewMethod": previews });
  const page = await WorkflowPage.open(browser, url, { viewport: VIEWPORT, deviceScaleFactor });
  await page.waitForStart();
  return page;
}

async function runGraph(page, graph) {
  await page.load(EMPTY); // otherwise a new node shows the drawing of an old one with the same id
  await page.tab.evaluate(async (api) => {
    await window.app.refreshComboInNodes(); // for files that the previous run saved
    window.app.loadApiJson(api, "example");
  }, graph);
  await page.settle();
  await page.run(() => {});
}

async function takeScenes(scenes) {
  if (!scenes.length) return;
  const page = await open(1, "none"); // otherwise core nodes keep showing their live preview
  for (const scene of scenes) {
    const pictures = scene.at(-1);
    for (const graph of scene.slice(0, -1)) await runGraph(page, graph);
    for (const [name, places] of Object.entries(pictures)) {
      const cover = await arrange(page.tab, places);
      const nodes = Object.keys(places).map((id) => page.tab.locator(`[data-node-id="${id}"]`));
      await take(page.tab, name, await boxAround(nodes, MARGIN));
      await cover.evaluate((style) => style.remove());
    }
  }
}

async function takePanels(panels) {
  if (!panels.length) return;
  const page = await open(1.5, "latent2rgb");
  for (const [workflow, pictures] of panels) {
    await page.load(workflow);
    await page.run(() => {});
    for (const [name, [type, height]] of Object.entries(pictures)) {
      const { id } = workflow.nodes.find((node) => node.type === type);
      const cover = await arrange(page.tab, { [id]: [0, 0, WIDTH, height] });
      await take(page.tab, name, await boxAround([page.tab.locator(`[data-node-id="${id}"] .sage-panel`)], 0));
      await cover.evaluate((style) => style.remove());
    }
  }
}

const [url, folder, ...names] = process.argv.slice(2);
const wanted = (run) => !names.length || Object.keys(run.at(-1)).some((name) => names.includes(name));
fs.mkdirSync(folder, { recursive: true });
const browser = await launch();
await takeScenes(SCENES.filter(wanted));
await takePanels(PANELS.filter(wanted));
await browser.close();
