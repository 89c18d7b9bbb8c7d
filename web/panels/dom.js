// What all panels build their elements with.

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

/** @param {number} number @param {string} word */
export const count = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;

/** As many digits as a threshold has. @param {number} similarity */
export const digits = (similarity) => String(Number(similarity.toFixed(4)));
