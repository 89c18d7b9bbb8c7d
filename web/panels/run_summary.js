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

/**
 * @param {Progress & {saving: number | null, shared: boolean | null}} run see SamplingMonitor in
 *     sage_core/panels/sampling.py
 */
export function samplingSummary(run) {
  const phase = !run.running || run.shared === null ? "" : run.shared ? "shared steps" : "every prompt on its own";
  const saved = run.saving === null ? "" : `${(100 * run.saving).toFixed(1)}% saved`;
  return [`${run.done} of ${run.total} evaluations`, saved, phase, timeText(run)].filter(Boolean).join(", ");
}

/** @param {Progress & {rate: number | null}} run see TrainingMonitor in sage_core/panels/training.py */
export function trainingSummary(run) {
  const rate = run.rate === null ? "" : `learning rate ${Number(run.rate.toPrecision(2))}`;
  return [`step ${run.done} of ${run.total}`, rate, timeText(run)].filter(Boolean).join(", ");
}
