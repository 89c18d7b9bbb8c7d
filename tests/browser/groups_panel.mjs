// A user of the panel of Semantic Group Prompts: looks at the groups, tries thresholds and moves prompts.

import { compare } from "./compare.mjs";

const GROUPING = "SageSemanticGroupPrompts";
const RED = "a red car in the snow";
const BLUE = "a blue car in the snow";

/** Removes all nodes from a workflow except one, the nodes of some types, and the previews of its texts. */
export function onlyNodes(workflow, type, types) {
  const linked = new Set(workflow.nodes.find((node) => node.type === type).outputs.flatMap(({ links }) => links ?? []));
  const showsText = (node) => node.type === "PreviewAny" && node.inputs.some(({ link }) => linked.has(link));
  workflow.nodes = workflow.nodes.filter((node) => [type, ...types].includes(node.type) || showsText(node));
  const ids = workflow.nodes.map(({ id }) => id);
  workflow.links = workflow.links.filter(([, from, , to]) => ids.includes(from) && ids.includes(to));
  workflow.groups = [];
}

/** The start of an example workflow up to the report. One step above its threshold no prompts share. */
export function groupingOnly(workflow) {
  onlyNodes(workflow, GROUPING, ["SageDemoModel"]);
  workflow.nodes.find(({ type }) => type === GROUPING).widgets_values.splice(2, 2, "fixed", 0.99);
  return workflow;
}

export class GroupsPanelUser {
  /** @param {import("./page.mjs").WorkflowPage} page @param {string} renderer */
  constructor(page, renderer) {
    Object.assign(this, { page, renderer, tab: page.tab, panel: page.tab.locator(".sage-panel") });
  }

  /** The texts on each card, by the title of the card. Pinned texts have a star at the end. */
  async cards() {
    const cards = await this.panel.locator(".sage-card").evaluateAll((found) =>
      found.map((card) => [
        card.querySelector("b").textContent,
        [...card.querySelectorAll("li")].map((row) => row.querySelector("span").textContent + (row.querySelector(".sage-pin") ? "*" : "")),
      ]),
    );
    return Object.fromEntries(cards);
  }

  /** Waits until the summary contains a text. */
  async waitForSummary(text) {
    const summary = this.panel.locator(".sage-summary");
    await summary.filter({ hasText: text }).waitFor({ timeout: 10_000 }).catch(async (error) => {
      throw new Error(`The panel says ${JSON.stringify(await summary.allTextContents())}. ${error.message}`);
    });
  }

  /** Another list of prompts, as one change of the workflow. @param {string} list */
  async setPrompts(list) {
    await this.tab.evaluate(([type, prompts]) => {
      const { app } = window;
      app.canvas.emitBeforeChange();
      app.graph.nodes.find((node) => node.type === type).widgets.find(({ name }) => name === "prompts").value = prompts;
      app.canvas.emitAfterChange();
    }, [GROUPING, list]);
  }

  row(text) {
    return this.panel.locator("li").filter({ hasText: text });
  }

  card(title) {
    return this.panel.locator(".sage-card").filter({ has: this.tab.locator("b", { hasText: new RegExp(`^${title}$`) }) });
  }

  /** Clicks an arrow beside the threshold. @param {1 | -1} step */
  async stepThreshold(step) {
    if (this.renderer === "vue") {
      const row = this.tab.getByTestId("node-widget").filter({ hasText: /^threshold$/ });
      return row.getByTestId(step > 0 ? "increment" : "decrement").click();
    }
    const [x, y] = await this.tab.evaluate(([type, up]) => {
      const { graph, canvas } = window.app;
      const node = graph.nodes.find((found) => found.type === type);
      const widget = node.widgets.find(({ name }) => name === "threshold");
      const { left, top } = canvas.canvas.getBoundingClientRect();
      const { scale, offset } = canvas.ds;
      const x = node.pos[0] + (up ? node.size[0] - 22 : 22);
      return [left + (x + offset[0]) * scale, top + (node.pos[1] + widget.last_y + 10 + offset[1]) * scale];
    }, [GROUPING, step > 0]);
    await this.tab.mouse.click(x, y);
  }

  get dendrogram() {
    return this.panel.getByRole("slider", { name: "Threshold" });
  }

  /** Drags the line on the tree; `midway` is called before it is dropped. @param {number} height 0 (leaves) to 1 */
  async dragThreshold(height, midway) {
    const box = await this.dendrogram.boundingBox();
    const middle = box.x + box.width / 2;
    await this.tab.mouse.move(middle, box.y + box.height / 2);
    await this.tab.mouse.down();
    await this.tab.mouse.move(middle, box.y + box.height * (1 - height), { steps: 5 });
    await midway();
    await this.tab.mouse.up();
  }
}

/** What is on the cards, whatever the numbers of the groups: a run gives them new ones. */
const contents = (cards) => Object.values(cards).map((rows) => rows.sort()).sort();
const groupingValues = ({ nodes }) => nodes.find(({ type }) => type === GROUPING).widgets_values;

/** Runs, tries a threshold and moves two prompts. Gives what would be saved then, and the texts on the cards. */
export async function changeGroups(user, workflow, shot, problems) {
  await useDendrogram(user, workflow, shot, problems);
  await user.page.load(workflow);
  await user.page.run(() => {});
  await user.waitForSummary("24 prompts in 6 groups, threshold 0.99 (fixed), saves 30.0%");
  const sizes = Object.values(await user.cards()).map((rows) => rows.length);
  compare(problems, "the groups after a run", sizes, [4, 4, 4, 4, 4, 4, 0]);
  const colour = await user.card("Group 1").evaluate((card) => getComputedStyle(card).borderLeftColor);
  compare(problems, "the colour of group 1", colour, "rgb(0, 114, 178)");
  await shot("run");

  await user.stepThreshold(1);
  await user.waitForSummary("24 groups, threshold 1 (fixed), saves 0.0%");
  compare(problems, "alone at the highest threshold", (await user.cards()).Alone.length, 24);
  await shot("threshold");
  await user.stepThreshold(-1);
  await user.waitForSummary("6 groups");

  const visible = { x: 20, y: 8 }; // on the card, without scrolling
  await user.row(RED).dragTo(user.card("Group 2"), { targetPosition: visible });
  await user.waitForSummary("Reset 1 pin");
  await user.row(BLUE).focus();
  await user.tab.keyboard.press("a");
  await user.waitForSummary("7 groups");
  await shot("moved");
  const cards = await user.cards();
  compare(problems, "the group that a prompt was dragged to", cards["Group 2"].includes(`${RED}*`), true);
  compare(problems, "alone after a key", cards.Alone, [`${BLUE}*`]);
  await editPrompt(user, problems);
  const moved = { saved: await user.page.saved(), cards };
  await removePins(user, problems);
  return moved;
}

/** Edits a pinned prompt: the panel says that it is old. After a run, the pin is that of the edited prompt. */
async function editPrompt(user, problems) {
  const edit = (from, to) => user.tab.evaluate(([type, before, after]) => {
    const widget = window.app.graph.nodes.find((node) => node.type === type).widgets.find(({ name }) => name === "prompts");
    widget.value = widget.value.replace(before, after);
    const tracker = window.app.extensionManager.workflow.activeWorkflow.changeTracker;
    tracker[tracker.captureCanvasState ? "captureCanvasState" : "checkState"]();
  }, [GROUPING, from, to]);
  const note = () => user.panel.locator(".sage-note").textContent();
  compare(problems, "a note on a new run", await note(), "");
  const [from, to] = ["{red|blue", "{dark red|blue"];
  await edit(from, to);
  await user.panel.locator(".sage-note", { hasText: "The prompts have changed since this run." }).waitFor({ timeout: 10_000 });
  await user.page.run(() => {});
  await user.waitForSummary("Reset 2 pins");
  await user.waitForSummary("7 groups");
  compare(problems, "the pin of the edited prompt", (await user.cards())["Group 2"]?.includes("a dark red car in the snow*"), true);
  await edit(to, from);
  await user.page.run(() => {});
  await user.waitForSummary("Reset 2 pins");
  await user.waitForSummary("7 groups");
}

/** A node that fails says why on its panel. */
export async function readError(user, workflow, shot, problems) {
  const broken = structuredClone(workflow);
  groupingValues(broken)[0] = "# no prompt";
  await user.page.load(broken);
  await user.page.run(() => {}).catch(() => {});
  const message = await user.panel.locator(".sage-message", { hasText: "prompts" }).textContent();
  const expected = "prompts: expected at least one prompt (one per line; a line that starts with # and a space is a comment), got none.";
  compare(problems, "the error", message, expected);
  await shot("failed");
}

/** Unpins one prompt with the mouse and the other with a key. On a prompt without a pin the key does nothing. */
async function removePins(user, problems) {
  await user.panel.getByRole("button", { name: `Remove the pin of ${RED}` }).click();
  await user.waitForSummary("Reset 1 pin");
  await user.row(BLUE).press("Delete");
  await user.waitForSummary("6 groups");
  compare(problems, "alone without pins", (await user.cards()).Alone, []);
  compare(problems, "the prompt that has the focus", await user.tab.evaluate(() => document.activeElement.dataset.prompt), BLUE);
  const nodes = (await user.page.saved()).nodes.length;
  await user.row(BLUE).press("Backspace");
  await user.page.settle();
  compare(problems, "nodes after Backspace", (await user.page.saved()).nodes.length, nodes);
}

/** Moves an automatic threshold on the tree, with the keys and with the mouse, and undoes it. */
async function useDendrogram(user, workflow, shot, problems) {
  const automatic = structuredClone(workflow);
  groupingValues(automatic).splice(2, 2, "auto", 0.8);
  const before = "24 prompts in 6 groups, threshold 0.8975 (auto)";
  const threshold = async () => groupingValues(await user.page.saved()).slice(2, 4);
  await user.page.load(automatic);
  await user.page.run(() => {});
  await user.waitForSummary(before);
  compare(problems, "leaves", await user.dendrogram.locator("i").count(), 24);
  compare(problems, "a leaf", await user.dendrogram.locator("i").first().getAttribute("title"), RED);
  const paths = user.dendrogram.locator("path");
  const strokes = await paths.evaluateAll((found) => found.map((path) => getComputedStyle(path).stroke));
  compare(problems, "merges in group 1", strokes.filter((stroke) => stroke === "rgb(0, 114, 178)").length, 3);

  await user.dendrogram.press("ArrowUp");
  await user.waitForSummary("24 prompts in 5 groups, threshold 0.76 (fixed)");
  compare(problems, "the text of the slider", await user.dendrogram.getAttribute("aria-valuetext"), "0.76, 5 groups");
  compare(problems, "the threshold after a key", await threshold(), ["fixed", 0.76]);
  await shot("tree");
  await user.dendrogram.press("Control+z");
  await user.waitForSummary(before);
  compare(problems, "the threshold after an undo", await threshold(), ["auto", 0.8]);

  const dragged = /in 2\d groups, threshold 0\.99\d+ \(fixed\)/;
  await user.dragThreshold(0.1, async () => {
    await user.waitForSummary(dragged);
    compare(problems, "the threshold while it is dragged", await threshold(), ["auto", 0.8]);
  });
  await user.waitForSummary(dragged);
  const [mode, value] = await threshold();
  if (mode !== "fixed" || !(value > 0.995 && value < 1)) problems.push(`the threshold after a drag: ${mode} ${value}`);
  await user.tab.keyboard.press("Control+z");
  await user.waitForSummary(before);
}

/** Opens the saved workflow: its pins are there before and after a run, until they are reset. */
export async function findPins(user, { saved, cards }, workflow, problems) {
  await user.page.load(saved);
  await user.waitForSummary("Reset 2 pins");
  await user.waitForSummary("7 groups"); // another page ran these prompts
  await user.page.run(() => {});
  await user.waitForSummary("7 groups");
  compare(problems, "the cards after saving and loading", contents(await user.cards()), contents(cards));
  await user.panel.getByRole("button", { name: "Reset 2 pins" }).click();
  await user.waitForSummary("6 groups");
  compare(problems, "alone after the reset", (await user.cards()).Alone, []);
  const values = groupingValues(await user.page.saved());
  compare(problems, "the saved values after the reset", values, groupingValues(workflow));
}

/** Reloads the page: the groups are still there. If the workflow now has other prompts, there are none. */
export async function reloadPage(user, workflow, shot, problems) {
  const cards = await user.cards();
  await user.page.settle(); // the page stores a change only after a moment
  await user.page.reload();
  await user.waitForSummary("24 prompts in 6 groups, threshold 0.99 (fixed), saves 30.0%");
  compare(problems, "the cards after a reload", await user.cards(), cards);
  compare(problems, "leaves after a reload", await user.dendrogram.locator("i").count(), 24);
  await shot("reloaded");
  const other = structuredClone(workflow);
  groupingValues(other)[0] += "\na lighthouse";
  await user.page.load(other);
  await user.waitForSummary("Run the workflow to see the groups of your prompts here.");
  compare(problems, "cards of prompts that did not run", await user.cards(), {});
}
