const OPENING = /\/\*|\/\/[^\r\n]*/g;

/**
 * A text without the comments that a text box of ComfyUI leaves out: `//` to the end of a line, and from `/*` to the
 * other end.
 *
 * @param {string} text
 * @param {(length: number) => string} [blank] what stands in the place of a comment of some length
 */
export function withoutComments(text, blank = () => "") {
  const last = text.lastIndexOf("*/"); // a block that begins behind it is never closed, and so is no comment
  const parts = [];
  let at = 0;
  OPENING.lastIndex = 0;
  for (let found = OPENING.exec(text); found; found = OPENING.exec(text)) {
    const { 0: opening, index } = found;
    if (opening === "/*" && index + 2 > last) {
      OPENING.lastIndex = index + 1;
      continue;
    }
    const end = opening === "/*" ? text.indexOf("*/", index + 2) + 2 : index + opening.length;
    parts.push(text.slice(at, index), blank(end - index));
    at = OPENING.lastIndex = end;
  }
  return parts.join("") + text.slice(at);
}
