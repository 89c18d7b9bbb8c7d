// A user who tries out prompts: with `reuse` on, changes one word and runs again.

import { compare } from "./compare.mjs";

const NONE = "No earlier render fits. Keep the seed and the settings, and the next run can use this one.";
/** By the node with the panel: the workflow, its words before and after, and what the panel then says. */
export const CASES = {
  "SAGE KSampler": {
    file: "3 One node (SAGE KSampler)", words: ["{red|blue|purple} flower", "{red|green|purple} flower"],
    lines: [
      "11 prompts rendered earlier: no cost.",
      "1 prompt follows “a purple flower on a yellow background”, rendered earlier.",
    ],
  },
  "Share Sampling": {
    file: "6 Share Sampling (any sampler)", words: ["{white|yellow} boat", "{white|pink} boat"],
    lines: ["9 prompts rendered earlier: no cost.", "1 prompt follows “a white boat on the sea”, rendered earlier."],
  },
};

export class ReuseUser {
  /** @param {import("./page.mjs").WorkflowPage} page @param {string} renderer */
  constructor(page, renderer) {
    Object.assign(this, { page, renderer, tab: page.tab });
    this.panel = page.tab.locator(".sage-panel").filter({ has: page.tab.locator(".sage-progress") });
  }

  /** Clicks the switch of a node. @param {string} title */
  async switchOn(title) {
    await this.page.look(title);
    if (this.renderer === "classic") return this.page.pressOnCanvas(title, "reuse");
    await this.tab.getByTestId("node-widget").filter({ hasText: /^reuse/ }).getByRole("switch").click();
    await this.page.settle();
  }

  /** Types into the list of prompts. @param {string} words @param {string} others */
  async change(words, others) {
    for (const box of await this.tab.locator("textarea").all()) {
      const text = await box.inputValue();
      if (text.includes(words)) await box.fill(text.replace(words, others));
    }
    await this.page.settle();
  }

  /** Runs, and gives the evaluations that the panel names, and the lines below its pictures. */
  async run() {
    await this.page.run(() => {});
    const summary = await this.panel.getByRole("status").textContent();
    return { evaluations: Number(/^(\d+) of \1 /.exec(summary)?.[1]), lines: await this.lines() };
  }

  /** The lines below the pictures. */
  lines() {
    return this.panel.locator(".sage-hint > div").allTextContents();
  }
}

/** Runs, changes a word of one of many prompts, and runs again; the page is then reloaded. */
export async function tryOutPrompts(user, title, workflow, shot, problems) {
  const check = (what, found, expected) => compare(problems, `${what} on ${title}`, found, expected);
  const { words, lines } = CASES[title];
  await user.page.load(workflow);
  await user.switchOn(title);
  const first = await user.run();
  check("what is said of earlier renders, the first time", first.lines, [NONE]);
  await shot(`${title}, first`);
  await user.change(...words);
  const second = await user.run();
  await shot(`${title}, second`);
  check("what is said of earlier renders", second.lines, lines);
  check("at most a sixth of the evaluations", second.evaluations > 0 && second.evaluations <= first.evaluations / 6, true);
  await user.page.reload();
  await user.panel.locator(".sage-hint > div").first().waitFor();
  check("what is said after a reload", await user.lines(), lines);
}
