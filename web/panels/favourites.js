/**
 * Pictures that the user marked: the prompt of each by its text, and its variation. They are saved in a node's
 * properties, as text.
 *
 * @typedef {[text: string, variation: number]} Mark
 */

import { changedPrompts, promptLines } from "../graphs/prompt_lines.js";
import { editedTexts } from "./pins.js";

/** A JSON list; empty if it is damaged. @param {unknown} saved */
function parseList(saved) {
  try {
    return JSON.parse(String(saved || "[]"));
  } catch {
    return [];
  }
}

/** @param {unknown} saved none if it is damaged @returns {Mark[]} */
export const parseMarks = (saved) => parseList(saved);

/** @param {Mark[]} marks */
export const formatMarks = (marks) => (marks.length ? JSON.stringify(marks) : "");

/** Where a picture is in the marks, -1 if it has none. @param {Mark[]} marks @param {Mark} mark */
const placeOf = (marks, [text, variation]) => marks.findIndex(([its, number]) => its === text && number === variation);

/** @param {Mark[]} marks @param {Mark} mark */
export const isMarked = (marks, mark) => placeOf(marks, mark) >= 0;

/** The marks with one more, or without it if it was there. @param {Mark[]} marks @param {Mark} mark */
export function toggleMark(marks, mark) {
  const place = placeOf(marks, mark);
  return place < 0 ? [...marks, mark] : marks.toSpliced(place, 1);
}

/** The prompts with a mark, each once. @param {Mark[]} marks */
export const markedPrompts = (marks) => [...new Set(marks.map(([text]) => text))];

/**
 * The marks with other texts for prompts; those that are switched off (null) keep theirs.
 *
 * @param {Mark[]} marks
 * @param {Map<string, string | null>} changes
 * @returns {Mark[]}
 */
export const renamedMarks = (marks, changes) =>
  marks.map(([text, variation]) => [changes.get(text) ?? text, variation]);

/**
 * The value of the input `chosen` with other texts for prompts; the same value if it is damaged.
 *
 * @param {string} chosen
 * @param {Map<string, string | null>} changes
 */
export function renamedTexts(chosen, changes) {
  const texts = parseList(chosen);
  return texts.length ? JSON.stringify(texts.map((/** @type {string} */ text) => changes.get(text) ?? text)) : chosen;
}

/**
 * The value of the input `chosen` after the list of prompts was edited; the same value if it is damaged.
 *
 * @param {string} chosen
 * @param {string} before the list that it was made for
 * @param {string} now
 */
export function choiceAfterEdit(chosen, before, now) {
  const [then, texts] = [before, now].map((list) => promptLines(list).flatMap(({ off, text }) => (off ? [] : (text ?? []))));
  return renamedTexts(chosen, new Map([...editedTexts(parseList(chosen), then, texts), ...changedPrompts(before, now)]));
}

/**
 * What became of prompts that ran, in another run: one in the place of another one is that prompt, edited.
 *
 * @param {string[]} before
 * @param {string[]} now
 */
export function editedInPlace(before, now) {
  const pairs = before.length === now.length ? before.map((text, at) => /** @type {const} */ ([text, now[at]])) : [];
  return new Map(pairs.filter(([text, edited]) => !now.includes(text) && !before.includes(edited)));
}

/**
 * The marks after the user has edited prompts, as pins follow them.
 *
 * @param {Mark[]} marks
 * @param {string[]} before the prompts that the marks were made for
 * @param {string[]} now
 * @returns {Mark[]}
 */
export function followMarks(marks, before, now) {
  return renamedMarks(marks, editedTexts(markedPrompts(marks), before, now));
}
