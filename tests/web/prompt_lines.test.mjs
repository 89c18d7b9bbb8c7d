// The lines of a prompt list, which the groups panel edits.

import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./module.mjs";

const { changedPrompts, hasLine, isEditOf, promptLines, promptsOff, readPrompt, withEdited, withSwitched } =
  await load("graphs/prompt_lines.js");

const comments = await load("graphs/comments.js");

const LIST = "# cars\na red car // nice\n  a {red|blue} boat\n\n/* old\na house\n*/ a tree\n\\# 1 \\{x\\}\n# off: the moon";

test("lines are read as the node reads them", () => {
  assert.deepEqual(promptLines(LIST).map(({ text, off }) => [text, off]), [
    ["a red car", false], [null, false], ["a tree", false], ["# 1 {x}", false], ["the moon", true],
  ]);
  assert.deepEqual(promptLines("{2$$a|b} \r\n{plain}  text\r\n#ff0000 car").map(({ text }) => text), [null, "{plain} text", "#ff0000 car"]);
  assert.deepEqual(promptLines("\n # \n//\n/* \n */"), []);
});

test("an edit changes the very line, with its comments", () => {
  assert.equal(withEdited(LIST, "a red car", "a  green {big}\ncar"), LIST.replace("a red car", "a  green \\{big\\} car"));
  assert.equal(withEdited(LIST, "a tree", "# 2"), LIST.replace("a tree", "\\# 2"));
  assert.equal(withEdited(LIST, "the moon", "the sun"), LIST.replace("the moon", "the sun"));
  assert.equal(withEdited(LIST, "a blue boat", "a ship"), LIST);
  assert.equal(withEdited("a\nb\na", "a", "c"), "c\nb\nc");
});

test("what is typed is read as the list reads it", () => {
  assert.equal(readPrompt(" a {red|blue}\ncar // nice"), "a {red|blue} car");
  assert.equal(readPrompt("# 2"), "# 2");
  assert.equal(readPrompt(" // "), undefined);
});

test("switching off and on gives the same list again", () => {
  for (const prompt of ["a red car", "a tree", "# 1 {x}"]) {
    const off = withSwitched(LIST, prompt, true);
    assert.deepEqual([hasLine(off, prompt, true), hasLine(off, prompt, false)], [true, false]);
    assert.equal(withSwitched(off, prompt, false), LIST);
  }
  assert.equal(withSwitched("# OFF:a {red|blue} car", "a {red|blue} car", false), "a {red|blue} car");
});

test("prompts that are off", () => {
  assert.deepEqual(promptsOff(`${LIST}\n## off: a {x|y} car\n# offer: none`), ["the moon", "a {x|y} car"]);
});

test("what became of the prompts since a run", () => {
  const changes = (now, before = "a\nb\nc") => Object.fromEntries(changedPrompts(before, now));
  assert.deepEqual(changes("a\nb\nc"), {});
  assert.deepEqual(changes("a\n# note\nB\n# off: c"), { b: "B", c: null });
  assert.deepEqual(changes("c\nb\na"), {}, "another order");
  assert.deepEqual(changes("a\nb\nd\nc"), {}, "a new line");
  assert.deepEqual(changes("a\n# off: b\nd\nc"), { b: null });
  assert.deepEqual(changes("a\n# off: a", "a\na"), {}, "written twice");
  assert.deepEqual(changes("{x|y}\nb\nc"), {}, "braces");
});

test("a list with edits is told from another list", () => {
  assert.equal(isEditOf("a\nb\nc", "a\n# off: b\nd"), true);
  assert.equal(isEditOf("a\nb\nc", "a\nd\ne"), false);
  assert.equal(isEditOf("a\nb\nc", "a\nb\nc\nd"), false);
});

test("comments that are never closed are text, and do not take long", () => {
  const { withoutComments } = comments;
  for (const [text, expected] of [
    ["a /* b */ c // d\ne", "a  c \ne"], ["a /* b", "a /* b"], ["/*/ a */b", "b"], ["// a */\n/* b", "\n/* b"], ["/*//*/x", "x"],
    ["a /* b // c\nd", "a /* b \nd"],
  ]) assert.equal(withoutComments(text), expected);
  const start = performance.now();
  assert.equal(promptLines("a cat /* one\n".repeat(20_000)).length, 20_000);
  assert.ok(performance.now() - start < 5_000); // a hundred times what it takes
});
