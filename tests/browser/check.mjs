// Opens each example workflow in the real page of a running ComfyUI, like a user who has just
// installed the pack: template browser, our pack, the workflow, Run.
//
//     node check.mjs URL FOLDER_FOR_SCREENSHOTS RENDERER...     (renderers: classic, vue)
//
// Prints one line per case ("ok" or "FAIL" and its title) and one line per problem.

import fs from "node:fs";
import path from "node:path";
import { BlueprintUser, useBlueprint } from "./blueprint.mjs";
import { differences, layoutProblems } from "./compare.mjs";
import { example, names, withBlueprint } from "./examples.mjs";
import { GroupsPanelUser, changeGroups, findPins, groupingOnly, readError, reloadPage } from "./groups_panel.mjs";
import { useChinese } from "./language.mjs";
import { measureNodes } from "./node_sizes.mjs";
import { WorkflowPage, launch } from "./page.mjs";
import { PicturesUser, lookAtPictures, useFavourites, useListFavourites } from "./pictures.mjs";
import { editPrompts, scrollThousand } from "./prompt_editor.mjs";
import { ProgressPanelUser, endTraining, endlessTraining, runAgain, useSettings, watchSampling } from "./progress_panels.mjs";
import { usePromptFiles } from "./prompt_files.mjs";
import { CASES as REUSE, ReuseUser, tryOutPrompts } from "./reuse.mjs";
import { SavedGraphsUser, useSavedGraphs } from "./saved_graphs.mjs";
import { Server } from "./server.mjs";
import { useShareExplorer } from "./share_explorer.mjs";
import { ShareHereUser, useShareHere } from "./share_here.mjs";

// How many files each workflow saves. The first one saves 24 images and the grid. Others need a model of the user.
const FILES = {
  "1 Try SAGE (no download)": 25, "3 One node (SAGE KSampler)": 24, "4 Two nodes (prefix and branch)": 24,
  "5 Custom sampler (SAGE Guider)": 24, "6 Share Sampling (any sampler)": 10, "7 Share Sampling, second pass": 1,
  "8 Train a SAGE LoRA": 1, "9 Share Sampling, change a picture": 10, "11 Video clips (no download)": 12,
};

const [url, folder, ...renderers] = process.argv.slice(2);
const CASES = new RegExp(process.env.SAGE_CASES ?? "");
const server = new Server(url);

/** Runs one case. It fails if it reports a problem or throws. */
async function check(title, run) {
  if (!CASES.test(title)) return;
  const start = Date.now();
  const problems = [];
  try {
    await run(problems);
  } catch (error) {
    problems.push(`${error.message}${whereOf(error)}`);
    await server.stopRuns();
  }
  if (problems.length) process.exitCode = 1;
  console.log(`${problems.length ? "FAIL" : "ok  "} ${title} (${((Date.now() - start) / 1000).toFixed(1)} s)`);
  for (const problem of problems) console.log(`     ${problem}`);
}

/** The lines of ours that an error came through, the innermost first. */
function whereOf(error) {
  const lines = [...String(error.stack).matchAll(/tests\/browser\/(\w+\.mjs:\d+)/g)].map(([, line]) => line);
  return lines.length ? ` (${lines.slice(0, 3).join(" < ")})` : "";
}

/** The name under which the server lists our workflows: the pack's folder in custom_nodes. */
async function packName() {
  const packs = Object.entries(await (await server.get("/api/workflow_templates")).json());
  return packs.find(([, listed]) => names.every((name) => listed.includes(name)))?.[0];
}

async function templatesAreListed(problems) {
  const pack = await packName();
  if (!pack) return problems.push(`no pack lists ${names.join(", ")}`);
  for (const name of names) {
    const route = `/api/workflow_templates/${pack}/${encodeURIComponent(name)}`;
    await (await server.get(`${route}.json`)).json();
    const type = (await server.get(`${route}.jpg`)).headers.get("content-type");
    if (type !== "image/jpeg") problems.push(`${route}.jpg is served as ${type}`);
  }
}

/** Opens, inspects and runs a workflow in a tab of its own. */
async function runWorkflow(name, renderer, problems) {
  // Whether to sample again. To save time, most workflows are sampled only with the first renderer.
  const fresh = renderer === renderers[0] || name === "4 Two nodes (prefix and branch)";
  if (fresh) await server.post("/free", { free_memory: true });
  await server.changeSettings({
    "Comfy.TutorialCompleted": false, "Comfy.VueNodes.Enabled": renderer === "vue", "Comfy.Execution.PreviewMethod": "latent2rgb",
  });
  const file = example(name);
  const pack = await packName();
  const page = await WorkflowPage.open(browser, url);
  const shot = (moment) => page.tab.screenshot({ path: path.join(folder, `${name}-${renderer}-${moment}.png`) });
  const inspect = async (when) => {
    const boxes = await page.boxes();
    const drawn = renderer === "vue" ? file.nodes.length : 0;
    if (boxes.drawn !== drawn) problems.push(`${when}: ${boxes.drawn} nodes are drawn by Nodes 2.0, not ${drawn}`);
    const found = [...(await page.pageProblems()), ...layoutProblems(boxes), ...differences(file, await page.saved())];
    problems.push(...found.map((problem) => `${when}: ${problem}`));
  };
  try {
    await page.pickTemplate(pack, name, shot);
    await inspect("opened");
    const { images, previews } = await page.run(() => shot("running"));
    await shot("done");
    await inspect("done");
    problems.push(...(await fileProblems(page, images, FILES[name])));
    // A square preview would show a single image; the contact sheet of six groups has two by three.
    if (fresh && (await page.canPreview()) && !previews.some(([width, height]) => width !== height)) {
      problems.push(`no contact sheet among ${previews.length} live previews`);
    }
  } catch (error) {
    await shot("failed");
    throw error;
  } finally {
    problems.push(...page.consoleProblems(pack));
    await page.tab.close();
  }
}

/** Opens a workflow whose model is the user's own. What the page says of the missing file is no problem. */
async function loadWorkflow(name, renderer, problems) {
  const file = example(name);
  const use = async (page) => {
    await page.load(file);
    problems.push(...layoutProblems(await page.boxes()), ...differences(file, await page.saved()));
  };
  await inTab(name, renderer, "end", use, []);
}

/** Groups, thresholds and pins on the groups panel. The saved workflow is then opened in a second tab. */
async function checkPanel(renderer, problems) {
  const workflow = groupingOnly(example("4 Two nodes (prefix and branch)"));
  const first = (page, shot) => changeGroups(new GroupsPanelUser(page, renderer), workflow, shot, problems);
  const changed = await inTab("panel", renderer, "first", first, problems);
  const second = async (page, shot) => {
    const user = new GroupsPanelUser(page, renderer);
    await findPins(user, changed, workflow, problems);
    await reloadPage(user, workflow, shot, problems);
  };
  await inTab("panel", renderer, "second", second, problems);
}

/** The list of prompts, edited in the cards of the groups panel. */
async function checkEditor(renderer, problems) {
  const use = async (page, shot) => {
    const user = new GroupsPanelUser(page, renderer);
    await editPrompts(user, groupingOnly(example("4 Two nodes (prefix and branch)")), shot, problems);
    await scrollThousand(user, shot, problems);
  };
  await inTab("editor", renderer, "end", use, problems);
}

/** An error of a run, on the panel of the node. The page reports it, too: that is no problem here. */
async function checkError(renderer, problems) {
  const workflow = groupingOnly(example("4 Two nodes (prefix and branch)"));
  const use = (page, shot) => readError(new GroupsPanelUser(page, renderer), workflow, shot, problems);
  await inTab("error", renderer, "end", use, []);
}

/** The panel of a sampling node: during a run, after a copy of the workflow was open, and after a reload. */
async function checkSampling(renderer, problems) {
  await server.post("/free", { free_memory: true });
  await server.changeSettings({ "Comfy.Execution.PreviewMethod": "latent2rgb" });
  const use = (page, shot) => watchSampling(new ProgressPanelUser(page), example("3 One node (SAGE KSampler)"), shot, problems);
  await inTab("sampling", renderer, "end", use, problems);
  const { SageKSampler: sampler } = await (await server.get("/object_info/SageKSampler")).json();
  if (!sampler.has_intermediate_output) return; // ComfyUI 0.3.75 says nothing of a node that it does not run again
  const again = (page) => runAgain(new ProgressPanelUser(page), example("3 One node (SAGE KSampler)"), problems);
  await inTab("sampling_again", renderer, "end", again, problems);
}

/** The pictures of a sampling panel, over the whole page. */
async function checkPictures(renderer, problems) {
  await inTab("pictures", renderer, "end", (page, shot) => lookAtPictures(new PicturesUser(page), shot, problems), problems);
}

/** Favourites among the pictures, and a run of these alone. */
async function checkFavourites(renderer, problems) {
  await server.post("/free", { free_memory: true }); // in ComfyUI 0.3.75, what is cached gives a new page no pictures
  await inTab("favourites", renderer, "end", (page, shot) => useFavourites(new PicturesUser(page), shot, problems), problems);
}

/** Favourites among the pictures of Share Sampling, whose prompts are from Prompt List. */
async function checkListFavourites(renderer, problems) {
  await server.post("/free", { free_memory: true });
  const use = (page, shot) => useListFavourites(new PicturesUser(page), renderer, shot, problems);
  await inTab("list_favourites", renderer, "end", use, problems);
}

/** The panel of a training, and its button that ends the training. */
async function checkTraining(renderer, problems) {
  const workflow = endlessTraining(example("8 Train a SAGE LoRA"), `ended_${renderer}_${Date.now()}`);
  const use = (page, shot) => endTraining(new ProgressPanelUser(page), workflow, shot, problems);
  await inTab("training", renderer, "end", use, problems);
}

/** The pack's settings in ComfyUI's settings dialog. */
async function checkSettings(renderer, problems) {
  const use = (page, shot) => useSettings(new ProgressPanelUser(page), example("3 One node (SAGE KSampler)"), shot, problems);
  await inTab("settings", renderer, "end", use, problems);
}

/** Graphs from before the samplers had some of their inputs. */
async function checkSavedGraphs(renderer, problems) {
  const files = ["4 Two nodes (prefix and branch)", "3 One node (SAGE KSampler)", "5 Custom sampler (SAGE Guider)"].map((name) => [name, example(name)]);
  const workflows = { ...Object.fromEntries(files), "a workflow with the blueprint": withBlueprint() };
  const use = (page, shot) => useSavedGraphs(new SavedGraphsUser(page, renderer), workflows, shot, problems);
  await inTab("saved", renderer, "end", use, problems);
}

/** The blueprint, from the node library to its images. */
async function checkBlueprint(renderer, problems) {
  const use = (page, shot) => useBlueprint(new BlueprintUser(page), shot, problems);
  await inTab("blueprint", renderer, "end", use, problems);
}

/** The command in a sampler's menu that puts three nodes around it. */
async function checkShareHere(renderer, problems) {
  const use = (page, shot) => useShareHere(new ShareHereUser(page), shot, problems);
  await inTab("share_here", renderer, "end", use, problems);
}

/** The Share Explorer, and its button that sets the sampler. */
async function checkShareExplorer(renderer, problems) {
  await inTab("explorer", renderer, "end", (page, shot) => useShareExplorer(page, renderer, shot, problems), problems);
}

/** A changed word, with what was rendered before in memory. */
async function checkReuse(renderer, problems) {
  for (const [title, { file }] of Object.entries(REUSE)) {
    await server.post("/free", { free_memory: true });
    const use = (page, shot) => tryOutPrompts(new ReuseUser(page, renderer), title, example(file), shot, problems);
    await inTab("reuse", renderer, "end", use, problems);
  }
}

/** The sizes of new nodes. */
async function checkSizes(renderer, problems) {
  await inTab("sizes", renderer, "end", (page, shot) => measureNodes(page, shot, problems), problems);
}

/** A file of prompts from the user's computer. */
async function checkPromptFiles(renderer, problems) {
  await inTab("prompt_files", renderer, "end", (page) => usePromptFiles(page, problems), problems);
}

/** ComfyUI in Chinese. */
async function checkLanguage(renderer, problems) {
  const use = (page, shot) => useChinese(page, groupingOnly(example("3 One node (SAGE KSampler)")), shot, problems);
  await server.changeSettings({ "Comfy.Locale": "zh" });
  try {
    await inTab("language", renderer, "end", use, problems);
  } finally {
    await server.changeSettings({ "Comfy.Locale": "en" });
  }
}

/** Calls `use` with a new tab and gives what it returns. Every message on the console is a problem. */
async function inTab(name, renderer, moment, use, problems) {
  await server.changeSettings({ "Comfy.TutorialCompleted": true, "Comfy.VueNodes.Enabled": renderer === "vue" });
  const page = await WorkflowPage.open(browser, url);
  await page.waitForStart();
  page.opened = page.console.length;
  const shot = (when) => page.tab.screenshot({ path: path.join(folder, `${name}-${renderer}-${when}.png`) });
  try {
    return await use(page, shot);
  } finally {
    await shot(moment);
    problems.push(...(await page.pageProblems()), ...page.consoleProblems(await packName()));
    await page.tab.close();
  }
}

async function fileProblems(page, files, expected) {
  const saved = files.filter(({ type }) => type === "output");
  const problems = [];
  if (saved.length !== expected) problems.push(`${saved.length} files were saved, not ${expected}`);
  const images = files.filter(({ filename }) => !filename.endsWith(".mp4"));
  const shown = await page.shownImages(images.length);
  if (shown < images.length) problems.push(`${shown} of ${images.length} images are shown on nodes`);
  if (images.length < files.length && !(await page.shownVideos())) problems.push("no video is shown on a node");
  const broken = (await page.widths(files)).filter((width) => !width).length;
  if (broken) problems.push(`${broken} files cannot be loaded`);
  return problems;
}

fs.mkdirSync(folder, { recursive: true });
await check("the server lists the workflows with their thumbnails", templatesAreListed);
const browser = await launch();
for (const renderer of renderers) {
  await check(`node sizes, ${renderer}`, (problems) => checkSizes(renderer, problems));
  await check(`panel, ${renderer}`, (problems) => checkPanel(renderer, problems));
  await check(`prompt editor, ${renderer}`, (problems) => checkEditor(renderer, problems));
  await check(`error on a panel, ${renderer}`, (problems) => checkError(renderer, problems));
  await check(`sampling panel, ${renderer}`, (problems) => checkSampling(renderer, problems));
  await check(`pictures, ${renderer}`, (problems) => checkPictures(renderer, problems));
  await check(`favourites, ${renderer}`, (problems) => checkFavourites(renderer, problems));
  await check(`list and favourites, ${renderer}`, (problems) => checkListFavourites(renderer, problems));
  await check(`training panel, ${renderer}`, (problems) => checkTraining(renderer, problems));
  await check(`settings, ${renderer}`, (problems) => checkSettings(renderer, problems));
  await check(`saved graphs, ${renderer}`, (problems) => checkSavedGraphs(renderer, problems));
  await check(`blueprint, ${renderer}`, (problems) => checkBlueprint(renderer, problems));
  await check(`share here, ${renderer}`, (problems) => checkShareHere(renderer, problems));
  await check(`share explorer, ${renderer}`, (problems) => checkShareExplorer(renderer, problems));
  await check(`reuse, ${renderer}`, (problems) => checkReuse(renderer, problems));
  await check(`language, ${renderer}`, (problems) => checkLanguage(renderer, problems));
  await check(`prompt files, ${renderer}`, (problems) => checkPromptFiles(renderer, problems));
}
for (const name of names) {
  const use = name in FILES ? runWorkflow : loadWorkflow;
  for (const renderer of renderers) {
    await check(`${name}, ${renderer}`, (problems) => use(name, renderer, problems));
  }
}
await browser.close();
