// A user who tries out prompts: with `reuse` on, changes one word and runs again.

import { compare } from "./compare.mjs";

const SAMPLER = "SAGE KSampler";
const REPORT = "Evaluations saved";
const NONE = "No earlier render fits. Keep the seed and the settings, and the next run can use this one.";
const EARLIER = [
  "11 prompts rendered earlier: no cost.",
  "1 prompt follows “a purple flower on a yellow background”, rendered earlier.",
];
const FOLLOWS = "- prompt 2: following the earlier render of 'a purple flower on a yellow background'";

export class ReuseUser {
  /** @param {import("./page.mjs").WorkflowPage} page @param {string} renderer */
  constructor(page, renderer) {
    Object.assign(this, { page, renderer, tab: page.tab });
    this.panel = page.tab.locator(".sage-panel").filter({ has: page.tab.locator(".sage-progress") });
  }

  /** Clicks the switch of the sampler. */
  async switchOn() {
    await this.page.look(SAMPLER);
    if (this.renderer === "classic") return this.page.pressOnCanvas(SAMPLER, "reuse");
    await this.tab.getByTestId("node-widget").filter({ hasText: /^reuse/ }).getByRole("switch").click();
    await this.page.settle();
  }

  /** Types into the list of prompts. @param {string} word @param {string} other */
  async changeWord(word, other) {
    const boxes = await this.tab.locator("textarea").all();
    for (const box of boxes) {
      const text = await box.inputValue();
      if (text.includes(word)) await box.fill(text.replace(word, other));
    }
    await this.page.settle();
  }

  /** Runs, and gives the evaluations that the panel names, the lines below its pictures, and the report. */
  async run() {
    await this.page.run(() => {});
    const summary = await this.panel.getByRole("status").textContent();
    const report = await this.tab.evaluate((title) => {
      const node = window.app.graph.nodes.find((found) => found.title === title);
      return node.widgets.map(({ value }) => value).find((value) => String(value).includes("evaluations"));
    }, REPORT);
    return { evaluations: Number(/^(\d+) of \1 /.exec(summary)?.[1]), lines: await this.lines(), report };
  }

  /** The lines below the pictures. */
  lines() {
    return this.panel.locator(".sage-hint > div").allTextContents();
  }
}

/** Runs, changes a word of one of twelve prompts, and runs again. */
export async function tryOutPrompts(user, workflow, shot, problems) {
  const check = (what, found, expected) => compare(problems, what, found, expected);
  await user.page.load(workflow);
  await user.switchOn();
  await shot("on");
  const first = await user.run();
  check("of earlier renders, the first time", first.lines, [NONE]);
  await shot("first");
  await user.changeWord("{red|blue|purple} flower", "{red|green|purple} flower");
  const second = await user.run();
  check("of earlier renders", second.lines, EARLIER);
  check("a sixth of the evaluations", second.evaluations > 0 && second.evaluations < first.evaluations / 6, true);
  for (const { evaluations, report } of [first, second]) {
    check("in the report", report.includes(`- evaluations: ${evaluations} done`), true);
  }
  check("who follows, in the report", second.report.split("\n").filter((line) => line.includes("following")), [FOLLOWS]);
  await user.page.reload();
  await user.panel.locator(".sage-hint > div").first().waitFor();
  check("after a reload", await user.lines(), second.lines);
}
