import { consume, copyText, element, hasModifier } from "./dom.js";
import { FollowedPicture } from "./followed_picture.js";
import { actionElement, pictureActions } from "./picture_actions.js";
import { openMenu } from "./picture_menu.js";
import { pictureTile } from "./picture_tile.js";
import { say } from "./texts.js";
import { Wipe } from "./wipe.js";

/**
 * What shows its pictures enlarged: a panel.
 *
 * @typedef {import("./pictures.js").Picture} Picture
 * @typedef {{
 *   pictures: Picture[], styleTiles(target: HTMLElement): void, focusPicture(index: number): void,
 *   favourites: import("./favourite_marks.js").FavouriteMarks, toggleFavourite(picture: Picture): void,
 *   findCard(picture: Picture): (() => void) | undefined,
 * }} Source `findCard` gives what shows the card of a picture's prompt
 */

/** The only one of the page. It is made again when it is opened: the user may have changed the language. */
let viewer = /** @type {Viewer | null} */ (null);

/**
 * Shows a picture over the whole page.
 *
 * @param {Source} source
 * @param {Picture} picture
 * @param {() => void} [back] where the focus goes afterwards, if not to the picture
 */
export function openViewer(source, picture, back) {
  viewer = new Viewer(picture);
  viewer.open(source, back);
  return viewer;
}

/**
 * Opens the menu of a picture on a panel.
 *
 * @param {MouseEvent} event
 * @param {Source} source
 * @param {Picture} picture
 */
export function openPictureMenu(event, source, picture) {
  const open = () => openViewer(source, picture);
  const enlarge = { name: "enlarge", label: say("Enlarge"), title: say("Enlarge"), run: () => void open() };
  const actions = pictureActions(source, picture, {
    compare: () => open().compare(), comparing: false, copy: () => copyText(picture.text),
  });
  openMenu(event, [enlarge, ...actions], document.body);
}

/** Shows what has changed, if the viewer is open and shows this source. @param {Source} source */
export function refreshViewer(source) {
  if (viewer?.source === source) viewer.render();
}

/** A dialog of the page, so it lies above all toolbars and keeps the focus, and Escape closes it. */
class Viewer {
  /** @param {Picture} picture */
  constructor(picture) {
    /** @type {Source | null} */
    this.source = null;
    this.current = new FollowedPicture(picture);
    /** The picture that the others are compared with. @type {FollowedPicture | null} */
    this.fixed = null;
    this.back = () => {};
    this.stage = element("div", "sage-stage");
    this.wipe = new Wipe(this.stage);
    this.title = element("div", "sage-viewer-title");
    this.title.setAttribute("role", "status");
    this.prompt = element("div", "sage-viewer-prompt");
    this.prompt.tabIndex = 0; // for the keys that scroll it
    this.note = element("div", "sage-viewer-note");
    /** Which pictures are on the stage. */
    this.shown = "";
    /** The last one closes the viewer; the others are made for each picture. */
    this.closeButton = button("✕", say("Close (Escape)"), () => this.dialog.close());
    this.tools = element("div", "sage-viewer-tools");
    const before = button("‹", say("Previous picture (←)"), () => this.walk(-1));
    const after = button("›", say("Next picture (→)"), () => this.walk(1));
    const middle = element("div", "sage-viewer-middle", before, this.stage, after);
    const head = element("div", "sage-viewer-head", this.title, this.tools);
    this.dialog = element("dialog", "sage-viewer", head, middle, this.wipe.slider, this.note, this.prompt);
    this.dialog.setAttribute("aria-label", say("Picture"));
    this.dialog.addEventListener("keydown", (event) => this.press(event));
    // The page would copy the selected node in place of the text.
    this.dialog.addEventListener("copy", (event) => event.stopPropagation());
    this.dialog.addEventListener("click", ({ target }) => {
      if (target === this.stage && this.fixed === null) this.dialog.close(); // beside the picture
    });
    this.dialog.addEventListener("close", () => this.closed());
    this.stage.addEventListener("contextmenu", (event) => openMenu(event, this.actions(), this.dialog));
  }

  /** @param {Source} source @param {() => void} [back] */
  open(source, back = () => source.focusPicture(this.current.placeIn(source.pictures))) {
    Object.assign(this, { source, back });
    document.body.append(this.dialog);
    this.dialog.showModal();
    this.dialog.focus();
    this.render();
  }

  closed() {
    this.dialog.remove();
    this.back();
    this.source = null;
  }

  /** @param {KeyboardEvent} event */
  press(event) {
    event.stopPropagation(); // the page has its own keys
    if (hasModifier(event)) return;
    /** @type {Record<string, () => void>} */
    const keys = {
      ArrowLeft: () => this.walk(-1), ArrowRight: () => this.walk(1), c: () => this.compare(),
      f: () => this.actions().find(({ name }) => name === "favourite")?.run?.(),
      ...(this.fixed === null ? {} : { ArrowUp: () => this.wipe.step(1), ArrowDown: () => this.wipe.step(-1) }),
    };
    const act = keys[event.key] ?? keys[event.key.toLowerCase()];
    if (!act) return;
    consume(event);
    act();
  }

  /** @param {1 | -1} step */
  walk(step) {
    const { pictures } = this.source ?? { pictures: [] };
    const { length } = pictures;
    if (!length) return; // the next run has begun
    const fixed = this.fixed?.placeIn(pictures) ?? -1;
    if (fixed < 0) this.fixed = null; // the next run is without it
    const next = (/** @type {number} */ from) => (from + step + length) % length;
    const place = next(this.current.place);
    this.current = new FollowedPicture(pictures[place === fixed ? next(place) : place]);
    this.render();
  }

  /** Keeps this picture and shows the next one beside it; the second time, shows one picture again. */
  compare() {
    if (this.fixed === null) {
      this.fixed = this.current;
      this.wipe.move(50);
      this.walk(1);
    } else {
      this.fixed = null;
      this.render();
    }
  }

  /** @returns {import("./picture_actions.js").Action[]} */
  actions() {
    const { source, current: { picture } } = this;
    if (!source) return [];
    const place = { compare: () => this.compare(), comparing: this.fixed !== null, copy: () => this.copyPrompt() };
    return pictureActions(source, picture, place).map((action) => (action.name === "card" ? this.closing(action) : action));
  }

  /** An action that closes the viewer first. @param {import("./picture_actions.js").Action} action */
  closing(action) {
    const run = () => {
      this.back = action.run ?? this.back;
      this.dialog.close();
    };
    return { ...action, run };
  }

  /** Works without HTTPS too, where pages have no clipboard. The text stays selected: the user sees what was copied. */
  copyPrompt() {
    getSelection()?.selectAllChildren(this.prompt);
    document.execCommand("copy");
  }

  render() {
    const { source, current, fixed } = this;
    if (!source) return;
    const places = [...(fixed ? [fixed] : []), current].map((followed) => followed.placeIn(source.pictures));
    // While the next run is without one of them, the stage keeps what it has.
    if (!places.includes(-1)) this.renderStage(source, [...new Set(places)]);
    this.renderTools();
  }

  /** @param {Source} source @param {number[]} places of one picture, or of two that are compared */
  renderStage(source, places) {
    const { pictures } = source;
    const shown = places.map((place) => pictures[place]);
    source.styleTiles(this.stage);
    if (JSON.stringify(shown) !== this.shown) this.stage.replaceChildren(...shown.map(pictureTile));
    this.shown = JSON.stringify(shown);
    this.dialog.classList.toggle("sage-viewer-comparing", shown.length > 1);
    this.wipe.slider.hidden = shown.length < 2;
    this.title.replaceChildren(...titles(shown, this.current.place, pictures.length));
    this.prompt.textContent = this.current.picture.text;
    this.note.textContent = shown.every(({ file }) => file) ? "" : PREVIEW();
  }

  /** The buttons keep the focus by their places. */
  renderTools() {
    const focused = [...this.tools.children].findIndex((tool) => tool === document.activeElement);
    this.tools.replaceChildren(...this.actions().map(actionElement), this.closeButton);
    const tool = this.tools.children[focused];
    if (tool instanceof HTMLElement) tool.focus();
  }
}

const PREVIEW = () =>
  say("This is a preview. SAGE Save Images and SAGE Branch and Save show the finished picture here.");

/** @param {Picture[]} shown @param {number} index @param {number} count */
function titles(shown, index, count) {
  if (shown.length > 1) return shown.map(({ title }) => element("span", "", title));
  return [element("span", "", `${index + 1} / ${count}`), element("span", "", shown[0].title)];
}

/** @param {string} label @param {string} title @param {() => void} act */
function button(label, title, act) {
  const made = element("button", "", label);
  Object.assign(made, { type: "button", title, onclick: act });
  made.setAttribute("aria-label", title);
  return made;
}
