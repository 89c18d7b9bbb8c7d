import { withoutComments } from "./comments.js";

/**
 * A text as one line of a prompt list, where it is one prompt: what the list would read is escaped.
 *
 * @param {string} text as typed into a text box of ComfyUI, which leaves comments out
 */
export function promptLine(text) {
  const line = withoutComments(text).replace(/\s*\n\s*/g, " ").trim();
  // A text box knows these with a backslash, too.
  return line.replace(/\\?([{|}])/g, "\\$1").replace(/^#/, "\\#");
}
