import { errorTexts } from "./texts.js";

/**
 * An error of the server in the language of the page. It is English there, with its values filled in; an error that has
 * no translation stays as it is.
 *
 * @param {string} error such as "steps: expected at least 1, got 0."
 * @param {(input: string) => string | undefined} [labelOf] what the page calls an input
 */
export function sayError(error, labelOf = () => undefined) {
  const templates = Object.entries(errorTexts()).sort(([a], [b]) => wordsOf(b).length - wordsOf(a).length);
  const [, input, rest] = /^(\w+): (.*)$/s.exec(error) ?? [];
  return input ? `${labelOf(input) ?? input}: ${translated(rest, templates)}` : translated(error, templates);
}

const VALUE = /\{(\w+)\}/;
const OF_THE_USER = /^(["']).*\1$/s; // errors have quotes around what the user wrote

/** What a template says beside its values. @param {string} template */
const wordsOf = (template) => template.split(VALUE).filter((_, index) => index % 2 === 0).join("");

/**
 * A text by the first template that it fits, with its values translated in the same way: they can be texts, too.
 *
 * @param {string} text
 * @param {[english: string, translation: string][]} templates those with more words first
 * @returns {string}
 */
function translated(text, templates) {
  if (OF_THE_USER.test(text)) return text;
  for (const [english, translation] of templates) {
    const values = valuesOf(text, english);
    if (values) return translation.replace(/\{(\w+)\}/g, (whole, name) => translated(values.get(name) ?? whole, templates));
  }
  return text;
}

/** The values in a text, by their names in the template; undefined if it does not fit. @param {string} text @param {string} template */
function valuesOf(text, template) {
  const [names, words] = [1, 0].map((rest) => template.split(VALUE).filter((_, index) => index % 2 === rest));
  const found = new RegExp(`^${words.map(escaped).join("(.*?)")}$`, "s").exec(text);
  return found && new Map(names.map((name, index) => [name, found[index + 1]]));
}

/** @param {string} words */
const escaped = (words) => words.replace(/[$()*+./?[\\\]^{|}]/g, "\\$&");
