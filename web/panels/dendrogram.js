import { branchesOf, heightOf, nextThreshold, scaleOf, similarityAt } from "./dendrogram_layout.js";
import { count, digits, element } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
/** @type {Partial<Record<string, "more" | "fewer">>} */
const STEPS = { ArrowUp: "more", ArrowDown: "fewer" };

/** @typedef {import("./group_cards.js").Group} Group */

/** How alike the prompts are, as a tree, with the threshold as a line across it that can be moved. */
export class Dendrogram {
  /**
   * @param {(threshold: number | null) => void} tryOut shows what a threshold would do; null for the node's own
   * @param {(threshold: number) => void} choose makes it the node's
   */
  constructor(tryOut, choose) {
    /** @type {import("./dendrogram_layout.js").Tree | null} */
    this.tree = null;
    this.lowest = 1;
    this.threshold = 1;
    this.scale = { near: 1, far: 1 };
    this.ends = element("div", "sage-ends sage-upright");
    this.line = element("u", "");
    this.leaves = element("div", "sage-leaves");
    this.drawing = document.createElementNS(SVG, "svg");
    this.drawing.setAttribute("preserveAspectRatio", "none");
    this.slider = element("div", "sage-slider", this.leaves, this.line);
    this.slider.prepend(this.drawing);
    this.slider.tabIndex = 0;
    this.slider.setAttribute("role", "slider");
    this.slider.setAttribute("aria-label", "Threshold");
    this.slider.setAttribute("aria-orientation", "vertical");
    this.slider.setAttribute("aria-valuemax", "1");
    this.element = element("div", "sage-tree", this.ends, this.slider);
    this.element.hidden = true;
    this.listen(tryOut, choose);
  }

  /** Takes a run's tree. @param {import("./dendrogram_layout.js").Tree | null} tree */
  fill(tree) {
    this.tree = tree;
    this.lowest = 1;
    this.element.hidden = !tree;
  }

  /**
   * @param {string[]} prompts
   * @param {import("./group_cards.js").Grouping} grouping
   * @param {boolean} locked whether another node decides the threshold
   */
  show(prompts, { groups, threshold }, locked) {
    if (!this.tree) return;
    // The scale does not shrink again: it would move under a threshold that is dragged.
    this.lowest = Math.min(this.lowest, threshold);
    this.scale = scaleOf(this.tree, this.lowest);
    const home = new Map(groups.flatMap((group) => group.members.map((index) => [index, group])));
    const low = 1 - this.scale.far;
    this.ends.replaceChildren(element("span", "", low.toFixed(2)), element("span", "", "1"));
    this.drawing.setAttribute("viewBox", `0 0 ${this.tree.leaves.length} 100`);
    this.drawing.replaceChildren(...branchesOf(this.tree, this.scale).map((branch) => branchPath(branch, home)));
    this.leaves.replaceChildren(...this.tree.leaves.map((index) => leaf(prompts[index], home.get(index))));
    this.place(threshold);
    this.slider.setAttribute("aria-disabled", String(locked));
    this.slider.setAttribute("aria-valuemin", digits(low));
    this.slider.setAttribute("aria-valuenow", digits(threshold));
    this.slider.setAttribute("aria-valuetext", `${digits(threshold)}, ${count(groups.length, "group")}`);
  }

  /** Draws the line there. @param {number} threshold */
  place(threshold) {
    this.threshold = threshold;
    this.line.style.top = `${100 * (1 - heightOf(threshold, this.scale))}%`;
  }

  /**
   * @param {(threshold: number | null) => void} tryOut
   * @param {(threshold: number) => void} choose
   */
  listen(tryOut, choose) {
    const { slider } = this;
    const locked = () => slider.getAttribute("aria-disabled") === "true";
    const follow = (/** @type {PointerEvent} */ event) => {
      const { top, height } = slider.getBoundingClientRect();
      this.place(similarityAt(1 - (event.clientY - top) / height, this.scale));
      return this.threshold;
    };
    slider.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.stopPropagation(); // the node would be dragged with it (Nodes 2.0)
      if (locked()) return;
      slider.setPointerCapture(event.pointerId);
      tryOut(follow(event));
    });
    slider.addEventListener("pointermove", (event) => {
      if (slider.hasPointerCapture(event.pointerId)) tryOut(follow(event));
    });
    slider.addEventListener("pointerup", (event) => {
      if (slider.hasPointerCapture(event.pointerId)) choose(follow(event));
    });
    slider.addEventListener("pointercancel", () => tryOut(null));
    slider.addEventListener("keydown", (event) => {
      const which = STEPS[event.key];
      if (!which || !this.tree || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
      event.preventDefault();
      event.stopPropagation();
      if (locked()) return;
      this.place(nextThreshold(this.tree, this.scale, this.threshold, which));
      choose(this.threshold);
    });
  }
}

/**
 * In its group's colour where all of its leaves are of one group.
 *
 * @param {{path: string, leaves: number[]}} branch
 * @param {Map<number, Group>} home the group of each leaf
 */
function branchPath({ path, leaves }, home) {
  const made = document.createElementNS(SVG, "path");
  made.setAttribute("d", path);
  const group = home.get(leaves[0]);
  if (group && leaves.every((index) => home.get(index) === group)) made.style.setProperty("--sage-group", group.colour);
  return made;
}

/** @param {string} prompt @param {Group | undefined} group */
function leaf(prompt, group) {
  const made = element("i", "");
  made.title = prompt;
  made.style.setProperty("--sage-group", group?.colour ?? null);
  return made;
}
