/**
 * Lines of a plot, as far as they are numbers: where they lie, and what the plot's ends are.
 *
 * @typedef {{name: string, points: [step: number, value: number][]}} Line
 */

/** The largest value, and the range of the steps. @param {Line[]} lines */
export function limits(lines) {
  const points = lines.flatMap(({ points }) => points);
  const steps = points.map(([step]) => step);
  return { first: Math.min(...steps), last: Math.max(...steps), most: Math.max(...points.map(([, value]) => value)) };
}

/**
 * An SVG path in a square of 100, with 0 at its bottom.
 *
 * @param {Line["points"]} points
 * @param {ReturnType<typeof limits>} limits
 */
export function pathOf(points, { first, last, most }) {
  const x = (/** @type {number} */ step) => (100 * (step - first)) / Math.max(last - first, 1);
  const y = (/** @type {number} */ value) => 100 - (100 * value) / (most || 1);
  return points.map(([step, value], index) => `${index ? "L" : "M"}${x(step).toFixed(2)} ${y(value).toFixed(2)}`).join("");
}
