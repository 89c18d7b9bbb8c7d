// Pictures that the user marked.

import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./module.mjs";

const { followMarks, formatMarks, isMarked, markedPrompts, parseMarks, renamedTexts, toggleMark } = await load("panels/favourites.js");

test("marks are read as they were written; damaged ones are none", () => {
  const marks = [["a \"car\"\n", 0], ["ü", 3]];
  assert.deepEqual(parseMarks(formatMarks(marks)), marks);
  assert.equal(formatMarks([]), "");
  for (const damaged of [undefined, "", "{damaged"]) assert.deepEqual(parseMarks(damaged), []);
});

test("each variation has its own mark", () => {
  const marks = toggleMark(toggleMark([], ["car", 1]), ["boat", 0]);
  assert.deepEqual([isMarked(marks, ["car", 1]), isMarked(marks, ["car", 0])], [true, false]);
  assert.deepEqual(toggleMark(marks, ["car", 1]), [["boat", 0]]);
});

test("a prompt with two marks is one prompt", () => {
  assert.deepEqual(markedPrompts([["car", 1], ["boat", 0], ["car", 0]]), ["car", "boat"]);
});

test("marks follow a prompt that was edited, and stay where it was removed", () => {
  const before = ["a red car in the snow", "a boat"];
  const marks = [[before[0], 0], [before[0], 2], [before[1], 0]];
  const edited = "a dark red car in the snow";
  assert.deepEqual(followMarks(marks, before, [edited]), [[edited, 0], [edited, 2], ["a boat", 0]]);
});

test("the choice follows a prompt that is edited in its card; a damaged one stays", () => {
  const changes = new Map([["car", "red car"]]);
  assert.equal(renamedTexts('["car","boat"]', changes), '["red car","boat"]');
  for (const other of ["", "{damaged"]) assert.equal(renamedTexts(other, changes), other);
});
