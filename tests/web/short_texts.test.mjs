// The short texts on the cards, of prompts that were edited since the run.

import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./module.mjs";

const { labelStart, shortTexts } = await load("panels/short_texts.js");

const TAGS = "masterpiece, best quality, (soft light:1.2),";
const run = {
  prompts: [`${TAGS} a red fox in the snow`, `${TAGS} a blue car, on film, at night`, "a lamp"],
  labels: ["a red fox in the…", "a blue car, at night", "a lamp"],
};
const edited = (...changes) => shortTexts(run, run.prompts.map((text, index) => changes[index] ?? text));

test("a prompt that was not edited has the text of the run", () => {
  assert.deepEqual(edited(), run.labels);
  assert.deepEqual(shortTexts({ prompts: ["a", "b"] }, ["a", "b"]), ["a", "b"]);
  assert.deepEqual(shortTexts(null, []), []);
});

test("an edited prompt is without the tags before what was its short text", () => {
  const [fox, car] = edited(`${TAGS} a pink fox in the snow`, `${TAGS} a blue boat, on film, at night`);
  assert.deepEqual([fox, car], ["a pink fox in the snow", "a blue boat, on film, at night"]);
});

test("tags that were edited are shown", () => {
  assert.equal(edited(`${TAGS} bokeh, a red fox in the snow`)[0], "bokeh, a red fox in the snow");
  assert.equal(edited(TAGS.replace("best", "good"))[0], "good quality, (soft light:1.2),");
  assert.equal(edited(undefined, undefined, "a tower")[2], "a tower");
});

test("the place where a prompt differs from the others", () => {
  assert.equal(labelStart(run.prompts[1], run.labels[1]), TAGS.length + 1);
  assert.equal(labelStart("a lamp", "a tower"), 0);
});
