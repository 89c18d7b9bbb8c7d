import { consume, copyText, element, hasModifier } from "./dom.js";
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
 *   favourites: import("./favourite_marks.js").FavouriteMarks, toggleFavourite(index: number): void,
 *   findCard(picture: Picture): (() => void) | undefined,
 * }} Source `findCard` gives what shows the card of a picture's prompt
 */

/** The only one of the page. It is made again when it is opened: the user may have changed the language. */
let viewer = /** @type {Viewer | null} */ (null);

/**
 * Shows a picture over the whole page.
 *
 * @param {Source} source
 * @param {number} index
 * @param {() => void} [back] where the focus goes afterwards, if not to the picture
 */
export function openViewer(source, index, back) {
  viewer = new Viewer();
  viewer.open(source, index, back);
  return viewer;
}

/**
 * Opens the menu of a picture on a panel.
 *
 * @param {MouseEvent} event
 * @param {Source} source
 * @param {number} index
 */
export function openPictureMenu(event, source, index) {
  const enlarge = { name: "enlarge", label: say("Enlarge"), title: say("Enlarge"), run: () => void openViewer(source, index) };
  const actions = pictureActions(source, index, {
    compare: () => openViewer(source, index).compare(), comparing: false, copy: () => copyText(source.pictures[index].text),
  });
  openMenu(event, [enlarge, ...actions], document.body);
}

/** Shows what has changed, if the viewer is open and shows this source. @param {Source} source */
export function refreshViewer(source) {
  if (viewer?.source === source) viewer.render();
}

/** A dialog of the page, so it lies above all toolbars and keeps the focus, and Escape closes it. */
class Viewer {
  constructor() {
    /** @type {Source | null} */
    this.source = null;
    this.index = 0;
    this.back = () => {};
    /** The picture that the others are compared with. @type {number | null} */
    this.fixed = null;
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

  /** @param {Source} source @param {number} index @param {() => void} [back] */
  open(source, index, back = () => source.focusPicture(this.index)) {
    Object.assign(this, { source, index, back, fixed: null, shown: "" });
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
    const { length } = this.source?.pictures ?? [];
    if (!length) return;
    this.index = (this.index + step + length) % length;
    if (this.index === this.fixed && length > 1) this.walk(step);
    else this.render();
  }

  /** Keeps this picture and shows the next one beside it; the second time, shows one picture again. */
  compare() {
    if (this.fixed === null) {
      this.fixed = this.index;
      this.wipe.move(50);
      this.walk(1);
    } else {
      this.fixed = null;
      this.render();
    }
  }

  /** @returns {import("./picture_actions.js").Action[]} */
  actions() {
    const { source, index } = this;
    if (!source?.pictures[index]) return [];
    const place = { compare: () => this.compare(), comparing: this.fixed !== null, copy: () => this.copyPrompt() };
    return pictureActions(source, index, place).map((action) => (action.name === "card" ? this.closing(action) : action));
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
    const { source } = this;
    const { pictures } = source ?? { pictures: [] };
    if (!source || !pictures.length) return; // the next run has begun: what is shown stays
    this.index = Math.min(this.index, pictures.length - 1);
    const picture = pictures[this.index];
    const fixed = this.fixed === null ? undefined : pictures[this.fixed];
    const shown = fixed && fixed !== picture ? [fixed, picture] : [picture];
    source.styleTiles(this.stage);
    if (JSON.stringify(shown) !== this.shown) this.stage.replaceChildren(...shown.map(pictureTile));
    this.shown = JSON.stringify(shown);
    this.dialog.classList.toggle("sage-viewer-comparing", shown.length > 1);
    this.wipe.slider.hidden = shown.length < 2;
    this.title.replaceChildren(...titles(shown, this.index, pictures.length));
    this.prompt.textContent = picture.text;
    this.note.textContent = shown.every(({ file }) => file) ? "" : PREVIEW();
    this.renderTools();
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
