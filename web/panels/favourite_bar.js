import { element } from "./dom.js";
import { say } from "./texts.js";

/** On a sampler's panel: which prompts the next run has, all or only the favourites. */
export class FavouriteBar {
  /**
   * @param {import("./favourite_marks.js").FavouriteMarks} favourites
   * @param {() => void} run queues the workflow
   */
  constructor(favourites, run) {
    this.favourites = favourites;
    this.all = element("button", "");
    this.all.onclick = () => this.choose(false);
    this.only = element("button", "");
    this.only.onclick = () => this.choose(true);
    this.run = element("button", "");
    this.run.onclick = () => {
      this.choose(true);
      run();
    };
    this.element = element("div", "sage-favourites", this.all, this.only, this.run);
    this.render();
  }

  /** @param {boolean} only */
  choose(only) {
    this.favourites.setOnly(only);
    this.render();
  }

  render() {
    const { widget, marks, isOnly } = this.favourites;
    this.element.hidden = !widget || !(marks.length || isOnly);
    this.all.textContent = say("All prompts");
    this.run.textContent = say("Run only these");
    this.run.title = say("Use only the favourites, and run the workflow");
    this.only.textContent = say("Only favourites ({count})", { count: marks.length });
    this.only.disabled = this.run.disabled = !marks.length;
    this.all.setAttribute("aria-pressed", String(!isOnly));
    this.only.setAttribute("aria-pressed", String(isOnly));
  }
}
