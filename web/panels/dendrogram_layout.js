/**
 * Where the branches of the dendrogram lie. It shows which prompts complete linkage joins, and the similarity of the
 * loosest pair of each cluster.
 *
 * @typedef {[first: number, last: number, loosest: number]} Merge the first and the last leaf, and the similarity
 * @typedef {{leaves: number[], sizes: number[], merges: Merge[]}} Tree see `dendrogram` in sage_core/panels/groups.py
 * @typedef {{near: number, far: number}} Scale the smallest and the largest distance (1 - similarity) on the drawing
 */

const SIMILARITY_TOLERANCE = 1e-6; // as in sage_core/grouping/linkage.py
const NEAREST = 1e-4; // below this distance the scale is no longer logarithmic
const ROOM = 1.25; // space above the root, for a threshold that puts all prompts into one group
const DIGITS = 4;

/**
 * A logarithmic scale of the distance that includes 0, so that pairs at 0.999 and at 0.5 are both visible.
 *
 * @param {Tree} tree
 * @param {number} lowest a similarity that must be on the scale too
 * @returns {Scale}
 */
export function scaleOf({ merges }, lowest) {
  const distances = merges.map(([, , loosest]) => 1 - loosest);
  const near = Math.max(NEAREST, Math.min(...distances));
  return { near, far: Math.min(2, ROOM * Math.max(near, 1 - lowest, ...distances)) };
}

/** The height from 0 (equal prompts) to 1 (the top). @param {number} similarity @param {Scale} scale */
export function heightOf(similarity, { near, far }) {
  const height = Math.log1p((1 - similarity) / near) / Math.log1p(far / near);
  return Math.min(1, Math.max(0, height));
}

/** The similarity at a height, rounded as thresholds are. @param {number} height @param {Scale} scale */
export function similarityAt(height, { near, far }) {
  const inside = Math.min(1, Math.max(0, height));
  return Number((1 - near * Math.expm1(inside * Math.log1p(far / near))).toFixed(DIGITS));
}

/**
 * An SVG path for each merge, and the leaves below it. A leaf is 1 unit wide; the drawing is 100 units high.
 *
 * @param {Tree} tree
 * @param {Scale} scale
 * @returns {{path: string, leaves: number[]}[]}
 */
export function branchesOf({ leaves, merges }, scale) {
  const tops = leaves.map((_, position) => ({ x: position + 0.5, y: 100 }));
  // The top of the largest cluster so far, by its first leaf and by its last leaf.
  const [begins, ends] = [[...tops], [...tops]];
  const branches = [...merges].reverse().map(([first, last, loosest]) => {
    const [left, right] = [begins[first], ends[last]];
    const y = 100 * (1 - heightOf(loosest, scale));
    begins[first] = ends[last] = { x: (left.x + right.x) / 2, y };
    const path = `M${fixed(left.x)} ${fixed(left.y)}V${fixed(y)}H${fixed(right.x)}V${fixed(right.y)}`;
    return { path, leaves: leaves.slice(first, last + 1) };
  });
  return branches.reverse();
}

/** @param {number} value */
const fixed = (value) => value.toFixed(2);

/**
 * The next threshold at which more prompts are joined than now, or fewer.
 *
 * @param {Tree} tree
 * @param {Scale} scale
 * @param {number} threshold the current one
 * @param {"more" | "fewer"} which
 * @returns {number} the current threshold if there is no next one
 */
export function nextThreshold({ merges }, scale, threshold, which) {
  const mergesAt = (/** @type {number} */ similarity) =>
    merges.filter(([, , loosest]) => loosest >= similarity - SIMILARITY_TOLERANCE).length;
  const current = mergesAt(threshold);
  const candidates = distinctThresholds(merges, 1 - scale.far);
  if (which === "more") return candidates.find((candidate) => mergesAt(candidate) > current) ?? threshold;
  return candidates.findLast((candidate) => mergesAt(candidate) < current) ?? threshold;
}

/**
 * One threshold for each way to cut the tree, from the one that joins nothing downwards.
 *
 * @param {Merge[]} merges
 * @param {number} lowest
 */
function distinctThresholds(merges, lowest) {
  const bounds = [1, ...merges.map(([, , loosest]) => loosest).sort((a, b) => b - a), lowest];
  return bounds.slice(1).map((low, index) => shortNumber(low, bounds[index])).filter((number) => number !== undefined);
}

/**
 * The number with the fewest digits between two similarities; undefined if they are too close.
 *
 * @param {number} low
 * @param {number} high
 */
function shortNumber(low, high) {
  for (let digits = 1; digits <= DIGITS; digits += 1) {
    const number = Number(((low + high) / 2).toFixed(digits));
    if (number > low + SIMILARITY_TOLERANCE && number <= high) return number;
  }
  return undefined;
}
