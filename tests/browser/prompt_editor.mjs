// A user who edits the list in the cards of Semantic Group Prompts: texts, prompts that are off, folds and the search.

import { compare } from "./compare.mjs";

const GROUPING = "SageSemanticGroupPrompts";
const LIST = "a red car in the snow\na blue car in the snow // nice\na green car in the snow\na {white|yellow} boat on the sea";
const [RED, BLUE, GREEN, BOAT] = ["a red car in the snow", "a blue car in the snow", "a green car in the snow", "a white boat on the sea"];
const DARK = "a dark green truck beside a lake";
const MANY = 1000;
/** Longest time of one redraw and of one frame while the cards scroll, ms; a busy test machine is several times slower. */
const SMOOTH = { redraw: 1500, frame: 250 };

/** The texts in the node: the list and the pins. */
const values = (user) =>
  user.tab.evaluate((type) => {
    const { widgets } = window.app.graph.nodes.find((node) => node.type === type);
    return ["prompts", "pinned"].map((name) => widgets.find((widget) => widget.name === name).value);
  }, GROUPING);

/** @param {import("./groups_panel.mjs").GroupsPanelUser} user */
export async function editPrompts(user, workflow, shot, problems) {
  const check = async (what, found, expected) => compare(problems, what, await found, expected);
  const press = (key) => user.tab.keyboard.press(key);
  const texts = async () => Object.values(await user.cards()).flat();
  const prompts = async () => (await values(user))[0];
  const graph = structuredClone(workflow);
  const { widgets_values: saved } = graph.nodes.find(({ type }) => type === GROUPING);
  saved[0] = LIST;
  saved.splice(2, 2, "fixed", 0.8);
  await user.page.load(graph);
  await user.page.run(() => {});
  await user.waitForSummary("5 prompts in");

  await user.row(BLUE).focus();
  await press("a");
  await user.waitForSummary("Reset 1 pin");
  await user.waitForSummary("5 prompts in 3 groups"); // the cards have moved
  await user.row(GREEN).dblclick();
  await user.panel.locator("textarea").waitFor();
  await shot("typing");
  await press("Escape");
  await check("the list after Escape", prompts(), LIST);
  await check("the focus after Escape", user.tab.evaluate(() => document.activeElement.dataset.prompt), GREEN);
  await press("Enter");
  await press("Control+a");
  await user.tab.keyboard.insertText(DARK);
  await press("Enter");
  await check("the list after an edit", prompts(), LIST.replace(GREEN, DARK));
  await check("the card after an edit", texts().then((all) => [all.includes(DARK), all.includes(GREEN)]), [true, false]);
  await user.row(BLUE).dblclick();
  await press("Control+a");
  await user.tab.keyboard.insertText("a blue truck");
  await user.panel.locator(".sage-search").click(); // leaves the box
  const both = LIST.replace(GREEN, DARK).replace(BLUE, "a blue truck");
  await check("the list after a second edit", prompts(), both);
  await check("its pin", values(user).then(([, pinned]) => pinned), '{"a blue truck":"a blue truck"}');
  await user.panel.locator(".sage-note", { hasText: "The prompts have changed since this run." }).waitFor();
  await user.page.settle(); // the note has moved the cards

  await user.row(BOAT).dblclick();
  await user.panel.locator(".sage-message", { hasText: "This prompt has no line of its own" }).waitFor();
  await user.page.settle(); // new cards under the mouse show their buttons when it moves next
  await user.row(RED).hover();
  await user.row(RED).getByRole("button", { name: "Off" }).click();
  await check("the list without a prompt", prompts(), both.replace(RED, `# off: ${RED}`));
  await check("the card of those that are off", user.cards().then((cards) => cards["Switched off"]), [RED]);
  await shot("off");
  await user.page.run(() => {});
  await user.waitForSummary("4 prompts in");
  await user.waitForSummary("Reset 1 pin");
  await check("off after a run", user.cards().then((cards) => cards["Switched off"]), [RED]);
  await user.row(RED).press("Space");
  await check("the list with it again", prompts(), both);
  await user.row("a blue truck").focus();
  await press("Control+z");
  await user.page.settle();
  await check("the list after an undo", prompts(), both.replace(RED, `# off: ${RED}`));
  await user.waitForSummary("4 prompts in");

  await user.panel.locator(".sage-search").fill("truck a");
  await check("found", user.panel.locator(".sage-card-bar [role=status]").textContent(), "2 found");
  await check("the cards that are found", texts().then((all) => all.sort()), ["a blue truck*", DARK]);
  await shot("found");
  await press("Escape");
  await check("all again", texts().then((all) => all.length), 5);
  await user.card("Alone").locator(".sage-heading").click();
  await check("a folded group", user.cards().then((cards) => cards.Alone), []);
  await user.panel.getByRole("button", { name: "Fold all" }).click();
  await check("all folded", texts(), []);
  await user.card("Alone").locator(".sage-heading").press("Enter");
  await user.page.load(await user.page.saved());
  await user.page.run(() => {});
  await user.waitForSummary("4 prompts in");
  await check("folds after loading", user.cards().then((cards) => Object.values(cards).map((rows) => rows.length > 0).filter(Boolean).length), 1);
  await user.panel.getByRole("button", { name: "Fold all" }).click();
  await user.panel.getByRole("button", { name: "Open all" }).click();
  await check("all open", texts().then((all) => all.length), 5);
  await readHebrew(user, check);
  await readOnNarrowNode(user, check);
  await keepGroupsOfOtherList(user, check);
}

/** A prompt of a script from right to left: its numbers and its Latin words stay together. */
async function readHebrew(user, check) {
  await user.row(DARK).press("Enter");
  await user.tab.keyboard.press("Control+a");
  await user.tab.keyboard.insertText("שועל אדום בשלג, 35mm");
  await user.tab.keyboard.press("Enter");
  const gap = user.row("35mm").locator("span").evaluate(({ firstChild: text }) => {
    const [number, unit] = ["35", "mm"].map((part) => {
      const range = document.createRange();
      range.setStart(text, text.data.indexOf(part));
      range.setEnd(text, text.data.indexOf(part) + 2);
      return range.getBoundingClientRect();
    });
    return Math.round(unit.left - number.right);
  });
  await check("the space between 35 and mm", gap, 0);
}

/** On a narrow node the summary has whole lines: the buttons beside it go below. */
async function readOnNarrowNode(user, check) {
  const changeWidth = async (wanted) => {
    const before = await user.tab.evaluate(([type, width]) => {
      const node = window.app.graph.nodes.find((found) => found.type === type);
      const [old, height] = node.size;
      node.setSize([width, height]);
      node.setDirtyCanvas(true, true);
      return old;
    }, [GROUPING, wanted]);
    await user.page.settle();
    return before;
  };
  const width = await changeWidth(230);
  const part = user.panel.locator(".sage-summary").evaluate((summary) => summary.firstChild.offsetWidth / summary.offsetWidth);
  await check("the part of a narrow panel that the summary has", part, 1);
  await changeWidth(width);
}

/** Another list is in the node, as after a paste: an undo of a later change makes the node anew, and its groups stay. */
async function keepGroupsOfOtherList(user, check) {
  await user.setPrompts("a tower\na lamp");
  await user.panel.locator(".sage-note", { hasText: "The prompts have changed since this run." }).waitFor();
  const button = (name) => user.panel.getByRole("button", { name }).waitFor();
  await user.panel.getByRole("button", { name: "Fold all" }).click();
  await button("Open all");
  await user.tab.keyboard.press("Control+z");
  await user.page.settle();
  await button("Fold all");
  await check("the other list after an undo", values(user).then(([prompts]) => prompts), "a tower\na lamp");
  await user.waitForSummary("4 prompts in");
  await user.panel.locator(".sage-note", { hasText: "The prompts have changed since this run." }).waitFor();
}

/** A thousand prompts of 60 words: folded at first, and smooth when they are open. */
export async function scrollThousand(user, shot, problems) {
  const subjects = ["car", "boat", "house", "tree", "fox", "tower", "lamp", "bridge", "garden", "train"];
  const words = "masterpiece, best quality, cinematic light, shot on film by a travelling photographer, ".repeat(4);
  const prompts = Array.from({ length: MANY }, (_, index) => `${words}a ${subjects[index % 10]} number ${index} in the snow`);
  const groups = subjects.map((_, first) => ({
    members: prompts.flatMap((__, index) => (index % 10 === first ? [index] : [])), colour: "#0072b2", tightest: 1, loosest: 0.9,
  }));
  const made = await user.tab.evaluate(async ([type, list, grouped]) => {
    const node = window.app.graph.nodes.find((found) => found.type === type);
    const widget = node.widgets.find(({ name }) => name === "prompts");
    widget.value = list.join("\n");
    delete node.properties.sage_folded;
    const labels = list.map((text) => text.slice(-40));
    const grouping = { threshold: 0.8, share: 0.4, saved: 0.3, groups: grouped, colours: ["#0072b2"] };
    const settings = Object.fromEntries(["threshold_mode", "threshold", "max_group_size", "pinned"].map((name) => [name, node.widgets.find((found) => found.name === name).value]));
    const run = { key: "", prompts: list, labels, settings, grouping, tree: null, made_of: { prompts: widget.value } };
    const detail = { node: String(node.id), display_node: String(node.id), output: { sage_groups: [run] }, prompt_id: "" };
    window.app.api.dispatchEvent(new CustomEvent("executed", { detail }));
    const panel = document.querySelector(".sage-panel");
    const frame = () => new Promise((resolve) => { requestAnimationFrame(() => setTimeout(resolve)); });
    const time = async (act) => {
      const start = performance.now();
      act();
      await frame();
      return performance.now() - start;
    };
    const folded = panel.querySelectorAll("li").length;
    const open = await time(() => panel.querySelector(".sage-card-bar button").click());
    const rows = panel.querySelectorAll("li").length;
    const cards = panel.querySelector(".sage-cards");
    const search = panel.querySelector(".sage-search");
    const found = await time(() => {
      search.value = "fox 14";
      search.oninput();
    });
    const hits = panel.querySelectorAll("li").length;
    search.value = "";
    const again = await time(() => search.oninput());
    const scrolls = [];
    for (let step = 1; step <= 20; step += 1) scrolls.push(await time(() => { cards.scrollTop = step * 400; }));
    return { folded, rows, hits, redraw: Math.max(open, found, again), frame: scrolls.sort((a, b) => a - b)[10] };
  }, [GROUPING, prompts, groups]);
  await shot("thousand");
  console.log(`     ${MANY} prompts: redraw ${Math.round(made.redraw)} ms, a frame of scrolling ${Math.round(made.frame)} ms`);
  compare(problems, "rows at first, open, and found", [made.folded, made.rows, made.hits], [0, MANY, 11]);
  for (const [what, most] of Object.entries(SMOOTH)) if (made[what] > most) problems.push(`${what}: ${made[what]} ms`);
}
