import { consume, element, hasModifier, scrollArea, setStatus } from "./dom.js";
import { FavouriteBar } from "./favourite_bar.js";
import { pictureTile, styleTiles } from "./picture_tile.js";
import { framesOf } from "./pictures.js";
import { progressBar, showProgress } from "./progress_bar.js";
import { RunNotes } from "./run_notes.js";
import { earlierLines, samplingSummary, workerLines } from "./run_summary.js";
import { say } from "./texts.js";
import { openPictureMenu, openViewer, refreshViewer } from "./viewer.js";

const EMPTY = "Run the workflow to see all pictures here while they are made.";
const PREVIEWS = "These are previews. SAGE Save Images shows the finished pictures here.";
const NOT_AGAIN = "Not sampled again: nothing has changed.";
const TOO_MANY = "{count} pictures: too many to show.";
const MOST_COLUMNS = 4; // variations of a cluster side by side

/**
 * The payload of a sampling run, see SamplingMonitor in sage_core/panels/sampling.py. If the sampler did not run again
 * because nothing had changed, only its finished pictures are known.
 *
 * @typedef {import("./pictures.js").Sheet} Sheet
 * @typedef {import("./pictures.js").Frame} Frame
 * @typedef {import("./run_summary.js").Sampling & {
 *   sheet: Sheet | {too_many: number} | null, finished?: import("./pictures.js").Finished | null,
 * }} Run
 */

/** Shows the progress of a sampling run, and all its rows in frames of their group's colour. */
export class SamplingPanel {
  /**
   * @param {(query: string) => string} address of a file that was saved
   * @param {import("./favourite_marks.js").FavouriteMarks} favourites
   * @param {() => void} run queues the workflow
   * @param {(picture: import("./pictures.js").Picture) => (() => void) | undefined} findCard what shows the card of a
   *     picture's prompt
   */
  constructor(address, favourites, run, findCard) {
    this.address = address;
    this.findCard = findCard;
    this.favourites = favourites;
    this.choice = new FavouriteBar(favourites, run);
    this.layout = "";
    /** @type {import("./pictures.js").Picture[]} */
    this.pictures = [];
    /** The prompts of the last run, once each picture has its own. @type {string[]} */
    this.prompts = [];
    /** What is set on elements with tiles. @type {(target: HTMLElement) => void} */
    this.styleTiles = () => {};
    /** @type {HTMLImageElement | null} */
    this.newest = null;
    this.summary = element("div", "sage-summary", say(EMPTY));
    this.summary.setAttribute("role", "status");
    this.notes = new RunNotes();
    this.hint = element("div", "sage-hint");
    this.bar = progressBar();
    this.sheet = scrollArea("sage-sheet", say("Pictures so far"));
    this.sheet.addEventListener("click", (event) => this.click(event));
    this.sheet.addEventListener("keydown", (event) => this.press(event));
    this.sheet.addEventListener("contextmenu", (event) => {
      const index = this.indexOf(event, "sage-picture");
      if (index >= 0) openPictureMenu(event, this, this.pictures[index]);
    });
    // Otherwise Nodes 2.0 drags the node too.
    this.sheet.addEventListener("pointerdown", (event) => event.button === 0 && event.stopPropagation());
    this.element = element(
      "div", "sage-panel", this.summary, ...this.notes.elements, this.bar, this.choice.element, this.sheet, this.hint,
    );
  }

  /** @param {Run} run @param {boolean} isNew whether the run goes on now; otherwise it is shown again */
  show(run, isNew) {
    const sheet = run.sheet && "picture" in run.sheet ? run.sheet : null;
    setStatus(this.summary, run.total === undefined ? say(NOT_AGAIN) : samplingSummary(run), run.running);
    if (run.running) this.notes.showError("");
    const isPreview = sheet && !run.running && !run.finished;
    const hints = [earlierLines(run), isPreview ? [say(PREVIEWS)] : workerLines(run)].find((lines) => lines.length) ?? [];
    this.hint.replaceChildren(...hints.map((line) => element("div", "", line)));
    showProgress(this.bar, run);
    const layout = JSON.stringify([{ ...run.sheet, picture: "" }, run.finished]);
    const isChanged = layout !== this.layout;
    this.layout = layout;
    if (isChanged) this.layOut(run, sheet, isNew);
    if (sheet) this.showPicture(sheet.picture);
  }

  /** @param {Run} run @param {Sheet | null} sheet @param {boolean} isNew */
  layOut({ sheet: sent, finished = null, workers, running }, sheet, isNew) {
    const frames = framesOf(sheet, finished, this.address);
    this.pictures = frames.flatMap(({ pictures }) => pictures);
    if (!workers || !running) this.followPrompts(isNew); // workers send pictures one by one
    this.styleTiles = (target) => {
      styleTiles(target, sheet, finished?.aspect ?? sheet?.aspect ?? 1);
      target.style.setProperty("--sage-picture", this.sheet.style.getPropertyValue("--sage-picture"));
    };
    this.styleTiles(this.sheet);
    const variations = Math.max(1, ...frames.map(({ pictures }) => pictures.length));
    this.sheet.style.setProperty("--sage-columns", String(Math.min(variations, MOST_COLUMNS)));
    const tooMany = sent && "too_many" in sent && !frames.length;
    const hint = tooMany ? [element("div", "sage-hint", say(TOO_MANY, { count: sent.too_many }))] : [];
    this.sheet.replaceChildren(...hint, ...frames.map(frameElement));
    this.renderMarks();
  }

  /** Favourites go on to prompts that were edited since the last run. @param {boolean} isNew */
  followPrompts(isNew) {
    const prompts = [...new Set(this.pictures.flatMap(({ prompt }) => prompt ?? []))];
    if (!prompts.length || this.pictures.some(({ prompt }) => prompt === null)) return;
    if (isNew) this.favourites.follow(this.prompts, prompts);
    this.prompts = prompts;
  }

  /** Shows which pictures are favourites; they may have been changed on another panel. */
  renderMarks() {
    this.choice.render();
    this.sheet.setAttribute("aria-label", say("Pictures so far"));
    if (!this.layout) this.summary.textContent = say(EMPTY);
    this.all("sage-heart").forEach((heart, index) => {
      const picture = this.pictures[index];
      const marked = this.favourites.has(picture);
      heart.hidden = picture.prompt === null;
      heart.textContent = marked ? "♥" : "♡";
      heart.setAttribute("aria-pressed", String(marked));
    });
    refreshViewer(this);
  }

  /** @param {import("./pictures.js").Picture} picture */
  toggleFavourite(picture) {
    this.favourites.toggle(picture);
    this.renderMarks();
  }

  /** Shows a picture once it is decoded; before that a background would be empty. @param {string} picture */
  showPicture(picture) {
    const image = new Image();
    this.newest = image;
    image.src = picture;
    const show = () => {
      if (this.newest !== image) return;
      this.sheet.style.setProperty("--sage-picture", `url("${picture}")`);
      refreshViewer(this);
    };
    image.decode().then(show, () => {});
  }

  /** The elements of a class, one per picture. @param {string} name @returns {HTMLElement[]} */
  all(name) {
    return [...this.sheet.querySelectorAll(`:scope .${name}`)].filter((each) => each instanceof HTMLElement);
  }

  /** Which picture an event is on, -1 for none. @param {Event} event @param {string} name a class of its elements */
  indexOf({ target }, name) {
    return this.all(name).findIndex((each) => target instanceof Node && each.contains(target));
  }

  /** @param {MouseEvent} event */
  click(event) {
    const [heart, picture] = ["sage-heart", "sage-enlarge"].map((name) => this.indexOf(event, name));
    if (heart >= 0) this.toggleFavourite(this.pictures[heart]);
    else if (picture >= 0) openViewer(this, this.pictures[picture]);
  }

  /** @param {KeyboardEvent} event */
  press(event) {
    const index = this.indexOf(event, "sage-picture");
    if (event.key.toLowerCase() !== "f" || hasModifier(event) || index < 0) return;
    consume(event);
    this.toggleFavourite(this.pictures[index]);
  }

  /** Where the focus goes when the viewer is closed. @param {number} index */
  focusPicture(index) {
    this.all("sage-enlarge")[index]?.focus();
  }
}

/** The frame of a cluster, with one picture per variation. @param {Frame} frame */
function frameElement({ title, texts, colour, pictures }) {
  const tiles = pictures.map((picture) => {
    const button = element("button", "sage-enlarge", pictureTile(picture));
    button.setAttribute("aria-label", say("Enlarge {title}", { title: picture.title }));
    const heart = element("button", "sage-heart");
    heart.title = say("Favourite (F)");
    heart.setAttribute("aria-label", say("Favourite: {title}", { title: picture.title }));
    return element("div", "sage-picture", button, heart);
  });
  const caption = element("figcaption", "", title);
  const made = element("figure", "", element("div", "sage-tiles", ...tiles), caption);
  made.style.setProperty("--sage-group", colour);
  made.title = texts.join("\n");
  return made;
}
