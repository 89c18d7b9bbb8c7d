import { digits, element } from "./dom.js";
import { say, sayCount, sayList } from "./texts.js";

/**
 * Groups as cards in their colours. Prompts are text of the user, so they are never read as HTML.
 *
 * @typedef {{members: number[], colour: string, tightest: number, loosest: number, number?: number}} Group
 * @typedef {{threshold: number, share: number, saved: number, groups: Group[], colours: string[]}} Grouping see
 *     groups_payload in sage_core/panels/groups.py; `number` is added on the page
 */

const HINT = "Drop a prompt here to give it a group of its own.";
const MOVE = "Drag it to another group, or press ← → to move it, A for a group of its own.";
const EDIT = "Double-click, or press Enter, to edit it. Space switches it off.";
const OFF = "Switched off: the next run leaves it out. Space switches it on again.";

/** @param {number} count */
export const promptCount = (count) => sayCount(count, "1 prompt", "{count} prompts");

/** Each text of a group once, in prompt order. @param {string[]} prompts @param {Group} group */
export const textsOf = (prompts, group) => [...new Set(group.members.map((index) => prompts[index]))];

/** The name under which a group is folded. @param {Group} group @param {number} index */
export const foldOf = (group, index) => (group.members.length === 1 ? "alone" : String(group.number ?? index));

/**
 * What is seen of the cards.
 *
 * @typedef {{
 *   searching: boolean, shows(text: string): boolean, isFolded(group: string): boolean, off: string[],
 * }} View `off` has the prompts that are switched off
 */

/**
 * One card per group, one for all prompts that share with no other, and one for those that are switched off.
 *
 * @param {string[]} prompts
 * @param {string[]} labels a short text for each prompt: what it does not have in common with the others
 * @param {Grouping} grouping
 * @param {import("./pins.js").Pins} pins
 * @param {View} view
 */
export function groupCards(prompts, labels, grouping, pins, view) {
  const labelOf = new Map(prompts.map((text, index) => [text, labels[index]]));
  /** @type {Map<string, number>} */
  const repeats = new Map();
  for (const text of prompts) repeats.set(text, (repeats.get(text) ?? 0) + 1);
  const row = (/** @type {string} */ text) => {
    const keeper = pins.get(text);
    return promptRow(text, labelOf.get(text) ?? text, repeats.get(text) ?? 1, keeper !== undefined && repeats.has(keeper));
  };
  const lowest = Math.min(grouping.threshold, ...grouping.groups.map(({ loosest }) => loosest));
  const found = grouping.groups.map((group, index) => ({ group, index, texts: textsOf(prompts, group).filter(view.shows) }));
  const cards = found.filter(({ group, texts }) => group.members.length > 1 && texts.length).map(({ group, index, texts }) =>
    card({
      title: say("Group {number}", { number: (group.number ?? index) + 1 }), colour: group.colour, index: String(index),
      info: sayList([promptCount(group.members.length), rangeText(group)]), fold: foldOf(group, index),
      details: [similarityBar(group, grouping.threshold, lowest)], texts, row, view,
    }));
  const alone = found.flatMap(({ group, texts }) => (group.members.length === 1 ? texts : []));
  const hint = alone.length ? [] : [element("div", "sage-hint", say(HINT))];
  const info = promptCount(alone.length);
  if (alone.length || !view.searching) {
    cards.push(card({ title: say("Alone"), info, index: "", fold: "alone", details: hint, texts: alone, row, view }));
  }
  return [...cards, ...offCard(view)];
}

/** The prompts that are switched off; no card for none. @param {View} view */
export function offCard(view) {
  const texts = [...new Set(view.off)].filter(view.shows);
  const info = promptCount(texts.length);
  return texts.length ? [card({ title: say("Switched off"), info, fold: "off", details: [], texts, row: offRow, view })] : [];
}

/**
 * @param {{
 *   title: string, info: string, colour?: string, index?: string, fold: string, details: HTMLElement[], texts: string[],
 *   row: (text: string) => HTMLElement, view: View,
 * }} parts `index` of the group that prompts can be dropped on; `fold` is the name under which it is folded
 */
function card({ title, info, colour, index, fold, details, texts, row, view }) {
  const heading = element("button", "sage-heading", element("b", "", title), element("span", "", info));
  const open = !view.isFolded(fold);
  heading.dataset.fold = fold;
  heading.setAttribute("aria-expanded", String(open));
  heading.title = open ? say("Fold this group") : say("Open this group");
  const made = element("section", "sage-card", heading, ...(open ? [...details, element("ul", "", ...texts.map(row))] : []));
  if (colour) made.style.setProperty("--sage-group", colour);
  if (index !== undefined) made.dataset.group = index;
  made.setAttribute("aria-label", sayList([title, info]));
  return made;
}

/** How similar the pairs of a group are. @param {Group} group */
export function rangeText({ loosest, tightest }) {
  const [low, high] = [loosest, tightest].map((similarity) => similarity.toFixed(3));
  if (low !== high) return say("pairs {low} to {high}", { low, high });
  return low === "1.000" ? say("nearly the same") : say("pairs {similarity}", { similarity: low });
}

/** @param {string} text @param {string} label @param {number} times @param {boolean} pinned */
function promptRow(text, label, times, pinned) {
  const shown = element("span", "", label, times > 1 ? ` ×${times}` : "");
  const made = element("li", "", ...(pinned ? [unpinButton(text)] : []), shown);
  made.draggable = true;
  const state = pinned ? `${say("Pinned to this group; Delete removes the pin.")} ` : "";
  return describe(made, text, `${state}${say(MOVE)} ${say(EDIT)}`);
}

/** @param {string} text */
function offRow(text) {
  return describe(element("li", "sage-off", element("span", "", text)), text, say(OFF));
}

/** @param {HTMLElement} row @param {string} text @param {string} help */
function describe(row, text, help) {
  row.dataset.prompt = text;
  row.tabIndex = 0;
  row.title = `${text}\n\n${help}`;
  return row;
}

/** A dot. @param {string} text */
function unpinButton(text) {
  const made = element("button", "sage-pin");
  made.title = say("Remove the pin");
  made.setAttribute("aria-label", say("Remove the pin of {prompt}", { prompt: text }));
  return made;
}

/**
 * A bar from the similarity of the loosest pair to that of the tightest, with a line at the threshold.
 *
 * @param {Group} group
 * @param {number} threshold
 * @param {number} lowest the similarity at its left end
 */
function similarityBar(group, threshold, lowest) {
  const percent = (/** @type {number} */ similarity) =>
    `${(100 * (similarity - lowest)) / Math.max(1 - lowest, 1e-6)}%`;
  const range = element("i", "");
  range.style.left = percent(group.loosest);
  range.style.width = `max(2px, calc(${percent(group.tightest)} - ${percent(group.loosest)}))`;
  const line = element("u", "");
  line.style.left = percent(threshold);
  const bar = element("div", "sage-similarity", range, line);
  const values = { lowest: lowest.toFixed(3), threshold: digits(threshold) };
  bar.title = say("Similarity from {lowest} to 1. The line is the threshold, {threshold}.", values);
  return bar;
}
