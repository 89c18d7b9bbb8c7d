// A user who looks at the pictures of a sampling panel: large, side by side, and as files.

import { compare } from "./compare.mjs";

const SAMPLER = "sampler";
/** As people write them: long, and alike in their first words. */
const START =
  "masterpiece, best quality, ultra detailed, highly intricate, cinematic lighting, volumetric fog, sharp focus, " +
  "professional color grading, award winning photograph, depth of field, ";
const END =
  ", wide establishing shot seen from a low angle with a lot of sky above the horizon, soft morning light that comes " +
  "from the left, muted pastel palette, film grain, shot on 35mm film by a travelling documentary photographer";
export const SUBJECTS = ["a red car in the snow", "a blue car in the snow", "a small white boat on the sea", "a green tree in a field"];
export const PROMPTS = SUBJECTS.map((subject) => START + subject + END);

const node = (class_type, inputs, title = class_type) => ({ class_type, inputs, _meta: { title } });

/** Four long prompts, through the demo model, to saved files. */
export const graph = (seed, prefix, more = {}) => ({
  1: node("SageDemoModel", {}),
  2: node("SageSemanticGroupPrompts", {
    clip: ["1", 1], prompts: PROMPTS.join("\n"), encoder: "clip", threshold_mode: "auto", threshold: 0.8,
    max_group_size: 0, group_condition: "auto", ...more,
  }, "groups"),
  3: node("CLIPTextEncode", { clip: ["1", 1], text: "" }),
  4: node("EmptyLatentImage", { width: 192, height: 128, batch_size: 1 }),
  5: node("SageKSampler", {
    model: ["1", 0], groups: ["2", 0], negative: ["3", 0], latent_image: ["4", 0], seed, steps: 6, cfg: 4,
    sampler_name: "euler", scheduler: "simple", denoise: 1, share: 0.4,
  }, SAMPLER),
  6: node("VAEDecode", { samples: ["5", 0], vae: ["1", 2] }),
  7: node("SageSaveImages", { images: ["6", 0], groups: ["2", 0], filename_prefix: prefix }, "files"),
});

export class PicturesUser {
  /** @param {import("./page.mjs").WorkflowPage} page */
  constructor(page) {
    Object.assign(this, { page, tab: page.tab });
    this.panel = page.tab.locator(".sage-panel").filter({ has: page.tab.locator(".sage-progress") });
    this.viewer = page.tab.locator("dialog.sage-viewer");
    this.title = this.viewer.locator(".sage-viewer-title");
  }

  async load(nodes) {
    await this.tab.evaluate((api) => window.app.loadApiJson(api, "pictures"), nodes);
    await this.page.settle();
    await this.page.look(SAMPLER);
  }

  /** The button of a picture on the panel. @param {number} index */
  picture(index) {
    return this.panel.locator(".sage-enlarge").nth(index);
  }

  press(key) {
    return this.tab.keyboard.press(key);
  }

  /** The pictures whose files are shown on the panel, by their sizes. */
  fileSizes() {
    return this.panel.locator(".sage-enlarge img").evaluateAll(async (images) => {
      await Promise.all(images.map((image) => image.decode()));
      return images.map(({ naturalWidth, naturalHeight }) => `${naturalWidth} x ${naturalHeight}`);
    });
  }

  /** What is under the middle of the page's upper edge and corners: the viewer, also where the page has its toolbars. */
  covered() {
    return this.tab.evaluate(() => {
      const points = [[innerWidth / 2, 5], [20, 20], [innerWidth - 20, 20], [20, innerHeight - 20]];
      return points.every(([x, y]) => document.elementFromPoint(x, y)?.closest("dialog.sage-viewer"));
    });
  }
}

/** The menus of a picture, from the mouse and from the keys, and the way to the prompt's card and back. */
export async function useMenus(user, shot, problems) {
  const check = async (what, found, expected) => compare(problems, what, await found, expected);
  const menu = user.tab.locator(".sage-menu");
  const labels = () => menu.locator("button, a").allTextContents();
  const focused = () => user.tab.evaluate(() => document.activeElement.dataset.prompt ?? document.activeElement.getAttribute("aria-label"));
  const ITEMS = ["♡ Favourite", "Compare", "Copy prompt", "Show in list", "Save", "Open"];
  await user.picture(1).click({ button: "right" });
  await check("the menu of a picture", labels(), ["Enlarge", ...ITEMS]);
  await check("the page's own menu", user.tab.getByText("Bypass", { exact: true }).filter({ visible: true }).count(), 0);
  await shot("menu");
  await user.press("Escape");
  await check("menus after Escape", menu.count(), 0);
  await check("the focus after Escape", focused(), `Enlarge 2. ${SUBJECTS[1]}`);
  await user.press("Shift+F10");
  await user.press("ArrowDown");
  await user.press("Enter");
  const heart = user.panel.locator(".sage-heart").nth(1);
  await check("marked with the keys", heart.getAttribute("aria-pressed"), "true");
  await user.picture(1).click({ button: "right" });
  await user.tab.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await menu.getByText("Copy prompt").click();
  await check("copied from the menu", user.tab.evaluate(() => navigator.clipboard.readText()), PROMPTS[1]);
  await user.picture(1).click({ button: "right" });
  await menu.getByText("♥ Favourite").click();
  await check("marked no more", heart.getAttribute("aria-pressed"), "false");
  await user.picture(0).click({ button: "right" });
  const [download] = await Promise.all([user.tab.waitForEvent("download"), menu.getByText("Save", { exact: true }).click()]);
  compare(problems, "the file from the menu", download.suggestedFilename().endsWith(".png"), true);
  await user.picture(2).click({ button: "right" });
  await menu.getByText("Compare").click();
  await check("compared from the menu", user.viewer.locator(".sage-tile").count(), 2);
  await user.press("c");
  await user.viewer.locator(".sage-stage").click({ button: "right" });
  await check("the menu in the viewer", labels(), ITEMS);
  await shot("viewer_menu");
  await user.press("Escape");
  await check("the viewer after Escape", user.viewer.count(), 1);
  await user.viewer.getByRole("button", { name: "Show the card of this prompt" }).click();
  await user.page.settle();
  await check("the card", focused(), PROMPTS[3]);
  await shot("card");
  await user.press("p");
  await check("the picture of the card", user.title.textContent(), `4 / 4${`4. ${SUBJECTS[3]}`}`);
  await user.press("Escape");
  await check("back on the card", focused(), PROMPTS[3]);
  await useOtherLanguage(user, problems);
  await user.page.look(SAMPLER);
}

/** The viewer speaks the language that is set when it is opened. */
async function useOtherLanguage(user, problems) {
  const speak = (language) => user.tab.evaluate((its) => window.app.extensionManager.setting.set("Comfy.Locale", its), language);
  await speak("zh");
  await user.press("p");
  compare(problems, "the viewer in another language", await user.viewer.getByText("复制提示词", { exact: true }).count(), 1);
  await user.press("Escape");
  await speak("en");
  await user.page.settle();
}

/** Click, walk, copy, compare and close. @param {PicturesUser} user */
export async function lookAtPictures(user, shot, problems) {
  const check = async (what, found, expected) => compare(problems, what, await found, expected);
  await user.load(graph(3, "pictures/look"));
  await user.page.run(() => {});
  await check("files on the panel", user.fileSizes(), Array(4).fill("192 x 128"));
  await check("names below", user.panel.locator("figcaption").allTextContents(), SUBJECTS.map((text, at) => `${at + 1}. ${text}`));
  await user.page.look(SAMPLER);
  await shot("panel");
  await useMenus(user, shot, problems);

  await user.picture(1).click();
  await check("the title", user.title.textContent(), `2 / 4${`2. ${SUBJECTS[1]}`}`);
  await check("the prompt", user.viewer.locator(".sage-viewer-prompt").textContent(), PROMPTS[1]);
  await check("the viewer is above everything", user.covered(), true);
  await shot("large");
  await user.press("ArrowRight");
  await user.press("ArrowRight");
  await user.press("ArrowRight");
  await check("after the last one", user.title.textContent(), `1 / 4${`1. ${SUBJECTS[0]}`}`);

  await user.press("c");
  await check("two pictures", user.viewer.locator(".sage-tile img").count(), 2);
  await check("their names", user.title.locator("span").allTextContents(), [`1. ${SUBJECTS[0]}`, `2. ${SUBJECTS[1]}`]);
  const box = await user.viewer.locator(".sage-tile").first().boundingBox();
  await user.tab.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await user.tab.mouse.down();
  await user.tab.mouse.move(box.x + box.width / 4, box.y + box.height / 2, { steps: 4 });
  await user.tab.mouse.up();
  const wipe = async () => Math.round(Number(await user.viewer.locator(".sage-wipe").inputValue()));
  await check("the line between them", wipe(), 25);
  await user.press("ArrowUp");
  await check("the line after a key", wipe(), 30);
  await user.press("ArrowRight");
  await check("the other one after a key", user.title.locator("span").last().textContent(), `3. ${SUBJECTS[2]}`);
  await shot("compared");
  await user.press("c");
  await check("one picture again", user.viewer.locator(".sage-tile").count(), 1);

  await user.tab.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await user.viewer.getByRole("button", { name: "Copy the whole prompt" }).click();
  await check("the copied text", user.tab.evaluate(() => navigator.clipboard.readText()), PROMPTS[2]);
  const [download] = await Promise.all([user.tab.waitForEvent("download"), user.viewer.getByText("Save", { exact: true }).click()]);
  compare(problems, "the saved file", /^look_\d+_g\d+_a-small-white-boat.*\.png$/.test(download.suggestedFilename()), true);

  const { width, height } = user.tab.viewportSize();
  await user.tab.setViewportSize({ width: 480, height: 640 });
  await shot("small");
  await user.tab.setViewportSize({ width, height });
  await user.page.settle(); // on the classic canvas the panel is hidden while it is outside of the window
  await user.press("Escape");
  await check("viewers after Escape", user.viewer.count(), 0);
  const focused = () => user.tab.evaluate(() => document.activeElement.getAttribute("aria-label"));
  await check("the focus", focused(), `Enlarge 3. ${SUBJECTS[2]}`);
  await user.press("Enter");
  await check("opened with a key", user.title.textContent(), `3 / 4${`3. ${SUBJECTS[2]}`}`);
  await user.press("Escape");
  await user.page.settle();
  await user.page.reload();
  await check("files after a reload", user.fileSizes(), Array(4).fill("192 x 128"));
  await saveAgain(user, problems);
  await loseFiles(user, shot, problems);
}

/** Other names: the sampler does not run again, and its panel shows the new files. */
async function saveAgain(user, problems) {
  await user.tab.evaluate(() => {
    const files = window.app.graph.nodes.find(({ title }) => title === "files");
    files.widgets.find(({ name }) => name === "filename_prefix").value = "pictures/again";
  });
  await user.page.run(() => {});
  const sources = await user.panel.locator(".sage-enlarge img").evaluateAll((images) => images.map(({ src }) => src));
  compare(problems, "new files", sources.map((src) => src.includes("filename=again_")), Array(4).fill(true));
}

/** Files that were deleted: their previews are shown, on the panel and large. */
async function loseFiles(user, shot, problems) {
  await user.tab.route(/\/view\?.*filename=again_/, (route) => route.fulfill({ status: 404 }));
  await user.page.reload();
  compare(problems, "pictures of lost files", await user.panel.locator(".sage-enlarge img").count(), 0);
  await user.page.look(SAMPLER);
  await user.picture(0).click();
  await user.page.settle();
  const preview = (found) => getComputedStyle(found).backgroundImage.startsWith('url("data:image/jpeg;base64,');
  compare(problems, "a preview, large", await user.viewer.locator(".sage-tile").evaluate(preview), true);
  await shot("preview");
  await user.press("Escape");
}

/** The marks of the pictures on the panel. @param {PicturesUser} user */
const hearts = (user) =>
  user.panel.locator(".sage-heart").evaluateAll((found) => found.map((heart) => heart.getAttribute("aria-pressed") === "true"));

/** The pixels of the files on the panel, as sums of all their values. @param {PicturesUser} user */
const pixels = (user) =>
  user.panel.locator(".sage-enlarge img").evaluateAll(async (images) => {
    const sums = [];
    for (const image of images) {
      await image.decode();
      const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight).getContext("2d");
      canvas.drawImage(image, 0, 0);
      const { data } = canvas.getImageData(0, 0, image.naturalWidth, image.naturalHeight);
      sums.push(data.reduce((sum, value, index) => (sum + value * (1 + (index % 8191))) % 2 ** 40, 0));
    }
    return sums;
  });

/** Whether pictures are the same, but for what another size of the batch changes. */
const alike = (found, expected) =>
  found.length === expected.length && found.every((sum, index) => Math.abs(sum / expected[index] - 1) < 1e-5);

/** Marks pictures in three ways, runs only these, and all again. @param {PicturesUser} user */
export async function useFavourites(user, shot, problems) {
  const check = async (what, found, expected) => compare(problems, what, await found, expected);
  const button = (name) => user.panel.getByRole("button", { name, exact: true });
  const groups = user.tab.locator(".sage-panel").filter({ has: user.tab.locator(".sage-cards") });
  const nodes = graph(5, "pictures/liked");
  nodes[5].inputs.share = 0;
  await user.load(nodes);
  await user.tab.evaluate(() => {
    const sampler = window.app.graph.nodes.find(({ title }) => title === "sampler");
    sampler.widgets.find(({ name }) => name === "control_after_generate").value = "fixed";
  });
  await user.page.run(() => {});
  await user.page.look(SAMPLER);
  const whole = await pixels(user);
  await check("the choice without favourites", button("Run only these").isVisible(), false);
  await user.picture(1).hover();
  await user.panel.locator(".sage-heart").nth(1).click();
  await user.picture(2).focus();
  await user.press("f");
  await user.picture(3).click();
  await user.press("f");
  await check("the heart in the viewer", user.viewer.getByRole("button", { name: "Favourite (F)" }).getAttribute("aria-pressed"), "true");
  await shot("heart");
  await user.press("ArrowLeft");
  await user.press("f");
  await user.press("Escape");
  await check("hearts", hearts(user), [false, true, false, true]);
  await user.page.settle();
  await shot("marked");

  await button("Run only these").click();
  await user.tab.waitForFunction(() => document.querySelectorAll(".sage-sheet img").length === 2, null, { timeout: 300_000 });
  compare(problems, "the pictures are those of before", alike(await pixels(user), [whole[1], whole[3]]), true);
  await check("their hearts", hearts(user), [true, true]);
  await check("the choice", button("Only favourites (2)").getAttribute("aria-pressed"), "true");
  await user.page.settle();
  await shot("only");
  await user.page.reload();
  await check("hearts after a reload", hearts(user), [true, true]);
  await check("the choice after a reload", button("Only favourites (2)").getAttribute("aria-pressed"), "true");

  await groups.getByRole("button", { name: "All prompts" }).click();
  await button("All prompts").and(user.tab.locator('[aria-pressed="true"]')).waitFor({ timeout: 10_000 });
  await user.page.run(() => {});
  compare(problems, "all pictures again", alike(await pixels(user), whole), true);
  await check("hearts again", hearts(user), [false, true, false, true]);
}

/** Three prompts of a Prompt List, with Share Sampling before ComfyUI's own sampler. */
const LISTED = {
  1: node("SageDemoModel", {}),
  2: node("SagePromptList", { prompts: "a red car in the snow\na blue car in the snow\na small boat on the sea" }, "list"),
  3: node("CLIPTextEncode", { clip: ["1", 1], text: ["2", 0] }),
  4: node("EmptyLatentImage", { width: 64, height: 64, batch_size: 1 }),
  5: node("SageShare", { model: ["1", 0], positive: ["3", 0], latent_image: ["4", 0], prompts: ["2", 0], share: 0.4 }, SAMPLER),
  6: node("KSampler", {
    model: ["5", 0], positive: ["5", 1], negative: ["5", 2], latent_image: ["5", 3], seed: 5, steps: 4, cfg: 4,
    sampler_name: "euler", scheduler: "simple", denoise: 1,
  }),
  7: node("SageSplitByPrompt", { groups: ["5", 4], latent: ["6", 0] }),
  8: node("VAEDecode", { samples: ["7", 0], vae: ["1", 2] }),
  9: node("SaveImage", { images: ["8", 0], filename_prefix: ["2", 2] }),
};

/** The button on a Prompt List that has a choice. */
const ALL = "Only favourites: use all prompts";

/** What Prompt List shows below its texts, and what it has chosen. @param {PicturesUser} user */
const listState = (user) =>
  user.tab.evaluate(() => {
    const { widgets, inputs } = window.app.graph.nodes.find(({ title }) => title === "list");
    const shown = widgets.filter(({ type, hidden }) => type === "button" && !hidden).map(({ label }) => label);
    const sockets = inputs.filter(({ name }) => name === "chosen").length;
    return { shown, sockets, chosen: widgets.find(({ name }) => name === "chosen").value };
  });

/** Runs only the favourites of a Prompt List, and all of it again. @param {PicturesUser} user */
export async function useListFavourites(user, renderer, shot, problems) {
  const check = async (what, found, expected) => compare(problems, what, await found, expected);
  const names = async () => (await user.page.run(() => {})).images.map(({ filename }) => filename.replace(/_\d+_\.png$/, ""));
  await user.load(LISTED);
  await check("files", names(), ["a-red-car-in-the-snow", "a-blue-car-in-the-snow", "a-small-boat-on-the-sea"]);
  await check("the list before", listState(user), { shown: [], sockets: 0, chosen: "" });
  await user.page.look(SAMPLER);
  await user.picture(1).hover();
  await user.panel.locator(".sage-heart").nth(1).click();
  await user.panel.getByRole("button", { name: "Only favourites (1)", exact: true }).click();
  const only = { shown: [ALL], sockets: 0, chosen: '["a blue car in the snow"]' };
  await user.page.settle();
  await check("the list with a choice", listState(user), only);
  await check("files of the favourite", names(), ["a-blue-car-in-the-snow"]);
  await check("pictures of the favourite", user.panel.locator(".sage-enlarge").count(), 1);
  await user.page.load(await user.page.saved());
  await check("the list of the saved workflow", listState(user), only);
  await user.page.look("list");
  await shot("chosen");
  await user.page.settle();
  if (renderer === "vue") await user.tab.locator(".lg-node-widget").getByRole("button", { name: ALL }).click();
  else await user.page.pressOnCanvas("list", "all_prompts");
  await check("the list after its button", listState(user), { shown: [], sockets: 0, chosen: "" });
  await check("all files again", names().then((found) => found.length), 3);
  await user.page.look(SAMPLER);
  await check("hearts", hearts(user), [false, true, false]);
  await editListed(user, check, names);
}

/** Edits a favourite in the list: with the favourites alone and with all prompts, it is still the same one. */
async function editListed(user, check, names) {
  await user.panel.getByRole("button", { name: "Only favourites (1)", exact: true }).click();
  await user.page.look("list");
  await user.tab.evaluate(() => {
    const area = [...document.querySelectorAll("textarea")].find(({ value }) => value.startsWith("a red car"));
    area.focus();
    const at = area.value.indexOf("blue car");
    area.setSelectionRange(at, at + "blue".length);
  });
  await user.tab.keyboard.type("two dogs and a yellow");
  await check("files of the edited favourite", names(), ["a-two-dogs-and-a-yellow-car-in-the-snow"]);
  await user.page.look(SAMPLER);
  await check("the heart of the edited favourite", hearts(user), [true]);
  await user.panel.getByRole("button", { name: "All prompts", exact: true }).click();
  await check("all files after the edit", names().then((found) => found.length), 3);
  await check("hearts after the edit", hearts(user), [false, true, false]);
}
