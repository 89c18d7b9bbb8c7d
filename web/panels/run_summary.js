/**
 * What panels say of a run, as text.
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

/** How long it takes yet, or has taken. @param {Progress} progress */
export function time({ running, stopped, seconds, left }) {
  if (!running) return `${stopped ? "stopped after" : "done in"} ${duration(seconds)}`;
  return left === null ? "" : `${duration(left)} left`;
}

/** @param {Progress & {saving: number | null, shared: boolean | null}} run see `Watch` in sage_core/watching.py */
export function samplingSummary(run) {
  const part = !run.running || run.shared === null ? "" : run.shared ? "shared steps" : "every prompt on its own";
  const saved = run.saving === null ? "" : `${(100 * run.saving).toFixed(1)}% saved`;
  return [`${run.done} of ${run.total} evaluations`, saved, part, time(run)].filter(Boolean).join(", ");
}

/** @param {Progress & {rate: number | null}} run see `TrainingWatch` in sage_core/training/watching.py */
export function trainingSummary(run) {
  const rate = run.rate === null ? "" : `learning rate ${Number(run.rate.toPrecision(2))}`;
  return [`step ${run.done} of ${run.total}`, rate, time(run)].filter(Boolean).join(", ");
}
