import { element, scrollArea, setStatus, svgElement } from "./dom.js";
import { chartLimits, linePath } from "./loss_chart.js";
import { PALETTE } from "./palette.js";
import { progressBar, showProgress } from "./progress_bar.js";
import { RunNotes } from "./run_notes.js";
import { trainingSummary } from "./run_summary.js";
import { say, sayList } from "./texts.js";

const EMPTY = "Run the workflow to see the loss and the sample images of the training here.";
const STOP = "End the training after this step. The LoRA of the steps so far goes on to the next node.";
/** As in the node's plot. The whole loss has the colour of the text. @type {Record<string, string>} */
const COLOURS = {
  loss: "currentColor", plain: PALETTE.blue, soft: PALETTE.vermilion, consistency: PALETTE.green,
};

/**
 * The payload of a training, see TrainingMonitor in sage_core/panels/training.py.
 *
 * @typedef {import("./loss_chart.js").Line} Line
 * @typedef {import("./run_summary.js").Progress & {
 *   run: string, node: string, rate: number | null, lines: Line[], samples: string | null,
 * }} Run
 */

/** Shows the loss of a training and its last sample images, with a button that ends it early. */
export class TrainingPanel {
  /** @param {(run: Run) => Promise<void>} requestStop asks the server to end the training */
  constructor(requestStop) {
    /** @type {Run | null} */
    this.run = null;
    this.summary = element("span", "", say(EMPTY));
    this.summary.setAttribute("role", "status");
    this.button = element("button", "");
    this.button.hidden = true;
    this.button.onclick = () => this.stop(requestStop);
    this.notes = new RunNotes();
    this.bar = progressBar();
    this.chart = element("div", "");
    this.samples = element("img", "");
    this.samples.alt = say("Sample images of the training so far");
    this.samples.hidden = true;
    this.body = scrollArea("sage-training", say("Loss and sample images"));
    this.body.append(this.chart, this.samples);
    const header = element("div", "sage-summary", this.summary, this.button);
    this.element = element("div", "sage-panel", header, ...this.notes.elements, this.bar, this.body);
  }

  /** @param {Run} run */
  show(run) {
    if (run.running !== this.run?.running) {
      this.button.disabled = false;
      this.notes.showError("");
    }
    this.run = run;
    setStatus(this.summary, trainingSummary(run), run.running);
    this.button.hidden = !run.running;
    this.button.textContent = say("Stop and save");
    this.button.title = say(STOP);
    showProgress(this.bar, run);
    this.chart.replaceChildren(...(run.lines.length ? [lossChart(run.lines), legend(run.lines)] : []));
    this.samples.hidden = !run.samples;
    if (run.samples && this.samples.src !== run.samples) this.samples.src = run.samples;
  }

  /** @param {(run: Run) => Promise<void>} requestStop */
  async stop(requestStop) {
    if (!this.run) return;
    this.button.disabled = true;
    this.notes.showError("");
    try {
      await requestStop(this.run);
    } catch (error) {
      this.button.disabled = false;
      this.notes.showError(/** @type {Error} */ (error).message);
    }
  }
}

/** @param {Line[]} lines */
function lossChart(lines) {
  const limits = chartLimits(lines);
  const drawing = svgElement("svg", {
    viewBox: "0 0 100 100", preserveAspectRatio: "none", role: "img",
    "aria-label": say("Loss by step: {values}", { values: sayList(lines.map(lastValue)) }),
  });
  for (const { name, points } of [...lines].reverse()) {
    const path = svgElement("path", { d: linePath(points, limits) });
    path.style.setProperty("--sage-line", COLOURS[name]);
    drawing.append(path);
  }
  const values = axis("sage-axis sage-vertical", short(limits.largest), "0");
  const steps = axis("sage-axis", `${limits.firstStep}`, say("step {step}", { step: limits.lastStep }));
  return element("div", "sage-plot", values, drawing, steps);
}

/** @param {string} className @param {string} start @param {string} end */
const axis = (className, start, end) => element("div", className, element("span", "", start), element("span", "", end));

/** @param {Line[]} lines */
function legend(lines) {
  const entries = lines.map((line) => {
    const entry = element("span", "", lastValue(line));
    entry.style.setProperty("--sage-line", COLOURS[line.name]);
    return entry;
  });
  return element("div", "sage-legend", ...entries);
}

/** @param {number} value */
const short = (value) => String(Number(value.toPrecision(3)));

/** The name of a line and its last value. @param {Line} line */
const lastValue = ({ name, points }) => `${say(name)} ${short(points[points.length - 1][1])}`;
