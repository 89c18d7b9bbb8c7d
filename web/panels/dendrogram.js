import { branchesOf, heightOf, nextThreshold, scaleOf, similarityAt } from "./dendrogram_layout.js";
import { consume, digits, element, hasModifier, svgElement } from "./dom.js";
import { say, sayCount, sayList } from "./texts.js";

/** @type {Partial<Record<string, "more" | "fewer">>} */
const KEYS = { ArrowUp: "more", ArrowDown: "fewer" };

/** @typedef {import("./group_cards.js").Group} Group */

/** The similarity of the prompts as a tree. The threshold is a line across it that the user can move. */
export class Dendrogram {
  /**
   * @param {(threshold: number | null) => void} onPreview the threshold while the user drags; null: drag cancelled
   * @param {(threshold: number) => void} onChange the threshold that the user chose
   */
  constructor(onPreview, onChange) {
    /** @type {import("./dendrogram_layout.js").Tree | null} */
    this.tree = null;
    this.lowest = 1;
    this.threshold = 1;
    this.scale = { near: 1, far: 1 };
    this.axis = element("div", "sage-axis sage-vertical");
    this.line = element("u", "");
    this.leaves = element("div", "sage-leaves");
    this.drawing = svgElement("svg", { preserveAspectRatio: "none" });
    this.slider = element("div", "sage-slider", this.leaves, this.line);
    this.slider.prepend(this.drawing);
    this.slider.tabIndex = 0;
    this.slider.setAttribute("role", "slider");
    this.slider.setAttribute("aria-orientation", "vertical");
    this.slider.setAttribute("aria-valuemax", "1");
    this.element = element("div", "sage-tree", this.axis, this.slider);
    this.element.hidden = true;
    this.listen(onPreview, onChange);
  }

  /** @param {import("./dendrogram_layout.js").Tree | null} tree of a new run */
  setTree(tree) {
    this.tree = tree;
    this.lowest = 1;
    this.element.hidden = !tree;
  }

  /**
   * @param {string[]} prompts
   * @param {import("./group_cards.js").Grouping} grouping
   * @param {boolean} locked whether the threshold comes from another node
   */
  show(prompts, { groups, threshold }, locked) {
    if (!this.tree) return;
    // The scale only grows: if it also shrank, it would move under a threshold that the user drags.
    this.lowest = Math.min(this.lowest, threshold);
    this.scale = scaleOf(this.tree, this.lowest);
    const groupOf = new Map(groups.flatMap((group) => group.members.map((index) => [index, group])));
    const low = 1 - this.scale.far;
    this.axis.replaceChildren(element("span", "", low.toFixed(2)), element("span", "", "1"));
    this.drawing.setAttribute("viewBox", `0 0 ${this.tree.leaves.length} 100`);
    this.drawing.replaceChildren(...branchesOf(this.tree, this.scale).map((branch) => branchPath(branch, groupOf)));
    this.leaves.replaceChildren(...this.tree.leaves.map((index, at) =>
      leaf(prompts[index], this.tree?.sizes[at] ?? 1, groupOf.get(index))));
    this.moveLine(threshold);
    this.slider.setAttribute("aria-label", say("Threshold"));
    this.slider.setAttribute("aria-disabled", String(locked));
    this.slider.setAttribute("aria-valuemin", digits(low));
    this.slider.setAttribute("aria-valuenow", digits(threshold));
    const found = sayCount(groups.length, "1 group", "{count} groups");
    this.slider.setAttribute("aria-valuetext", sayList([digits(threshold), found]));
  }

  /** @param {number} threshold */
  moveLine(threshold) {
    this.threshold = threshold;
    this.line.style.top = `${100 * (1 - heightOf(threshold, this.scale))}%`;
  }

  /**
   * @param {(threshold: number | null) => void} onPreview
   * @param {(threshold: number) => void} onChange
   */
  listen(onPreview, onChange) {
    const { slider } = this;
    const isLocked = () => slider.getAttribute("aria-disabled") === "true";
    const followPointer = (/** @type {PointerEvent} */ event) => {
      const { top, height } = slider.getBoundingClientRect();
      this.moveLine(similarityAt(1 - (event.clientY - top) / height, this.scale));
      return this.threshold;
    };
    slider.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.stopPropagation(); // otherwise Nodes 2.0 drags the node too
      if (isLocked()) return;
      slider.setPointerCapture(event.pointerId);
      onPreview(followPointer(event));
    });
    slider.addEventListener("pointermove", (event) => {
      if (slider.hasPointerCapture(event.pointerId)) onPreview(followPointer(event));
    });
    slider.addEventListener("pointerup", (event) => {
      if (slider.hasPointerCapture(event.pointerId)) onChange(followPointer(event));
    });
    slider.addEventListener("pointercancel", () => onPreview(null));
    slider.addEventListener("keydown", (event) => {
      const which = KEYS[event.key];
      if (!which || !this.tree || hasModifier(event)) return;
      consume(event);
      if (isLocked()) return;
      this.moveLine(nextThreshold(this.tree, this.scale, this.threshold, which));
      onChange(this.threshold);
    });
  }
}

/**
 * A branch in the colour of a group if all its leaves are in that group.
 *
 * @param {{path: string, leaves: number[]}} branch
 * @param {Map<number, Group>} groupOf the group of each leaf
 */
function branchPath({ path, leaves }, groupOf) {
  const made = svgElement("path", { d: path });
  const group = groupOf.get(leaves[0]);
  const same = leaves.every((index) => groupOf.get(index) === group);
  if (group && same) made.style.setProperty("--sage-group", group.colour);
  return made;
}

/** @param {string} prompt @param {number} size how many prompts it stands for @param {Group | undefined} group */
function leaf(prompt, size, group) {
  const made = element("i", "");
  const others = sayCount(size - 1, "and 1 similar prompt", "and {count} similar prompts");
  made.title = size > 1 ? `${prompt}\n${others}` : prompt;
  made.style.setProperty("--sage-group", group?.colour ?? null);
  return made;
}
