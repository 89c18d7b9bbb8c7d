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
const MOVE = "Drag it to another group, or press ← → to move it, Enter for a group of its own.";

/** @param {number} count */
export const promptCount = (count) => sayCount(count, "1 prompt", "{count} prompts");

/** Each text of a group once, in prompt order. @param {string[]} prompts @param {Group} group */
export const textsOf = (prompts, group) => [...new Set(group.members.map((index) => prompts[index]))];

/**
 * One card per group, and one for all prompts that share with no other.
 *
 * @param {string[]} prompts
 * @param {string[]} labels a short text for each prompt: what it does not have in common with the others
 * @param {Grouping} grouping
 * @param {import("./pins.js").Pins} pins
 */
export function groupCards(prompts, labels, grouping, pins) {
  const labelOf = new Map(prompts.map((text, index) => [text, labels[index]]));
  /** @type {Map<string, number>} */
  const repeats = new Map();
  for (const text of prompts) repeats.set(text, (repeats.get(text) ?? 0) + 1);
  const row = (/** @type {string} */ text) => {
    const keeper = pins.get(text);
    return promptRow(text, labelOf.get(text) ?? text, repeats.get(text) ?? 1, keeper !== undefined && repeats.has(keeper));
  };
  const lowest = Math.min(grouping.threshold, ...grouping.groups.map(({ loosest }) => loosest));
  /** @type {HTMLElement[]} */
  const cards = [];
  /** @type {HTMLElement[]} */
  const alone = [];
  grouping.groups.forEach((group, index) => {
    const rows = textsOf(prompts, group).map(row);
    if (group.members.length === 1) return alone.push(...rows);
    const info = sayList([promptCount(group.members.length), rangeText(group)]);
    const bar = similarityBar(group, grouping.threshold, lowest);
    const title = say("Group {number}", { number: (group.number ?? index) + 1 });
    cards.push(card(title, info, group.colour, index, [bar], rows));
  });
  const hint = alone.length ? [] : [element("div", "sage-hint", say(HINT))];
  cards.push(card(say("Alone"), promptCount(alone.length), "", "", hint, alone));
  return cards;
}

/**
 * @param {string} title
 * @param {string} info
 * @param {string} colour
 * @param {number | ""} index of the group
 * @param {HTMLElement[]} details
 * @param {HTMLElement[]} rows
 */
function card(title, info, colour, index, details, rows) {
  const heading = element("div", "sage-heading", element("b", "", title), element("span", "", info));
  const made = element("section", "sage-card", heading, ...details, element("ul", "", ...rows));
  if (colour) made.style.setProperty("--sage-group", colour);
  made.dataset.group = String(index);
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
  const made = element("li", "", ...(pinned ? [unpinButton(text)] : []), label, times > 1 ? ` ×${times}` : "");
  made.dataset.prompt = text;
  made.tabIndex = 0;
  made.draggable = true;
  const state = pinned ? `${say("Pinned to this group; Delete removes the pin.")} ` : "";
  made.title = `${text}\n\n${state}${say(MOVE)}`;
  return made;
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
