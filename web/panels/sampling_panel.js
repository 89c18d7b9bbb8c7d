import { progressBar, showProgress } from "./progress_bar.js";
import { element } from "./dom.js";
import { samplingSummary } from "./run_summary.js";

const EMPTY = "Run the workflow to see all pictures grow here.";

/**
 * What a run tells, see `Watch` in sage_core/watching.py.
 *
 * @typedef {{title: string, texts: string[], colour: string}} Cluster
 * @typedef {{
 *   picture: string, columns: number, lines: number, aspect: number, variations: number, clusters: Cluster[],
 * }} Sheet
 * @typedef {import("./run_summary.js").Progress & {
 *   saving: number | null, shared: boolean | null, sheet: Sheet | {too_many: number} | null,
 * }} Run
 */

/** A sampling node's run: how far it is, and all its rows, framed by group. */
export class SamplingPanel {
  constructor() {
    this.layout = "";
    /** @type {HTMLImageElement | null} */
    this.newest = null;
    this.summary = element("div", "sage-summary", EMPTY);
    this.summary.setAttribute("role", "status");
    this.bar = progressBar();
    this.sheet = element("div", "sage-sheet");
    this.sheet.tabIndex = 0; // so that keys scroll it
    this.sheet.setAttribute("aria-label", "Pictures so far");
    this.sheet.dataset.captureWheel = "true";
    this.element = element("div", "sage-panel", this.summary, this.bar, this.sheet);
  }

  /** @param {Run} run */
  show(run) {
    this.summary.textContent = samplingSummary(run);
    showProgress(this.bar, run);
    const layout = JSON.stringify({ ...run.sheet, picture: "" });
    if (layout !== this.layout) this.layOut(run.sheet);
    this.layout = layout;
    if (run.sheet && "picture" in run.sheet) this.showPicture(run.sheet.picture);
  }

  /** @param {Run["sheet"]} sheet */
  layOut(sheet) {
    if (!sheet) return this.sheet.replaceChildren();
    if ("too_many" in sheet) {
      return this.sheet.replaceChildren(element("div", "sage-hint", `${sheet.too_many} pictures: too many to show.`));
    }
    const { columns, lines, aspect, variations, clusters } = sheet;
    const style = { zoom: `${100 * columns}% ${100 * lines}%`, aspect, across: Math.min(variations, 4) };
    for (const [name, value] of Object.entries(style)) this.sheet.style.setProperty(`--sage-${name}`, String(value));
    this.sheet.replaceChildren(...clusters.map((cluster, number) => figure(cluster, number, sheet)));
  }

  /** Decoded first: a background that is still being decoded is empty. @param {string} picture */
  showPicture(picture) {
    const image = new Image();
    this.newest = image;
    image.src = picture;
    const show = () => this.newest === image && this.sheet.style.setProperty("--sage-picture", `url("${picture}")`);
    image.decode().then(show, () => {});
  }
}

/**
 * A cluster's frame, with a tile for each of its variations.
 *
 * @param {Cluster} cluster
 * @param {number} number
 * @param {Sheet} sheet
 */
function figure({ title, texts, colour }, number, { columns, lines, variations }) {
  const tiles = Array.from({ length: variations }, (_, variation) => {
    const row = number * variations + variation;
    const tile = element("div", "sage-tile");
    tile.style.backgroundPosition = `${place(row % columns, columns)} ${place(Math.floor(row / columns), lines)}`;
    return tile;
  });
  const made = element("figure", "", element("div", "sage-tiles", ...tiles), element("figcaption", "", title));
  made.style.setProperty("--sage-group", colour);
  made.title = texts.join("\n");
  return made;
}

/** Where a tile lies in the sheet, as CSS counts it. @param {number} index @param {number} count */
const place = (index, count) => `${count > 1 ? (100 * index) / (count - 1) : 0}%`;
