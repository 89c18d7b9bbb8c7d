import { count, digits, element } from "./dom.js";

/**
 * Groups as coloured cards. Prompts are other people's text: everything goes through textContent.
 *
 * @typedef {{members: number[], colour: string, tightest: number, loosest: number}} Group
 * @typedef {{threshold: number, share: number, saved: number, groups: Group[]}} Grouping
 */

/** Each text of a group once, in prompt order. @param {string[]} prompts @param {Group} group */
export const textsOf = (prompts, group) => [...new Set(group.members.map((index) => prompts[index]))];

/**
 * A card a group, and one for all that are alone.
 *
 * @param {string[]} prompts
 * @param {Grouping} grouping
 * @param {Map<string, string>} pins
 */
export function cardsOf(prompts, grouping, pins) {
  /** @type {Map<string, number>} */
  const repeats = new Map();
  for (const text of prompts) repeats.set(text, (repeats.get(text) ?? 0) + 1);
  const row = (/** @type {string} */ text) => {
    const stays = pins.get(text);
    return promptRow(text, repeats.get(text) ?? 1, stays !== undefined && repeats.has(stays));
  };
  const low = Math.min(grouping.threshold, ...grouping.groups.map(({ loosest }) => loosest));
  /** @type {HTMLElement[]} */
  const cards = [];
  /** @type {HTMLElement[]} */
  const alone = [];
  grouping.groups.forEach((group, number) => {
    const rows = textsOf(prompts, group).map(row);
    if (group.members.length === 1) return alone.push(...rows);
    const range = `${group.loosest.toFixed(3)} to ${group.tightest.toFixed(3)}`;
    const about = `${count(group.members.length, "prompt")}, pairs ${range}`;
    const bar = similarityBar(group, grouping.threshold, low);
    cards.push(card(`Group ${number + 1}`, about, group.colour, number, [bar], rows));
  });
  const hint = alone.length ? [] : [element("div", "sage-hint", "Drop a prompt here to give it a group of its own.")];
  cards.push(card("Alone", count(alone.length, "prompt"), "", "", hint, alone));
  return cards;
}

/**
 * @param {string} title
 * @param {string} about
 * @param {string} colour
 * @param {number | ""} number of the group
 * @param {HTMLElement[]} details
 * @param {HTMLElement[]} rows
 */
function card(title, about, colour, number, details, rows) {
  const heading = element("div", "sage-heading", element("b", "", title), element("span", "", about));
  const made = element("section", "sage-card", heading, ...details, element("ul", "", ...rows));
  if (colour) made.style.setProperty("--sage-group", colour);
  made.dataset.group = String(number);
  made.setAttribute("aria-label", `${title}, ${about}`);
  return made;
}

/** @param {string} text @param {number} times @param {boolean} pinned */
function promptRow(text, times, pinned) {
  const made = element("li", "", ...(pinned ? [pinOf(text)] : []), text, times > 1 ? ` ×${times}` : "");
  made.dataset.prompt = text;
  made.tabIndex = 0;
  made.draggable = true;
  const state = pinned ? "Pinned to this group; Delete removes the pin. " : "";
  made.title = `${text}\n\n${state}Drag to another group, or press ← → to move, Enter for a group of its own.`;
  return made;
}

/** A dot that removes the pin. @param {string} text */
function pinOf(text) {
  const made = element("button", "sage-pin");
  made.title = "Remove the pin";
  made.setAttribute("aria-label", `Remove the pin of ${text}`);
  return made;
}

/**
 * From the loosest pair to the tightest, and where the threshold is.
 *
 * @param {Group} group
 * @param {number} threshold
 * @param {number} low similarity at its left end
 */
function similarityBar(group, threshold, low) {
  const percent = (/** @type {number} */ similarity) => `${(100 * (similarity - low)) / Math.max(1 - low, 1e-6)}%`;
  const range = element("i", "");
  range.style.left = percent(group.loosest);
  range.style.width = `max(2px, calc(${percent(group.tightest)} - ${percent(group.loosest)}))`;
  const mark = element("u", "");
  mark.style.left = percent(threshold);
  const bar = element("div", "sage-bar", range, mark);
  bar.title = `Similarity from ${low.toFixed(3)} to 1; the line is the threshold, ${digits(threshold)}.`;
  return bar;
}
