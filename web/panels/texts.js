/**
 * Texts that the user sees, in the language of the page. The English text is the key of its translations, which are in
 * locales/<language>/main.json; where there is none the text stays English.
 *
 * @typedef {Record<string, {SAGE?: Record<string, string>, SAGE_errors?: Record<string, string>}>} Translations by language, as ComfyUI serves them
 * @typedef {Record<string, string | number>} Values
 */

/** @type {Translations} */
let translations = {};
let language = () => "en";

/**
 * Uses translations from now on.
 *
 * @param {Translations} served
 * @param {() => string} current gives the language of the page, which can change while it is open
 */
export function useTranslations(served, current) {
  translations = served;
  language = current;
}

/**
 * A text with its values filled in.
 *
 * @param {string} english the text, with `{name}` where a value goes
 * @param {Values} [values]
 */
export function say(english, values = {}) {
  const text = translations[language()]?.SAGE?.[english] ?? english;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/**
 * A number with its noun.
 *
 * @param {number} count
 * @param {string} one the text for 1
 * @param {string} many the text for all other numbers, with `{count}` in it
 * @param {Values} [values] more values
 */
export const sayCount = (count, one, many, values = {}) => say(count === 1 ? one : many, { ...values, count });

/** Parts of a sentence, one after the other; empty ones are left out. @param {string[]} parts */
export const sayList = (parts) => parts.filter(Boolean).join(say(", "));

/** The errors of the server, by their English texts; see `sayError`. */
export const errorTexts = () => translations[language()]?.SAGE_errors ?? {};
