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
    await this.tab.mouse.dblclick(...PLACE);
    // Keys that are typed before the search has the focus would be shortcuts.
    await this.tab.waitForFunction(() => document.activeElement.tagName === "INPUT", null, { timeout: 30_000 });
    await this.tab.keyboard.type(NAME, { delay: 20 });
    await this.page.settle();
    await this.tab.keyboard.press("Enter");
    await this.tab.waitForFunction(() => window.app.graph.nodes.length === 1, null, { timeout: 30_000 });
    await this.page.settle();
    await this.tab.mouse.click(PLACE[0] - 100, PLACE[1]); // in newer pages the node follows the mouse until a click
    await this.tab.waitForFunction(() => !window.app.graph.nodes[0].flags.ghost);
    await this.page.settle();
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

  /** The names and values of its widgets. */
  widgetValues() {
    return this.tab.evaluate((title) => {
      const node = window.app.graph.nodes.find((found) => found.title === title);
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
}
