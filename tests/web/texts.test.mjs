// The texts that the user sees: each goes through `say`, and is there in every language.

import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./module.mjs";

const { say, sayCount, sayList, useTranslations } = await load("panels/texts.js");

const SERVED = { de: { SAGE: { "{done} of {total}": "{done} von {total}", "1 prompt": "1 Prompt", ", ": "; " } }, zh: {} };

test("a text is English before its translations are there, and where one is missing", () => {
  assert.equal(say("{done} of {total}", { done: 1, total: 2 }), "1 of 2");
  useTranslations(SERVED, () => "de");
  assert.equal(say("{done} of {total}", { done: 1, total: 2 }), "1 von 2");
  assert.equal(say("Progress"), "Progress");
});

test("the language can change while the page is open", () => {
  let language = "zh";
  useTranslations(SERVED, () => language);
  assert.equal(say("1 prompt"), "1 prompt");
  language = "de";
  assert.equal(say("1 prompt"), "1 Prompt");
  language = "xx";
  assert.equal(say("1 prompt"), "1 prompt");
});

test("numbers with their nouns, and parts of a sentence", () => {
  useTranslations(SERVED, () => "de");
  assert.equal(sayCount(1, "1 prompt", "{count} prompts"), "1 Prompt");
  assert.equal(sayCount(0, "1 prompt", "{count} prompts"), "0 prompts");
  assert.equal(sayList(["a", "", "b"]), "a; b");
});

test("a value is not read as a text with values", () => {
  assert.equal(say("{name} was not uploaded", { name: "{name}$&" }), "{name}$& was not uploaded");
});
