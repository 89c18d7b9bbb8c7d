/**
 * Which groups are folded: all or none, but for some. It is saved in a node's properties, as text.
 *
 * @typedef {{all: boolean, others: string[]}} Folds
 */

/** Longer lists are folded from the beginning. */
const MANY = 200;

/** @param {unknown} saved nothing, or damaged, for a new list @param {number} count of its prompts @returns {Folds} */
export function parseFolds(saved, count) {
  try {
    const { all, others } = JSON.parse(String(saved));
    return { all: Boolean(all), others: others.map(String) };
  } catch {
    return { all: count > MANY, others: [] };
  }
}

/** @param {Folds} folds @param {string} group */
export const isFolded = ({ all, others }, group) => all !== others.includes(group);

/** @param {Folds} folds @param {string} group @returns {Folds} */
export const toggleFold = ({ all, others }, group) => ({
  all, others: others.includes(group) ? others.filter((other) => other !== group) : [...others, group],
});
