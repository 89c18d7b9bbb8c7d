// The texts that the user sees: each goes through `say`, and is there in every language.

import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { load } from "./module.mjs";
import { modules, parse, saidTexts, unsaidTexts } from "./source_texts.mjs";

const { say, sayCount, sayList, useTranslations } = await load("panels/texts.js");

const GERMAN = { "{done} of {total}": "{done} von {total}", "1 prompt": "1 Prompt", ", ": "; " };
const SERVED = { de: { SAGE: GERMAN }, zh: {} };

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

const LOCALES = new URL("../../locales/", import.meta.url);
const read = (name) => fs.readFileSync(new URL(name, LOCALES), "utf-8");
/** Texts of the server that panels show, and where they are written. */
const OF_THE_SERVER = {
  loss: "../sage_core/panels/training.py",
  plain: "../sage_core/training/objective.py",
  soft: "../sage_core/training/objective.py",
  consistency: "../sage_core/training/objective.py",
};
/** Values of saved graphs, and errors that only a fault of the pack itself would show. */
const NO_TEXTS = [
  "whole prompts", "expected a node in a graph, got one in none.", ": expected a widget of this name on ",
];
// ComfyUI translates the texts of settings by itself.
const settings = Object.values(JSON.parse(read("en/settings.json"))).flatMap((setting) => Object.values(setting));
const known = new Set([...NO_TEXTS, ...settings, "Picture size"]);
const said = [...new Set([...modules.values()].flatMap(saidTexts))];
const translated = fs.readdirSync(LOCALES).map((language) => [language, JSON.parse(read(`${language}/main.json`))]);
const placeholders = (text) => [...new Set(text.match(/\{\w+\}/g))].sort();
const english = JSON.parse(read("en/main.json")).SAGE_errors;

function checkTranslated(language, texts) {
  for (const [english, text] of Object.entries(texts)) {
    assert.deepEqual(placeholders(text), placeholders(english), english);
    if (language === "en") assert.equal(text, english);
  }
}

for (const [name, module] of modules) {
  test(`${name} shows no text that cannot be translated`, () => {
    assert.deepEqual(unsaidTexts(module).filter((text) => !known.has(text)), []);
  });
}

test("texts are found wherever the page shows them", () => {
  const shown = 'made.append(element("b", "bold", "One"), scrollArea("a", `Two ${x}`)); made.title = "Three";' +
    'made.setAttribute("aria-label", on ? "Four" : say("said")); throw new Error("Some words of five");';
  assert.deepEqual(unsaidTexts(parse(shown)), ["One", "Two ", "Three", "Four", "Some words of five"]);
  const found = ["a and b", "{b}", "d", "e"];
  assert.deepEqual(saidTexts(parse('const A = "a " + "and b"; say(A); say("{b}", { b: "c" }); sayCount(1, "d", "e");')), found);
});

test("the texts of the server are those that it sends", () => {
  for (const [text, file] of Object.entries(OF_THE_SERVER)) {
    const [source, member] = [read(file), `${text.toUpperCase()} = `]; // of an Enum
    assert.ok(source.includes(`"${text}"`) || source.includes(member), text);
  }
});

for (const [language, { SAGE: texts, SAGE_errors: errors }] of translated) {
  test(`every text is there in ${language}, with its values`, () => {
    assert.deepEqual(Object.keys(texts).sort(), [...said, ...Object.keys(OF_THE_SERVER)].sort());
    checkTranslated(language, texts);
  });

  test(`every error is there in ${language}, with its values`, () => {
    assert.deepEqual(Object.keys(errors), Object.keys(english)); // tests/test_error_texts.py checks the English ones
    checkTranslated(language, errors);
  });
}
