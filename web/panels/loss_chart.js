/**
 * Where the lines of a loss chart lie, as numbers.
 *
 * @typedef {{name: string, points: [step: number, value: number][]}} Line
 */

/** The range of the steps, and the largest value of all lines. @param {Line[]} lines */
export function chartLimits(lines) {
  const points = lines.flatMap(({ points }) => points);
  const steps = points.map(([step]) => step);
  const largest = Math.max(...points.map(([, value]) => value));
  return { firstStep: Math.min(...steps), lastStep: Math.max(...steps), largest };
}

/**
 * A line as an SVG path in a square of 100 by 100, with the value 0 at the bottom.
 *
 * @param {Line["points"]} points
 * @param {ReturnType<typeof chartLimits>} limits
 */
export function linePath(points, { firstStep, lastStep, largest }) {
  const x = (/** @type {number} */ step) => (100 * (step - firstStep)) / Math.max(lastStep - firstStep, 1);
  const y = (/** @type {number} */ value) => 100 - (100 * value) / (largest || 1);
  const place = (/** @type {Line["points"][number]} */ [step, value]) => `${x(step).toFixed(2)} ${y(value).toFixed(2)}`;
  return points.map((point, index) => `${index ? "L" : "M"}${place(point)}`).join("");
}
