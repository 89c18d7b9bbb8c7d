/**
 * A run in one line of text.
 *
 * @typedef {{
 *   done: number, total: number, seconds: number, left: number | null, running: boolean, stopped: boolean,
 * }} Progress
 */

import { say, sayCount, sayList } from "./texts.js";

/** @param {number} seconds */
export function duration(seconds) {
  const whole = Math.round(seconds);
  if (whole < 60) return say("{seconds} s", { seconds: whole });
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return say("{minutes} min {seconds} s", { minutes, seconds: whole % 60 });
  return say("{hours} h {minutes} min", { hours: Math.floor(minutes / 60), minutes: minutes % 60 });
}

/** The time that is left, or the time that the run took. @param {Progress} progress */
function timeText({ running, stopped, seconds, left }) {
  if (!running) return say(stopped ? "stopped after {time}" : "done in {time}", { time: duration(seconds) });
  return left === null ? "" : say("{time} left", { time: duration(left) });
}

/** What is sampled now. @param {Sampling} run */
function phaseText({ running, shared, corrected }) {
  if (!running || shared === null) return "";
  if (shared) return say(corrected ? "one picture per group" : "shared steps");
  return say(corrected ? "each prompt's own steps" : "every prompt on its own");
}

/**
 * See SamplingMonitor in sage_core/panels/sampling.py; with `workers`, see WorkersMonitor in sage_core/panels/workers.py.
 *
 * @typedef {{worker: string, done: number}} Worker its name, and how many prompts it has rendered
 * @typedef {{text: string, prompts: number}} Followed the prompt of an earlier render, and how many follow that
 * @typedef {Progress & {
 *   saving: number | null, shared: boolean | null, at_most: boolean, corrected: boolean, workers?: Worker[],
 *   earlier?: {taken: number, followed: Followed[]} | null,
 * }} Sampling
 * @param {Sampling} run
 */
export function samplingSummary(run) {
  const { done, total } = run;
  if (run.workers) return sayList([say("{done} of {total} prompts", { done, total }), timeText(run)]);
  const evaluations = say(
    run.at_most ? "{done} of at most {total} evaluations" : "{done} of {total} evaluations", { done, total },
  );
  const saved = run.saving === null ? "" : say("{percent}% saved", { percent: (100 * run.saving).toFixed(1) });
  return sayList([evaluations, saved, phaseText(run), timeText(run)]);
}

const NO_EARLIER = "No earlier render fits. Keep the seed and the settings, and the next run can use this one.";
const MOST_FOLLOWED = 3; // earlier renders with a line of their own

/** What a run uses of earlier renders. @param {Sampling} run */
export function earlierLines({ earlier }) {
  if (!earlier) return [];
  const { taken, followed } = earlier;
  if (!taken && !followed.length) return [say(NO_EARLIER)];
  const known = sayCount(taken, "1 prompt rendered earlier: no cost.", "{count} prompts rendered earlier: no cost.");
  return [...(taken ? [known] : []), ...followedLines(followed)];
}

/** @param {Followed[]} followed */
function followedLines(followed) {
  if (followed.length > MOST_FOLLOWED) {
    const count = followed.reduce((sum, { prompts }) => sum + prompts, 0);
    return [say("{count} prompts follow earlier renders.", { count })];
  }
  return followed.map(({ text, prompts }) => sayCount(
    prompts, "1 prompt follows “{text}”, rendered earlier.", "{count} prompts follow “{text}”, rendered earlier.",
    { text },
  ));
}

/** A line for every worker. @param {Sampling} run */
export function workerLines({ workers, running }) {
  if (!workers) return [];
  if (!workers.length) return running ? [say("Waiting for the first worker")] : [];
  return workers.map(({ worker, done }) => `${worker}: ${sayCount(done, "1 prompt", "{count} prompts")}`);
}

/** @param {Progress & {rate: number | null}} run see TrainingMonitor in sage_core/panels/training.py */
export function trainingSummary(run) {
  const rate = run.rate === null ? "" : say("learning rate {rate}", { rate: Number(run.rate.toPrecision(2)) });
  return sayList([say("step {done} of {total}", { done: run.done, total: run.total }), rate, timeText(run)]);
}
