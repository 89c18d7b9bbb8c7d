import { element } from "./dom.js";
import { say } from "./texts.js";

/** Two pictures over each other, and a line between them that the user moves. */
export class Wipe {
  /** @param {HTMLElement} stage has both pictures as children of the class sage-tile */
  constructor(stage) {
    this.stage = stage;
    this.slider = element("input", "sage-wipe");
    Object.assign(this.slider, { type: "range", min: "0", max: "100", step: "any" });
    this.slider.setAttribute("aria-label", say("How much of the first picture is shown"));
    this.slider.oninput = () => this.move(Number(this.slider.value));
    stage.addEventListener("pointerdown", (event) => this.follow(event));
    stage.addEventListener("pointermove", (event) => event.buttons && this.follow(event));
    this.move(50);
  }

  /** @param {number} percent of the width that shows the first picture */
  move(percent) {
    const inside = Math.min(100, Math.max(0, percent));
    this.slider.value = String(inside);
    this.stage.style.setProperty("--sage-wipe", `${inside}%`);
  }

  /** @param {1 | -1} direction */
  step(direction) {
    this.move(Number(this.slider.value) + 5 * direction);
  }

  /** Moves the line to the pointer. @param {PointerEvent} event */
  follow({ clientX }) {
    const box = this.stage.querySelector(".sage-tile")?.getBoundingClientRect();
    if (box && !this.slider.hidden) this.move((100 * (clientX - box.left)) / box.width);
  }
}
