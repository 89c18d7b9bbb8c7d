// Opens each example workflow in the real page of a running ComfyUI, as a person who has just
// installed it does: template browser, our pack, the workflow, Run.
//
//     node check.mjs URL FOLDER_FOR_SCREENSHOTS RENDERER...     (renderers: classic, vue)
//
// Prints a line a case, "ok" or "FAIL" and its name, and a line a problem.

import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { differences, layoutProblems } from "./compare.mjs";
import { WorkflowPage } from "./page.mjs";
import { PanelUser, changeGroups, findPins, groupingOnly } from "./panel.mjs";
import { RunUser, endTraining, trainingOnly, useSettings, watchSampling } from "./running.mjs";

const EXAMPLES = path.join(path.dirname(fileURLToPath(import.meta.url)), "../../example_workflows");
// Images that each workflow saves.
// The first one: 24 and the grid.
const IMAGES = {
  "Try SAGE (no download)": 25, "Train a SAGE LoRA": 1, sage_text_to_image: 24, sage_ksampler: 24, sage_custom_sampler: 24,
};
// No sandbox, because CI runs as root; the rest keeps the browser from talking to anybody else.
const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];

const [url, folder, ...renderers] = process.argv.slice(2);
const names = fs.readdirSync(EXAMPLES).filter((name) => name.endsWith(".json")).map((name) => name.slice(0, -5));

/** Runs one case; it fails with every problem that it reports, or by throwing. */
async function check(title, run) {
  const start = Date.now();
  const problems = [];
  try {
    await run(problems);
  } catch (error) {
    problems.push(error.message);
  }
  if (problems.length) process.exitCode = 1;
  console.log(`${problems.length ? "FAIL" : "ok  "} ${title} (${((Date.now() - start) / 1000).toFixed(1)} s)`);
  for (const problem of problems) console.log(`     ${problem}`);
}

async function get(route) {
  const answer = await fetch(url + route);
  if (!answer.ok) throw new Error(`GET ${route}: ${answer.status}`);
  return answer;
}

async function post(route, body) {
  const answer = await fetch(url + route, { method: "POST", body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`POST ${route}: ${answer.status}`);
}

/** The name under which the server lists our workflows: the pack's folder in custom_nodes. */
async function packName() {
  const packs = Object.entries(await (await get("/api/workflow_templates")).json());
  return packs.find(([, listed]) => names.every((name) => listed.includes(name)))?.[0];
}

async function templatesAreListed(problems) {
  const pack = await packName();
  if (!pack) return problems.push(`no pack lists ${names.join(", ")}`);
  for (const name of names) {
    const route = `/api/workflow_templates/${pack}/${encodeURIComponent(name)}`;
    await (await get(`${route}.json`)).json();
    const type = (await get(`${route}.jpg`)).headers.get("content-type");
    if (type !== "image/jpeg") problems.push(`${route}.jpg is served as ${type}`);
  }
}

function example(name) {
  return JSON.parse(fs.readFileSync(path.join(EXAMPLES, `${name}.json`), "utf-8"));
}

/** Opens, inspects and runs a workflow in a tab of its own. */
async function runWorkflow(name, renderer, problems) {
  // A first visit. To save time, not all is sampled again when only the renderer changes.
  const fresh = renderer === renderers[0] || name === "sage_text_to_image";
  if (fresh) await post("/free", { free_memory: true });
  await post("/api/settings/Comfy.TutorialCompleted", false);
  await post("/api/settings/Comfy.VueNodes.Enabled", renderer === "vue");
  await post("/api/settings/Comfy.Execution.PreviewMethod", "latent2rgb");
  const file = example(name);
  const pack = await packName();
  const page = await WorkflowPage.open(browser, url);
  const shot = (moment) => page.tab.screenshot({ path: path.join(folder, `${name}-${renderer}-${moment}.png`) });
  const inspect = async (when) => {
    const boxes = await page.boxes();
    const drawn = renderer === "vue" ? file.nodes.length : 0;
    if (boxes.drawn !== drawn) problems.push(`${when}: ${boxes.drawn} nodes are drawn by Nodes 2.0, not ${drawn}`);
    const found = [...(await page.alarms()), ...layoutProblems(boxes), ...differences(file, await page.saved())];
    problems.push(...found.map((problem) => `${when}: ${problem}`));
  };
  try {
    await page.pickTemplate(pack, name, shot);
    await inspect("opened");
    const { images, previews } = await page.run(() => shot("running"));
    await shot("done");
    await inspect("done");
    problems.push(...(await imageProblems(page, images, IMAGES[name])));
    // Square ones would show one row: six groups make a sheet of two by three.
    if (fresh && (await page.canPreview()) && !previews.some(([width, height]) => width !== height)) {
      problems.push(`no contact sheet among ${previews.length} live previews`);
    }
  } catch (error) {
    await shot("failed");
    throw error;
  } finally {
    problems.push(...page.complaints(pack));
    await page.tab.close();
  }
}

/** Groups, thresholds and pins on the panel; what was saved is opened in a second tab. */
async function checkPanel(renderer, problems) {
  const workflow = groupingOnly(example("sage_text_to_image"));
  const first = (page, shot) => changeGroups(new PanelUser(page, renderer), workflow, shot, problems);
  const changed = await inTab("panel", renderer, "first", first, problems);
  const second = (page) => findPins(new PanelUser(page, renderer), changed, workflow, problems);
  await inTab("panel", renderer, "second", second, problems);
}

/** The panel of a sampling node: while it runs, in another tab, and after a reload. */
async function checkSampling(renderer, problems) {
  await post("/free", { free_memory: true });
  await post("/api/settings/Comfy.Execution.PreviewMethod", "latent2rgb");
  const [workflow, other] = ["sage_ksampler", "sage_text_to_image"].map(example);
  const use = (page, shot) => watchSampling(new RunUser(page), workflow, other, shot, problems);
  await inTab("sampling", renderer, "end", use, problems);
}

/** The panel of a training, and its button. */
async function checkTraining(renderer, problems) {
  const workflow = trainingOnly(example("Train a SAGE LoRA"), `ended_${renderer}_${Date.now()}`);
  const use = (page, shot) => endTraining(new RunUser(page), workflow, shot, problems);
  await inTab("training", renderer, "end", use, problems);
}

/** What a person can choose in ComfyUI's settings. */
async function checkSettings(renderer, problems) {
  const use = (page, shot) => useSettings(new RunUser(page), example("sage_ksampler"), shot, problems);
  await inTab("settings", renderer, "end", use, problems);
}

/** What `use` of a tab of its own returns; what the console says then is a problem. */
async function inTab(name, renderer, moment, use, problems) {
  await post("/api/settings/Comfy.TutorialCompleted", true);
  await post("/api/settings/Comfy.VueNodes.Enabled", renderer === "vue");
  const page = await WorkflowPage.open(browser, url);
  page.opened = page.console.length;
  const shot = (when) => page.tab.screenshot({ path: path.join(folder, `${name}-${renderer}-${when}.png`) });
  try {
    return await use(page, shot);
  } finally {
    await shot(moment);
    problems.push(...(await page.alarms()), ...page.complaints(await packName()));
    await page.tab.close();
  }
}

async function imageProblems(page, images, expected) {
  const saved = images.filter(({ type }) => type === "output");
  const problems = [];
  if (saved.length !== expected) problems.push(`${saved.length} images were saved, not ${expected}`);
  const shown = await page.shownImages();
  if (shown < images.length) problems.push(`${shown} of ${images.length} images are shown on nodes`);
  const broken = (await page.widths(images)).filter((width) => !width).length;
  if (broken) problems.push(`${broken} images cannot be loaded`);
  return problems;
}

fs.mkdirSync(folder, { recursive: true });
await check("the server lists the workflows with their thumbnails", templatesAreListed);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS });
for (const renderer of renderers) {
  await check(`panel, ${renderer}`, (problems) => checkPanel(renderer, problems));
  await check(`sampling panel, ${renderer}`, (problems) => checkSampling(renderer, problems));
  await check(`training panel, ${renderer}`, (problems) => checkTraining(renderer, problems));
  await check(`settings, ${renderer}`, (problems) => checkSettings(renderer, problems));
}
for (const name of names) {
  for (const renderer of renderers) {
    await check(`${name}, ${renderer}`, (problems) => runWorkflow(name, renderer, problems));
  }
}
await browser.close();
