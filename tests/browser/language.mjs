// A user whose ComfyUI is Chinese: panels and help pages are too, and a change of the language is seen at once.

import { compare } from "./compare.mjs";

const GROUPING = "SageSemanticGroupPrompts";

/**
 * @param {import("./page.mjs").WorkflowPage} page its ComfyUI is Chinese
 * @param {object} workflow that groups prompts and samples nothing
 * @param {(when: string) => Promise<unknown>} shot
 * @param {string[]} problems
 */
export async function useChinese(page, workflow, shot, problems) {
  const { tab } = page;
  const summary = tab.locator(".sage-summary");
  await page.load({ ...workflow, id: crypto.randomUUID() }); // no page has run it
  compare(problems, "the empty panel", await summary.innerText(), "运行工作流后，这里会显示提示词的分组。");
  await page.run(() => {});
  const text = "12 条提示词，5 组，阈值 0.99（fixed），关闭校正、共享比例为 0.4 时节省 23.3%";
  compare(problems, "the summary", await summary.innerText(), text);
  const titles = await tab.locator(".sage-card b").allInnerTexts();
  compare(problems, "the cards", [titles[0], titles.at(-1)], ["第 1 组", "单独"]);
  const label = (type) => window.app.graph.nodes.find((node) => node.type === type).widgets
    .find(({ name }) => name === "threshold").label;
  compare(problems, "the name of the threshold", await tab.evaluate(label, GROUPING), "阈值");
  await shot("panel");

  await readError(page, workflow, shot, problems);
  await readHelp(page, problems);
  await shot("help");

  await tab.evaluate(() => window.app.extensionManager.setting.set("Comfy.Locale", "en"));
  const english = tab.locator(".sage-summary", { hasText: "12 prompts in 5 groups" });
  await english.waitFor({ timeout: 20_000 }).catch(() => problems.push("the panel stays Chinese"));
}

/** Runs a list with a brace that is not closed: the panel says so in Chinese, with the page's names of the inputs. */
async function readError(page, workflow, shot, problems) {
  const broken = structuredClone(workflow);
  broken.nodes.find(({ type }) => type === GROUPING).widgets_values[0] = "a red car\na {blue|green car";
  await page.load(broken);
  await page.run(() => {}).catch(() => {}); // ComfyUI says that it failed, too
  const error = "提示词: 第 2 行：第 3 个字符处的 '{' 没有闭合；普通花括号请写成 \\{。";
  compare(problems, "the error", await page.tab.locator(".sage-message").innerText(), error);
  await shot("error");
  await page.load(workflow);
  await page.run(() => {});
}

/** Opens the help of a node with the button above it. */
async function readHelp({ tab }, problems) {
  await tab.evaluate((type) => {
    const { canvas } = window.app;
    canvas.selectItems([canvas.graph.nodes.find((node) => node.type === type)]);
  }, GROUPING);
  await tab.getByTestId("info-button").click();
  const help = tab.locator(".node-help-content");
  await help.locator("h1").waitFor();
  compare(problems, "the title of the help page", await help.locator("h1").innerText(), "提示词语义分组");
  const broken = () => [...document.querySelectorAll(".node-help-content img")].filter((image) => !image.naturalWidth);
  await tab.waitForFunction(`!(${broken})().length`, null, { timeout: 10_000 })
    .catch(() => problems.push("pictures of the help page are not there"));
}
