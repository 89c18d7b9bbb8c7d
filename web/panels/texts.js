/** Texts that the user sees. */

/**
 * A text with its values filled in.
 * @param {string} english the text, with `{name}` where a value goes
 * @param {Record<string, string | number>} [values]
 */
export function say(english, values = {}) {
  return english.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}
