/**
 * Prompts that a person put into a group by hand: which prompt stays with which other one, by their texts.
 * One that stays with itself has a group of its own. sage_core/pins.py reads the same.
 *
 * @typedef {Map<string, string>} Pins
 */

/**
 * @param {string} text what the node keeps
 * @returns {Pins} none where the text is damaged: the node says so when it runs
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
 * The pins without a prompt's own; those that stayed with it stay behind.
 *
 * @param {Pins} pins
 * @param {string[][]} groups the texts of each group, as they are shown now
 * @param {string} text what goes back to where the threshold puts it
 * @returns {Pins}
 */
export function unpinPrompt(pins, groups, text) {
  const next = new Map(pins);
  next.delete(text);
  const left = (groups.find((group) => group.includes(text)) ?? []).filter((other) => other !== text);
  const followers = left.filter((other) => pins.get(other) === text);
  const heir = keeper(left, next, text) ?? followers[0];
  for (const follower of followers) next.set(follower, heir);
  return next;
}

/**
 * The pins after a prompt was moved; those that stayed with it stay behind.
 *
 * @param {Pins} pins
 * @param {string[][]} groups the texts of each group, as they are shown now
 * @param {string} text what is moved
 * @param {string[] | null} target the group that it goes to; null for one of its own
 * @returns {Pins}
 */
export function movePrompt(pins, groups, text, target) {
  const next = unpinPrompt(pins, groups, text);
  next.set(text, target ? (keeper(target, next, text) ?? target[0]) : text);
  return next;
}

/**
 * Who others in a group are pinned to: one that is free, so that the group changes with the threshold, or else
 * the one whose own group it is.
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
 * Where a prompt goes when it is moved by the keyboard: through all other groups, then to one of its own.
 * The order does not depend on the prompt itself, so that it does not come back half way.
 *
 * @param {string[]} prompts all texts, in the person's order
 * @param {string[][]} groups the texts of each group
 * @param {string} text what is moved
 * @param {1 | -1} step to the next group or to the one before
 * @returns {string[] | null} the group, without the prompt; null for its own
 */
export function neighbourGroup(prompts, groups, text, step) {
  const place = new Map([...prompts.entries()].reverse().map(([index, prompt]) => [prompt, index]));
  const order = (/** @type {string[]} */ [first]) => place.get(first) ?? 0;
  const others = groups.map((group) => group.filter((other) => other !== text));
  const home = others[groups.findIndex((group) => group.includes(text))];
  const ring = others.filter((group) => group.length).sort((a, b) => order(a) - order(b));
  const at = home.length ? ring.indexOf(home) : ring.length;
  const stops = [...ring, null];
  return stops[(at + step + stops.length) % stops.length];
}
