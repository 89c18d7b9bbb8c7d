/**
 * The tree that grouping cuts: which prompts it joins, and how alike the loosest pair is then.
 *
 * @typedef {[first: number, last: number, loosest: number]} Merge the leaves that it joins, and their similarity
 * @typedef {{leaves: number[], merges: Merge[]}} Tree see `dendrogram` in sage_core/regrouping.py
 * @typedef {{near: number, far: number}} Scale distances, 1 - similarity, between which it is drawn
 */

const HAIR = 1e-6; // as in sage_core/grouping.py
const NEAREST = 1e-4;
const ROOM = 1.25; // above the root, for a threshold that makes one group of all
const DIGITS = 4;

/**
 * A logarithm of the distance, with 0 in it: pairs at 0.999 and at 0.5 are to be seen in one picture.
 *
 * @param {Tree} tree
 * @param {number} lowest similarity that is to be on it too
 * @returns {Scale}
 */
export function scaleOf({ merges }, lowest) {
  const distances = merges.map(([, , loosest]) => 1 - loosest);
  const near = Math.max(NEAREST, Math.min(...distances));
  return { near, far: Math.min(2, ROOM * Math.max(near, 1 - lowest, ...distances)) };
}

/** From 0, where prompts are equal, to 1. @param {number} similarity @param {Scale} scale */
export function heightOf(similarity, { near, far }) {
  const height = Math.log1p((1 - similarity) / near) / Math.log1p(far / near);
  return Math.min(1, Math.max(0, height));
}

/** The similarity at a height, to as many digits as a threshold has. @param {number} height @param {Scale} scale */
export function similarityAt(height, { near, far }) {
  const inside = Math.min(1, Math.max(0, height));
  return Number((1 - near * Math.expm1(inside * Math.log1p(far / near))).toFixed(DIGITS));
}

/**
 * What to draw: an SVG path for each merge, a leaf wide a unit and 100 high, with its leaves.
 *
 * @param {Tree} tree
 * @param {Scale} scale
 * @returns {{path: string, leaves: number[]}[]}
 */
export function branchesOf({ leaves, merges }, scale) {
  const tops = leaves.map((_, at) => ({ x: at + 0.5, y: 100 }));
  const [begins, ends] = [[...tops], [...tops]]; // what is joined so far, at its first and its last leaf
  const branches = [...merges].reverse().map(([first, last, loosest]) => {
    const [left, right] = [begins[first], ends[last]];
    const y = 100 * (1 - heightOf(loosest, scale));
    begins[first] = ends[last] = { x: (left.x + right.x) / 2, y };
    const path = `M${point(left.x)} ${point(left.y)}V${point(y)}H${point(right.x)}V${point(right.y)}`;
    return { path, leaves: leaves.slice(first, last + 1) };
  });
  return branches.reverse();
}

/** @param {number} value */
const point = (value) => value.toFixed(2);

/**
 * The next threshold that joins more prompts than now, or fewer.
 *
 * @param {Tree} tree
 * @param {Scale} scale
 * @param {number} threshold now
 * @param {"more" | "fewer"} which
 * @returns {number} the same threshold where there is none
 */
export function nextThreshold({ merges }, scale, threshold, which) {
  const joined = (/** @type {number} */ at) => merges.filter(([, , loosest]) => loosest >= at - HAIR).length;
  const now = joined(threshold);
  const stops = stopsOf(merges, 1 - scale.far);
  if (which === "more") return stops.find((stop) => joined(stop) > now) ?? threshold;
  return stops.findLast((stop) => joined(stop) < now) ?? threshold;
}

/**
 * A threshold for every cut through the tree, from the one that joins nothing down.
 *
 * @param {Merge[]} merges
 * @param {number} lowest
 */
function stopsOf(merges, lowest) {
  const marks = [1, ...merges.map(([, , loosest]) => loosest).sort((a, b) => b - a), lowest];
  return marks.slice(1).map((low, at) => roundest(low, marks[at])).filter((stop) => stop !== undefined);
}

/**
 * The number of the fewest digits between two similarities; none where they are too close.
 *
 * @param {number} low
 * @param {number} high
 */
function roundest(low, high) {
  for (let digits = 1; digits <= DIGITS; digits += 1) {
    const number = Number(((low + high) / 2).toFixed(digits));
    if (number > low + HAIR && number <= high) return number;
  }
  return undefined;
}
