import { progressBar, showProgress } from "./progress_bar.js";
import { element } from "./dom.js";
import { chartLimits, linePath } from "./loss_chart.js";
import { trainingSummary } from "./run_summary.js";

const EMPTY = "Run the workflow to see how the training goes.";
const SVG = "http://www.w3.org/2000/svg";
/** Okabe and Ito's colours, as in the node's plot; the whole loss has the text's. @type {Record<string, string>} */
const COLOURS = { loss: "currentColor", plain: "#0072b2", soft: "#d55e00", consistency: "#009e73" };

/**
 * What a training tells, see `TrainingWatch` in sage_core/training/watching.py.
 *
 * @typedef {import("./loss_chart.js").Line} Line
 * @typedef {import("./run_summary.js").Progress & {
 *   workflow: string, node: string, rate: number | null, lines: Line[], samples: string | null,
 * }} Run
 */

/** A training node's run: its loss, its last samples, and a button to leave it at that. */
export class TrainingPanel {
  /** @param {(run: Run) => Promise<void>} stop asks the server to end it */
  constructor(stop) {
    /** @type {Run | null} */
    this.run = null;
    this.summary = element("span", "", EMPTY);
    this.summary.setAttribute("role", "status");
    this.button = element("button", "", "Stop and save");
    this.button.title = "End after this step, as if it were the last one: the LoRA goes on to the next node.";
    this.button.hidden = true;
    this.button.onclick = () => this.stop(stop);
    this.message = element("div", "sage-message");
    this.bar = progressBar();
    this.plot = element("div", "");
    this.samples = element("img", "");
    this.samples.alt = "Sample images of the training so far";
    this.samples.hidden = true;
    this.body = element("div", "sage-training", this.plot, this.samples);
    this.body.tabIndex = 0; // so that keys scroll it
    this.body.setAttribute("aria-label", "Loss and sample images");
    this.body.dataset.captureWheel = "true";
    const header = element("div", "sage-summary", this.summary, this.button);
    this.element = element("div", "sage-panel", header, this.message, this.bar, this.body);
  }

  /** @param {Run} run */
  show(run) {
    if (run.running !== this.run?.running) this.button.disabled = false;
    this.run = run;
    this.summary.textContent = trainingSummary(run);
    this.button.hidden = !run.running;
    if (!run.running) this.message.textContent = "";
    showProgress(this.bar, run);
    this.plot.replaceChildren(...(run.lines.length ? [plotOf(run.lines), legendOf(run.lines)] : []));
    this.samples.hidden = !run.samples;
    if (run.samples && this.samples.src !== run.samples) this.samples.src = run.samples;
  }

  /** @param {(run: Run) => Promise<void>} stop */
  async stop(stop) {
    if (!this.run) return;
    this.button.disabled = true;
    this.message.textContent = "";
    try {
      await stop(this.run);
    } catch (error) {
      this.button.disabled = false;
      this.message.textContent = /** @type {Error} */ (error).message;
    }
  }
}

/** @param {Line[]} lines */
function plotOf(lines) {
  const ends = chartLimits(lines);
  const drawing = document.createElementNS(SVG, "svg");
  drawing.setAttribute("viewBox", "0 0 100 100");
  drawing.setAttribute("preserveAspectRatio", "none");
  drawing.setAttribute("role", "img");
  drawing.setAttribute("aria-label", `Loss by step: ${lines.map(toldOf).join(", ")}`);
  for (const { name, points } of [...lines].reverse()) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", linePath(points, ends));
    path.style.setProperty("--sage-line", COLOURS[name]);
    drawing.append(path);
  }
  const values = element("div", "sage-ends sage-upright", element("span", "", short(ends.largest)), element("span", "", "0"));
  const steps = element("div", "sage-ends", element("span", "", `${ends.firstStep}`), element("span", "", `step ${ends.lastStep}`));
  return element("div", "sage-plot", values, drawing, steps);
}

/** @param {Line[]} lines */
function legendOf(lines) {
  const entries = lines.map((line) => {
    const entry = element("span", "", toldOf(line));
    entry.style.setProperty("--sage-line", COLOURS[line.name]);
    return entry;
  });
  return element("div", "sage-legend", ...entries);
}

/** @param {number} value */
const short = (value) => String(Number(value.toPrecision(3)));

/** @param {Line} line */
const toldOf = ({ name, points }) => `${name} ${short(points[points.length - 1][1])}`;
