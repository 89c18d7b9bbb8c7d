/**
 * Numbers and colours of groups that stay while the user tries settings: those of the run, so that the report and the
 * pictures have the same.
 *
 * @typedef {import("./group_cards.js").Group} Group
 * @typedef {import("./group_cards.js").Grouping} Grouping
 */

/**
 * Gives each group the number of the run's group that it has most prompts of. The others get numbers that are free.
 *
 * @param {Grouping} grouping
 * @param {Group[]} run the groups of the run
 * @returns {Grouping} its groups in the order of their numbers
 */
export function withNumbersOf(grouping, run) {
  const before = new Map(run.flatMap(({ members }, number) => members.map((index) => [index, number])));
  /** @type {Map<Group, number>} */
  const numbers = new Map();
  const taken = new Set();
  const pairs = grouping.groups.flatMap((group) => overlaps(group, before));
  for (const { group, number } of pairs.sort((a, b) => b.common - a.common)) {
    if (numbers.has(group) || taken.has(number)) continue;
    numbers.set(group, number);
    taken.add(number);
  }
  let next = 0;
  const free = () => {
    while (taken.has(next)) next += 1;
    taken.add(next);
    return next;
  };
  const groups = grouping.groups.map((group) => {
    const number = numbers.get(group) ?? free();
    const alone = group.members.length === 1;
    return { ...group, number, colour: alone ? group.colour : grouping.colours[number % grouping.colours.length] };
  });
  return { ...grouping, groups: groups.sort((a, b) => a.number - b.number) };
}

/**
 * How many prompts a group has of each of the run's groups.
 *
 * @param {Group} group
 * @param {Map<number, number>} before the number of the group that each prompt was in
 */
function overlaps(group, before) {
  /** @type {Map<number, number>} */
  const common = new Map();
  for (const index of group.members) {
    const number = before.get(index);
    if (number !== undefined) common.set(number, (common.get(number) ?? 0) + 1);
  }
  return [...common].map(([number, count]) => ({ group, number, common: count }));
}
