// A user who adds the blueprint (a whole workflow as one node) and runs it.

import { compare } from "./compare.mjs";

const NAME = "SAGE text to image";
const PLACE = [900, 200];
const TINY = { width: 128, height: 128, steps: 4, cfg: 4, batch_size: 2 };

export class BlueprintUser {
  /** @param {import("./page.mjs").WorkflowPage} page */
  constructor(page) {
    Object.assign(this, { page, tab: page.tab });
  }

  /** Waits until the node library lists the blueprint. */
  async findInLibrary() {
    await this.tab.keyboard.press("n");
    await this.tab.getByPlaceholder(/^Search/).first().fill(NAME);
    await this.tab.getByText(NAME, { exact: true }).filter({ visible: true }).first().waitFor({ timeout: 30_000 });
  }

  /** Adds it to an empty canvas, from the search that a double click opens. */
  async addToCanvas() {
    await this.tab.evaluate(() => {
      window.app.graph.clear();
      document.activeElement.blur();
    });
    await this.page.settle();
    await this.openSearch();
    await this.tab.keyboard.type(NAME, { delay: 20 });
    await this.page.settle();
    await this.tab.keyboard.press("Enter");
    await this.tab.waitForFunction(() => window.app.graph.nodes.length === 1, null, { timeout: 30_000 });
    await this.page.settle();
    await this.tab.mouse.click(PLACE[0] - 100, PLACE[1]); // in newer pages the node follows the mouse until a click
    await this.tab.waitForFunction(() => !window.app.graph.nodes[0].flags.ghost);
    await this.page.settle();
  }

  /** Double-clicks until the search has the focus: to a busy page, the two clicks can be too far apart. */
  async openSearch() {
    const focused = () => document.activeElement.tagName === "INPUT"; // keys that are typed earlier would be shortcuts
    for (let left = 5; left > 0; left--) {
      await this.tab.mouse.dblclick(...PLACE);
      const isOpen = this.tab.waitForFunction(focused, null, { timeout: 5_000 });
      if (await isOpen.then(() => true, () => false)) return;
    }
    throw new Error("a double click on the canvas opens no search");
  }

  /** Connects the demo model to its inputs and a preview to its output. */
  async connect() {
    await this.tab.evaluate((values) => {
      const { graph } = window.app;
      const [node] = graph.nodes;
      const add = (type, x) => {
        const added = window.LiteGraph.createNode(type);
        added.pos = [node.pos[0] + x, node.pos[1]];
        graph.add(added);
        return added;
      };
      const demo = add("SageDemoModel", -400);
      ["model", "clip", "vae"].forEach((name, slot) => demo.connect(slot, node, name));
      node.connect("images", add("PreviewImage", 500), "images");
      for (const [name, value] of Object.entries(values)) node.widgets.find((widget) => widget.name === name).value = value;
    }, TINY);
  }

  /** Opens its subgraph. */
  async openInside() {
    await this.tab.evaluate((title) => {
      const { canvas, graph, rootGraph } = window.app;
      const node = (rootGraph ?? graph).nodes.find((found) => found.title === title);
      canvas.openSubgraph(node.subgraph, node);
    }, NAME);
    await this.page.settle();
  }

  /** Sets widgets as the user does, on the blueprint. @param {Record<string, unknown>} values */
  async set(values) {
    await this.tab.evaluate(([title, wanted]) => {
      const { graph, rootGraph } = window.app;
      const { widgets } = (rootGraph ?? graph).nodes.find((found) => found.title === title);
      for (const [name, value] of Object.entries(wanted)) widgets.find((widget) => widget.name === name).value = value;
      const tracker = window.app.extensionManager.workflow.activeWorkflow.changeTracker;
      tracker[tracker.captureCanvasState ? "captureCanvasState" : "checkState"]();
    }, [NAME, values]);
  }

  /** The names and values of its widgets. */
  widgetValues() {
    return this.tab.evaluate((title) => {
      const { graph, rootGraph } = window.app;
      const node = (rootGraph ?? graph).nodes.find((found) => found.title === title);
      return Object.fromEntries(node.widgets.map(({ name, value }) => [name, value]));
    }, NAME);
  }
}

/** Finds the blueprint, runs it, and opens the saved workflow again. */
export async function useBlueprint(user, shot, problems) {
  await user.findInLibrary();
  await shot("library");
  await user.addToCanvas();
  await user.connect();
  const values = await user.widgetValues();
  const wanted = ["prompts", "negative", "width", "height", "seed", "steps", "cfg", "sampler_name", "scheduler", "share", "batch_size"];
  compare(problems, "the widgets of the blueprint", Object.keys(values), wanted);
  compare(problems, "the steps that were set", values.steps, TINY.steps);
  const { images } = await user.page.run(() => {});
  compare(problems, "two pictures of each of the blueprint's prompts", images.length, 10);
  compare(problems, "their widths", [...new Set(await user.page.widths(images))], [TINY.width]);
  await user.page.load(await user.page.saved());
  const { seed, ...kept } = await user.widgetValues();
  compare(problems, "the widgets after saving and loading", kept, { ...values, seed: undefined });
  await usePanelsInside(user, shot, problems);
}

/** The panels inside the blueprint: they work as elsewhere, and know the values that are set on the blueprint. */
async function usePanelsInside(user, shot, problems) {
  const check = async (what, found, expected) => compare(problems, what, await found, expected);
  const { tab, page } = user;
  const groups = tab.locator(".sage-panel").filter({ has: tab.locator(".sage-cards") });
  const pictures = tab.locator(".sage-panel").filter({ has: tab.locator(".sage-progress") });
  const note = (panel) => panel.locator(".sage-note").textContent();
  const prompts = async () => (await user.widgetValues()).prompts;
  await user.set({ prompts: "a red car in the snow\na blue car in the snow", steps: 3, batch_size: 1, seed: 7 });
  await page.run(() => {});
  await user.openInside();
  await check("the groups inside", groups.locator(".sage-summary").textContent().then((text) => text.includes("2 prompts in 1 group")), true);
  await check("the pictures inside", pictures.locator(".sage-picture").count(), 2);
  await check("new panels", Promise.all([note(groups), note(pictures)]), ["", ""]);
  await groups.locator("li").nth(1).press("Enter");
  await tab.keyboard.press("Control+a");
  await tab.keyboard.insertText("a green car in the snow");
  await tab.keyboard.press("Enter");
  await check("the text on the blueprint", prompts(), "a red car in the snow\na green car in the snow");
  await check("a changed list", note(groups), "The prompts have changed since this run. Run again to see their groups.");
  await groups.locator("li").nth(0).press("p");
  await check("a picture inside", tab.locator("dialog.sage-viewer .sage-tile").count(), 1);
  await tab.keyboard.press("f");
  await tab.keyboard.press("Escape");
  await check("hearts inside", pictures.locator('.sage-heart[aria-pressed="true"]').count(), 1);
  await shot("inside");
  await page.run(() => {});
  await check("a run from inside", Promise.all([note(groups), note(pictures)]), ["", ""]);
  await user.set({ steps: 4 });
  await pictures.locator(".sage-note", { hasText: "The workflow has changed since this run." }).waitFor({ timeout: 10_000 });
  await user.set({ steps: 3 });
  await page.settle();
  await page.reload();
  await user.openInside();
  await check("cards after a reload", groups.locator("li span").allTextContents(), ["a red car in the snow", "a green car in the snow"]);
  await check("pictures after a reload", pictures.locator(".sage-picture").count(), 2);
}
