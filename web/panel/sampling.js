import { progressBar, showProgress } from "./bar.js";
import { element } from "./cards.js";
import { samplingSummary } from "./telling.js";

const EMPTY = "Run the workflow to see all pictures grow here.";

/**
 * What a run tells, see `Watch` in sage_core/watching.py.
 *
 * @typedef {{title: string, texts: string[], colour: string}} Cluster
 * @typedef {{
 *   picture: string, columns: number, lines: number, aspect: number, variations: number, clusters: Cluster[],
 * }} Sheet
 * @typedef {import("./telling.js").Progress & {
 *   saving: number | null, shared: boolean | null, sheet: Sheet | {too_many: number} | null,
 * }} Run
 */

/** A sampling node's run: how far it is, and all its rows, framed by group. */
export class SamplingPanel {
  constructor() {
    this.layout = "";
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
    const { picture, ...layout } = run.sheet ?? {};
    const key = JSON.stringify(layout);
    if (key !== this.layout) this.layOut(layout);
    this.layout = key;
    if (picture) showPicture(this.sheet, picture);
  }

  /** @param {Omit<Sheet, "picture"> | {too_many: number} | {}} layout */
  layOut(layout) {
    const { columns, lines, aspect, variations, clusters, too_many } = layout;
    if (too_many) return this.sheet.replaceChildren(element("div", "sage-hint", `${too_many} pictures: too many to show.`));
    if (!clusters) return this.sheet.replaceChildren();
    const style = { zoom: `${100 * columns}% ${100 * lines}%`, aspect, across: Math.min(variations, 4) };
    for (const [name, value] of Object.entries(style)) this.sheet.style.setProperty(`--sage-${name}`, value);
    this.sheet.replaceChildren(...clusters.map((cluster, number) => figure(cluster, number, layout)));
  }
}

/** A cluster's frame, with a tile for each of its variations. @param {Cluster} cluster @param {number} number */
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

/** Where a tile lies in the sheet, as CSS counts it. */
const place = (index, count) => `${count > 1 ? (100 * index) / (count - 1) : 0}%`;

/** Decoded first: a background that is still being decoded is empty. */
function showPicture(sheet, picture) {
  const image = new Image();
  sheet.newest = image;
  image.src = picture;
  const show = () => sheet.newest === image && sheet.style.setProperty("--sage-picture", `url("${picture}")`);
  image.decode().then(show, () => {});
}
