import { consume, element, hasModifier } from "./dom.js";
import { labelStart } from "./short_texts.js";
import { say } from "./texts.js";

/**
 * What the user does with the prompt of a row, beside moving it.
 *
 * @typedef {{
 *   whyFixed: (text: string) => string,
 *   edit: (text: string, typed: string) => void,
 *   isOff: (text: string) => boolean,
 *   switchOff: (text: string, off: boolean) => void,
 *   findPicture: (text: string) => (() => void) | undefined,
 *   showMessage: (message: string) => void,
 * }} Panel `whyFixed` says why a prompt cannot be changed here; "" if it can;
 *     `findPicture` gives what shows its picture
 */

/** Lets the user edit prompts in their cards, switch them off and on, and see their pictures. */
export class PromptEditor {
  /** @param {HTMLElement} cards @param {Panel} panel */
  constructor(cards, panel) {
    this.cards = cards;
    this.panel = panel;
    /** The row that is edited. @type {HTMLElement | null} */
    this.edited = null;
    /** One for all rows: it is on the one that the user points at. */
    this.tools = element("div", "sage-row-tools");
    const pointsAt = (/** @type {Event} */ { target }) => this.showTools(rowOf(target));
    cards.addEventListener("pointerover", pointsAt);
    cards.addEventListener("focusin", pointsAt);
    cards.addEventListener("dblclick", (event) => {
      const row = rowOf(event.target);
      if (!row || this.edited) return;
      consume(event);
      this.begin(row);
    });
    cards.addEventListener("keydown", (event) => {
      const row = event.target instanceof HTMLLIElement ? event.target : null;
      const act = row && !hasModifier(event) ? this.actions(row).find(({ key }) => key === event.key.toLowerCase()) : null;
      if (!act) return;
      consume(event);
      act.run();
    });
  }

  /** @param {HTMLElement} row */
  actions(row) {
    const { panel } = this;
    const text = String(row.dataset.prompt);
    const off = panel.isOff(text);
    const actions = [
      { key: "enter", label: say("Edit"), title: say("Edit this prompt (Enter)"), run: () => this.begin(row) },
      off
        ? { key: " ", label: say("On"), title: say("Switch this prompt on (Space)"), run: () => this.switchOff(text, false) }
        : { key: " ", label: say("Off"), title: say("Switch this prompt off (Space)"), run: () => this.switchOff(text, true) },
    ];
    const run = panel.findPicture(text);
    return run ? [...actions, { key: "p", label: say("Picture"), title: say("Show the picture of this prompt (P)"), run }] : actions;
  }

  /** @param {HTMLElement | null} row */
  showTools(row) {
    if (!row || this.edited || this.tools.parentElement === row) return;
    this.tools.replaceChildren(...this.actions(row).map(({ label, title, run }) => {
      const made = element("button", "", label);
      return Object.assign(made, { title, onclick: run });
    }));
    row.append(this.tools);
  }

  /** @param {string} text @param {boolean} off */
  switchOff(text, off) {
    if (!this.refuses(text)) this.panel.switchOff(text, off);
  }

  /** Says why a prompt cannot be changed here. @param {string} text */
  refuses(text) {
    const reason = this.panel.whyFixed(text);
    if (reason) this.panel.showMessage(reason);
    return Boolean(reason);
  }

  /** @param {HTMLElement} row */
  begin(row) {
    const text = String(row.dataset.prompt);
    if (this.refuses(text)) return;
    const box = element("textarea", "sage-edit");
    box.value = text;
    const shown = row.querySelector("span")?.firstChild?.textContent ?? "";
    const at = labelStart(text, shown);
    box.setSelectionRange(at, at); // where the prompt differs from the others
    box.setAttribute("aria-label", say("Edit this prompt (Enter)"));
    const end = (/** @type {string} */ typed) => {
      if (this.edited !== row) return; // removing the box takes its focus, too
      this.edited = null;
      this.panel.edit(text, typed);
    };
    box.onblur = () => end(box.value);
    box.onkeydown = (event) => {
      event.stopPropagation(); // the page and the cards have their own keys
      if (event.key === "Escape") end(text);
      else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) end(box.value);
      else return;
      event.preventDefault();
    };
    this.edited = row;
    row.draggable = false; // the mouse selects text
    row.replaceChildren(box);
    box.focus();
    const [{ bottom }, frame] = [box, this.cards].map((each) => each.getBoundingClientRect());
    const zoom = frame.height / this.cards.offsetHeight; // of the canvas
    if (bottom > frame.bottom) this.cards.scrollTop += (bottom - frame.bottom) / zoom;
  }
}

/** @param {EventTarget | null} target @returns {HTMLElement | null} */
const rowOf = (target) => (target instanceof Element ? target.closest("li") : null);
