import { element } from "./dom.js";
import { say } from "./texts.js";

export function progressBar() {
  const bar = element("div", "sage-progress", element("div", ""));
  bar.setAttribute("role", "progressbar");
  bar.setAttribute("aria-label", say("Progress"));
  bar.hidden = true;
  return bar;
}

/** @param {HTMLElement} bar @param {import("./run_summary.js").Progress} progress */
export function showProgress(bar, { done, total, running }) {
  const percent = total ? Math.floor((100 * done) / total) : 0;
  bar.hidden = !running;
  bar.setAttribute("aria-valuenow", String(percent));
  /** @type {HTMLElement} */ (bar.firstChild).style.width = `${percent}%`;
}
