// What all panels build their elements with, and how they handle events.

const SVG = "http://www.w3.org/2000/svg";

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} className
 * @param {...(string | Node)} children
 */
export function element(tag, className, ...children) {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...children);
  return made;
}

/**
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string>} attributes
 */
export function svgElement(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

/** An element that keys and the mouse wheel scroll. @param {string} className @param {string} label */
export function scrollArea(className, label) {
  const made = element("div", className);
  made.tabIndex = 0; // for the keys
  made.setAttribute("role", "group"); // only what has a role can have a label
  made.setAttribute("aria-label", label);
  made.dataset.captureWheel = "true";
  return made;
}

/**
 * Sets the text of a status. While it counts on and on, it is not read out.
 *
 * @param {HTMLElement} status
 * @param {string} text
 * @param {boolean} counts
 */
export function setStatus(status, text, counts) {
  status.setAttribute("aria-live", counts ? "off" : "polite");
  status.textContent = text;
}

/** With as many digits as a threshold has. @param {number} similarity */
export const digits = (similarity) => String(Number(similarity.toFixed(4)));

/** @param {KeyboardEvent} event */
export const hasModifier = (event) => event.ctrlKey || event.metaKey || event.altKey || event.shiftKey;

/** Keeps an event from the page, which handles keys and dropped files itself. @param {Event} event */
export function consume(event) {
  event.preventDefault();
  event.stopPropagation();
}

/** Copies a text, without HTTPS too, where pages have no clipboard. @param {string} text */
export function copyText(text) {
  const focused = document.activeElement;
  const box = element("textarea", "sage-copied");
  box.value = text;
  // The page would copy the selected node in place of the text.
  box.addEventListener("copy", (event) => event.stopPropagation());
  document.body.append(box);
  box.select();
  document.execCommand("copy");
  box.remove();
  if (focused instanceof HTMLElement) focused.focus();
}
