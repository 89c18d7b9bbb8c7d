import { withoutComments } from "./comments.js";
import { promptLine } from "./prompt_line.js";

/**
 * The lines of a prompt list, as sage_core/prompts/lines.py reads them. A line that is switched off is a comment that
 * begins with "# off:".
 *
 * @typedef {{start: number, end: number, text: string | null, off: boolean}} Line its place in the whole text, without
 *     white space and comments around it; `text` is its prompt, null if braces make several of it
 * @typedef {Map<string, string | null>} Changes the text of a prompt now; null if it is switched off
 */

const COMMENT_LINE = /^#+(\s|$)/;
const OFF = /^#+\s+off:\s*/i;
const ALTERNATIVES = /(?<!\\)\{.*((?<!\\)\||\$\$)/s;

/** The lines of a text that are prompts, or prompts that are switched off. @param {string} text @returns {Line[]} */
export function promptLines(text) {
  const masked = withoutComments(text, (length) => "\0".repeat(length));
  return [...masked.matchAll(/[^\r\n]+/g)].flatMap(({ 0: line, index }) => {
    const visible = line.replace(/[\s\0]+$/, "");
    const first = visible.search(/[^\s\0]/);
    if (first < 0) return [];
    const written = visible.slice(first).replaceAll("\0", "");
    const off = OFF.test(written);
    if (!off && COMMENT_LINE.test(written)) return [];
    const text = promptOf(written.replace(OFF, ""));
    return [{ start: index + first, end: index + visible.length, off, text }];
  });
}

/** The prompt that a line is; null for several. @param {string} line */
function promptOf(line) {
  if (ALTERNATIVES.test(line)) return null;
  const plain = line.replace(/^\\#/, "#").replace(/\\([{|}])/g, "$1");
  return line.includes("{") ? plain.trim().replace(/\s+/g, " ") : plain;
}

/** What the list would read in place of a typed text; undefined for nothing. @param {string} typed */
export const readPrompt = (typed) => promptLines(promptLine(typed)).find(({ off }) => !off)?.text ?? undefined;

/**
 * Whether a prompt has a line of its own.
 *
 * @param {string} list
 * @param {string} prompt
 * @param {boolean} off whether a line that is switched off
 */
export const hasLine = (list, prompt, off) => promptLines(list).some((line) => line.text === prompt && line.off === off);

/** The prompts that are switched off, in order. @param {string} list */
export const promptsOff = (list) => promptLines(list).flatMap(({ off, start, end, text }) =>
  off ? [text ?? list.slice(start, end).replace(OFF, "")] : []);

/**
 * The list after a prompt was edited, wherever it is.
 *
 * @param {string} list
 * @param {string} prompt
 * @param {string} edited as typed
 */
export const withEdited = (list, prompt, edited) =>
  rewritten(list, prompt, (line) => (OFF.exec(line)?.[0] ?? "") + promptLine(edited));

/**
 * The list after a prompt was switched off or on.
 *
 * @param {string} list
 * @param {string} prompt
 * @param {boolean} off
 */
export const withSwitched = (list, prompt, off) =>
  rewritten(list, prompt, (line) => (off ? `# off: ${line.replace(OFF, "")}` : line.replace(OFF, "")));

/** @param {string} list @param {string} prompt @param {(line: string) => string} rewrite */
function rewritten(list, prompt, rewrite) {
  const lines = promptLines(list).filter(({ start, end, text }) =>
    (text ?? list.slice(start, end).replace(OFF, "")) === prompt);
  return lines.reduceRight(
    (text, { start, end }) => text.slice(0, start) + rewrite(text.slice(start, end)) + text.slice(end), list,
  );
}

/**
 * What became of the prompts of a list since it ran. A line in the place of another one is that line, edited.
 *
 * @param {string} before
 * @param {string} now
 * @returns {Changes}
 */
export function changedPrompts(before, now) {
  const [lines, current] = [promptLines(before), promptLines(now)];
  const texts = (/** @type {Line[]} */ of) => new Set(of.filter(({ off }) => !off).map(({ text }) => text));
  const [known, used] = [texts(lines), texts(current)];
  /** @type {Changes} */
  const changes = new Map();
  if (lines.length === current.length) {
    lines.forEach(({ text, off }, at) => {
      const edited = current[at].text;
      if (text === null || off || edited === null || used.has(text) || known.has(edited)) return;
      changes.set(text, current[at].off ? null : edited);
    });
  }
  for (const { text, off } of current) if (off && text !== null && !used.has(text)) changes.set(text, null);
  return changes;
}

/** Whether a list is another one with some of its lines edited or switched off. @param {string} list @param {string} now */
export function isEditOf(list, now) {
  const [lines, current] = [promptLines(list), promptLines(now)];
  const same = lines.filter(({ text }, at) => text === current[at]?.text).length;
  return lines.length === current.length && 2 * same >= lines.length;
}
