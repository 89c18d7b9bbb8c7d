import { element, scrollArea } from "./dom.js";
import { progressBar, showProgress } from "./progress_bar.js";
import { samplingSummary } from "./run_summary.js";
import { say } from "./texts.js";

const EMPTY = "Run the workflow to see all pictures here while they are made.";
const PREVIEWS = "These are previews. The finished pictures are after VAE Decode.";
const OLD = "The workflow has changed since this run.";
const TOO_MANY = "{count} pictures: too many to show.";
const MOST_COLUMNS = 4; // variations of a cluster side by side

/**
 * The payload of a sampling run, see SamplingMonitor in sage_core/panels/sampling.py. A sheet is one picture of all
 * rows, with as many columns and lines of tiles as it says.
 *
 * @typedef {{group: number, prompts: number, size: number}} Part the number of a group, and how many of its prompts
 * @typedef {{title: string | Part, texts: string[], colour: string}} Cluster
 * @typedef {{
 *   picture: string, columns: number, lines: number, aspect: number, variations: number, clusters: Cluster[],
 * }} Sheet
 * @typedef {import("./run_summary.js").Sampling & {sheet: Sheet | {too_many: number} | null}} Run
 */

/** Shows the progress of a sampling run, and all its rows in frames of their group's colour. */
export class SamplingPanel {
  constructor() {
    this.layout = "";
    /** @type {HTMLImageElement | null} */
    this.newest = null;
    this.summary = element("div", "sage-summary", say(EMPTY));
    this.summary.setAttribute("role", "status");
    this.message = element("div", "sage-message");
    this.note = element("div", "sage-note");
    this.hint = element("div", "sage-hint");
    this.bar = progressBar();
    this.sheet = scrollArea("sage-sheet", say("Pictures so far"));
    this.element = element("div", "sage-panel", this.summary, this.message, this.note, this.bar, this.sheet, this.hint);
  }

  /** @param {Run} run */
  show(run) {
    this.summary.textContent = samplingSummary(run);
    if (run.running) this.message.textContent = "";
    this.hint.textContent = run.sheet && "picture" in run.sheet && !run.running ? say(PREVIEWS) : "";
    showProgress(this.bar, run);
    const layout = JSON.stringify({ ...run.sheet, picture: "" });
    if (layout !== this.layout) this.layOut(run.sheet);
    this.layout = layout;
    if (run.sheet && "picture" in run.sheet) this.showPicture(run.sheet.picture);
  }

  /** @param {string} message why the node failed */
  showError(message) {
    this.message.textContent = message;
  }

  /** @param {boolean} old whether the settings are no longer those of the run */
  markOld(old) {
    this.note.textContent = old ? say(OLD) : "";
  }

  /** @param {Run["sheet"]} sheet */
  layOut(sheet) {
    if (!sheet) return this.sheet.replaceChildren();
    if ("too_many" in sheet) {
      return this.sheet.replaceChildren(element("div", "sage-hint", say(TOO_MANY, { count: sheet.too_many })));
    }
    const { columns, lines, aspect, variations, clusters } = sheet;
    const style = {
      "sheet-size": `${100 * columns}% ${100 * lines}%`, aspect, columns: Math.min(variations, MOST_COLUMNS),
    };
    for (const [name, value] of Object.entries(style)) this.sheet.style.setProperty(`--sage-${name}`, String(value));
    this.sheet.replaceChildren(...clusters.map((cluster, number) => clusterFrame(cluster, number, sheet)));
  }

  /** Shows a picture once it is decoded; before that a background would be empty. @param {string} picture */
  showPicture(picture) {
    const image = new Image();
    this.newest = image;
    image.src = picture;
    const show = () => this.newest === image && this.sheet.style.setProperty("--sage-picture", `url("${picture}")`);
    image.decode().then(show, () => {});
  }
}

/**
 * The frame of a cluster, with one tile per variation.
 *
 * @param {Cluster} cluster
 * @param {number} number
 * @param {Sheet} sheet
 */
function clusterFrame({ title, texts, colour }, number, { columns, lines, variations }) {
  const tiles = Array.from({ length: variations }, (_, variation) => {
    const row = number * variations + variation;
    const tile = element("div", "sage-tile");
    tile.style.backgroundPosition = `${offset(row % columns, columns)} ${offset(Math.floor(row / columns), lines)}`;
    return tile;
  });
  const caption = element("figcaption", "", titleText(title));
  const made = element("figure", "", element("div", "sage-tiles", ...tiles), caption);
  made.style.setProperty("--sage-group", colour);
  made.title = texts.join("\n");
  return made;
}

/** @param {Cluster["title"]} title */
function titleText(title) {
  if (typeof title === "string") return title;
  const whole = title.prompts === title.size;
  return say(whole ? "Group {group}: {size} prompts" : "Group {group}: {prompts} of {size} prompts", title);
}

/** The position of a tile in the sheet, as a CSS percentage. @param {number} index @param {number} count */
const offset = (index, count) => `${count > 1 ? (100 * index) / (count - 1) : 0}%`;
