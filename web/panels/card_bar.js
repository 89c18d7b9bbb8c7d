import { element } from "./dom.js";
import { say, sayCount } from "./texts.js";

/** Above the cards: a search among the prompts, and a button that folds all groups. */
export class CardBar {
  /** @param {() => void} search shows what is found @param {() => void} fold folds all groups, or opens them */
  constructor(search, fold) {
    this.box = element("input", "sage-search");
    this.box.type = "search";
    this.box.oninput = search;
    this.box.onkeydown = (event) => {
      event.stopPropagation(); // the page has its own keys
      if (event.key === "Escape") this.clear();
    };
    this.search = search;
    this.found = element("span", "");
    this.found.setAttribute("role", "status");
    this.fold = element("button", "");
    this.fold.onclick = fold;
    this.element = element("div", "sage-card-bar", this.box, this.found, this.fold);
  }

  /** The words that a prompt must have to be shown. */
  get words() {
    return this.box.value.toLowerCase().split(/\s+/).filter(Boolean);
  }

  /** @param {string} text */
  shows(text) {
    const { words } = this;
    const whole = words.length ? text.toLowerCase() : "";
    return words.every((word) => whole.includes(word));
  }

  clear() {
    this.box.value = "";
    this.search();
  }

  /** @param {number} found how many prompts are shown @param {boolean} folded whether all groups are folded */
  render(found, folded) {
    this.box.placeholder = say("Search");
    this.box.setAttribute("aria-label", say("Search among the prompts"));
    this.found.textContent = this.words.length ? sayCount(found, "1 found", "{count} found") : "";
    this.fold.textContent = folded ? say("Open all") : say("Fold all");
    this.fold.disabled = this.words.length > 0;
  }
}
