import { element } from "./dom.js";
import { say } from "./texts.js";

const OLD = "The workflow has changed since this run.";

/** What a panel says of its run beside the result: why it failed, and whether it is old. */
export class RunNotes {
  constructor() {
    this.message = element("div", "sage-message");
    this.note = element("div", "sage-note");
  }

  get elements() {
    return [this.message, this.note];
  }

  /** @param {string} message why the node failed; "" if it did not */
  showError(message) {
    this.message.textContent = message;
  }

  /** @param {boolean} old whether the settings are no longer those of the run */
  markOld(old) {
    this.note.textContent = old ? say(OLD) : "";
  }
}
