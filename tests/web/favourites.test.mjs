// Pictures that the user marked.

import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./module.mjs";

const { choiceAfterEdit, editedInPlace, followMarks, formatMarks, isMarked, markedPrompts, parseMarks, renamedTexts, toggleMark } = await load("panels/favourites.js");

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

test("the choice follows the lines of a list while they are edited", () => {
  const list = "a red car\na boat\n# off: a tree\na {blue|green} hat";
  const edited = (now, chosen = ["a red car", "a blue hat"]) => JSON.parse(choiceAfterEdit(JSON.stringify(chosen), list, now));
  assert.deepEqual(edited(list.replace("a red car", "two dogs")), ["two dogs", "a blue hat"]);
  assert.deepEqual(edited(`a lighthouse\n${list.replace("a red car", "a dark red car")}`), ["a dark red car", "a blue hat"]);
  assert.deepEqual(edited(list.replace("a red car\n", "")), ["a red car", "a blue hat"], "a prompt that is gone keeps its text");
  assert.deepEqual(edited(list.replace("a red car", "# off: a red car")), ["a red car", "a blue hat"]);
  assert.equal(choiceAfterEdit("{damaged", list, "a boat"), "{damaged");
});

test("a prompt in the place of another one of the last run is that one, edited", () => {
  const edited = (before, now) => [...editedInPlace(before, now)];
  assert.deepEqual(edited(["car", "boat"], ["dog", "boat"]), [["car", "dog"]]);
  assert.deepEqual(edited(["car", "boat"], ["boat", "car"]), [], "moved");
  assert.deepEqual(edited(["car", "boat"], ["dog"]), [], "a list of another length");
});
