/**
 * A run in one line of text.
 *
 * @typedef {{
 *   done: number, total: number, seconds: number, left: number | null, running: boolean, stopped: boolean,
 * }} Progress
 */

/** @param {number} seconds */
export function duration(seconds) {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** The time that is left, or the time that the run took. @param {Progress} progress */
function timeText({ running, stopped, seconds, left }) {
  if (!running) return `${stopped ? "stopped after" : "done in"} ${duration(seconds)}`;
  return left === null ? "" : `${duration(left)} left`;
}

/** What is sampled now. @param {Sampling} run */
function phaseText({ running, shared, corrected }) {
  if (!running || shared === null) return "";
  if (shared) return corrected ? "one picture per group" : "shared steps";
  return corrected ? "each prompt's own steps" : "every prompt on its own";
}

/**
 * See SamplingMonitor in sage_core/panels/sampling.py.
 *
 * @typedef {Progress & {saving: number | null, shared: boolean | null, at_most: boolean, corrected: boolean}} Sampling
 * @param {Sampling} run
 */
export function samplingSummary(run) {
  const evaluations = `${run.done} of ${run.at_most ? "at most " : ""}${run.total} evaluations`;
  const saved = run.saving === null ? "" : `${(100 * run.saving).toFixed(1)}% saved`;
  return [evaluations, saved, phaseText(run), timeText(run)].filter(Boolean).join(", ");
}

/** @param {Progress & {rate: number | null}} run see TrainingMonitor in sage_core/panels/training.py */
export function trainingSummary(run) {
  const rate = run.rate === null ? "" : `learning rate ${Number(run.rate.toPrecision(2))}`;
  return [`step ${run.done} of ${run.total}`, rate, timeText(run)].filter(Boolean).join(", ");
}
