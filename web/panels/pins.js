/**
 * Prompts that the user put into a group by hand: each pinned prompt by its text, and the prompt that it stays with.
 * A prompt that stays with itself has a group of its own. sage_core/grouping/pins.py reads the same format.
 *
 * @typedef {Map<string, string>} Pins
 */

/** Edited prompts have at least this part of their words in common. */
const SAME_PROMPT = 0.6;

/**
 * @param {string} text the value of the node's input `pinned`
 * @returns {Pins} none if the text is damaged; the node reports that when it runs
 */
export function parsePins(text) {
  try {
    return new Map(Object.entries(JSON.parse(text || "{}")));
  } catch {
    return new Map();
  }
}

/** @param {Pins} pins */
export function formatPins(pins) {
  return pins.size ? JSON.stringify(Object.fromEntries(pins)) : "";
}

/**
 * The pins without the pin of one prompt. Prompts that were pinned to it stay in their group.
 *
 * @param {Pins} pins
 * @param {string[][]} groups the texts of each group, as they are shown now
 * @param {string} text the prompt that goes back to where the threshold puts it
 * @returns {Pins}
 */
export function unpinPrompt(pins, groups, text) {
  const next = new Map(pins);
  next.delete(text);
  const others = (groups.find((group) => group.includes(text)) ?? []).filter((other) => other !== text);
  const followers = others.filter((other) => pins.get(other) === text);
  const newKeeper = keeper(others, next, text) ?? followers[0];
  for (const follower of followers) next.set(follower, newKeeper);
  return next;
}

/**
 * The pins after a prompt was moved. Prompts that were pinned to it stay in their group.
 *
 * @param {Pins} pins
 * @param {string[][]} groups the texts of each group, as they are shown now
 * @param {string} text the prompt that is moved
 * @param {string[] | null} target the group that it moves to; null for a group of its own
 * @returns {Pins}
 */
export function movePrompt(pins, groups, text, target) {
  const next = unpinPrompt(pins, groups, text);
  next.set(text, target ? (keeper(target, next, text) ?? target[0]) : text);
  return next;
}

/**
 * The prompt of a group that others are pinned to: preferably one without a pin, so that the group still follows the
 * threshold; otherwise the one that is pinned to itself.
 *
 * @param {string[]} group
 * @param {Pins} pins
 * @param {string} except not this one
 */
function keeper(group, pins, except) {
  const others = group.filter((text) => text !== except);
  return others.find((text) => !pins.has(text)) ?? others.find((text) => pins.get(text) === text);
}

/**
 * The group that the keyboard moves a prompt to: each of the other groups in turn, then a group of its own.
 * The order of the groups does not depend on the moved prompt, so that every group comes up once per round.
 *
 * @param {string[]} prompts all texts, in the user's order
 * @param {string[][]} groups the texts of each group
 * @param {string} text the prompt that is moved
 * @param {1 | -1} step to the next group or to the previous one
 * @returns {string[] | null} the group, without the prompt; null for a group of its own
 */
export function neighbourGroup(prompts, groups, text, step) {
  const position = new Map([...prompts.entries()].reverse().map(([index, prompt]) => [prompt, index]));
  const order = (/** @type {string[]} */ [first]) => position.get(first) ?? 0;
  const others = groups.map((group) => group.filter((other) => other !== text));
  const current = others[groups.findIndex((group) => group.includes(text))];
  const ordered = others.filter((group) => group.length).sort((a, b) => order(a) - order(b));
  const index = current.length ? ordered.indexOf(current) : ordered.length;
  const targets = [...ordered, null];
  return targets[(index + step + targets.length) % targets.length];
}

/** The pins that do something: their prompts are in the list. @param {Pins} pins @param {string[]} prompts */
export function workingPins(pins, prompts) {
  const known = new Set(prompts);
  return new Map([...pins].filter((pin) => pin.every((text) => known.has(text))));
}

/**
 * The pins with other texts for prompts; those that are switched off (null) keep theirs.
 *
 * @param {Pins} pins
 * @param {Map<string, string | null>} changes
 * @returns {Pins}
 */
export function renamedPins(pins, changes) {
  const current = (/** @type {string} */ text) => changes.get(text) ?? text;
  return new Map([...pins].map(([text, other]) => [current(text), current(other)]));
}

/**
 * The pins after the user has edited prompts: each prompt that is gone is taken for the most similar new one, if they
 * have most of their words in common.
 *
 * @param {Pins} pins
 * @param {string[]} before the prompts that the pins were made for
 * @param {string[]} now
 * @returns {Pins}
 */
export function followEdits(pins, before, now) {
  return renamedPins(pins, editedTexts([...pins].flat(), before, now));
}

/**
 * What became of prompts that the user has edited: each that is gone, with the most similar new one.
 *
 * @param {string[]} texts the prompts to look for
 * @param {string[]} before
 * @param {string[]} now
 */
export function editedTexts(texts, before, now) {
  const gone = [...new Set(texts)].filter((text) => before.includes(text) && !now.includes(text));
  const added = new Set(now.filter((text) => !before.includes(text)));
  /** @type {Map<string, string>} */
  const edited = new Map();
  for (const text of gone) {
    const [closest] = [...added].sort((a, b) => commonWords(text, b) - commonWords(text, a));
    if (closest === undefined || commonWords(text, closest) < SAME_PROMPT) continue;
    edited.set(text, closest);
    added.delete(closest);
  }
  return edited;
}

/** Which part of their words two prompts have in common, 0 to 1. @param {string} a @param {string} b */
function commonWords(a, b) {
  const [words, others] = [a, b].map((text) => new Set(text.toLowerCase().match(/[\p{L}\p{N}]+/gu)));
  return (2 * [...words].filter((word) => others.has(word)).length) / Math.max(1, words.size + others.size);
}
