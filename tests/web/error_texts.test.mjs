// Errors of the server in the language of the page.

import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { load } from "./module.mjs";

const { useTranslations } = await load("panels/texts.js");
const { sayError } = await load("panels/error_texts.js");
const locale = (language) => JSON.parse(fs.readFileSync(new URL(`../../locales/${language}/main.json`, import.meta.url)));
const served = { de: locale("de"), en: locale("en"), zh: locale("zh") };
const sayIn = (language, error, labels = {}) => {
  useTranslations(served, () => language);
  return sayError(error, (input) => labels[input]);
};

test("an error has the page's name of its input, and its values", () => {
  const error = "steps: expected at least 1, got 0.";
  assert.equal(sayIn("de", error, { steps: "Schritte" }), "Schritte: mindestens 1 erwartet, 0 erhalten.");
  assert.equal(sayIn("de", error), "steps: mindestens 1 erwartet, 0 erhalten.");
});

test("an error inside another one is translated, too", () => {
  const error = "prompts: line 3: '{' at character 7 is never closed; write \\{ for a plain brace.";
  assert.equal(
    sayIn("de", error, { prompts: "Prompts" }),
    "Prompts: Zeile 3: '{' bei Zeichen 7 wird nie geschlossen; schreibe \\{ für eine einfache Klammer.",
  );
  assert.equal(sayIn("de", `prompt_file: cars.txt: ${error.slice(9)}`), sayIn("de", error).replace("prompts:", "prompt_file: cars.txt:"));
});

test("values that are words are translated", () => {
  const error = "rank: expected a whole number from 1 to 128, got 0.5.";
  assert.equal(sayIn("de", error), "rank: eine ganze Zahl von 1 bis 128 erwartet, 0.5 erhalten.");
  assert.equal(sayIn("zh", error), "rank: 应为 1 到 128 的整数，实际为 0.5。");
});

test("of two texts that an error fits, the one that says more is taken", () => {
  const error = "model: expected a model, got None.";
  assert.equal(sayIn("de", error), "model: ein Modell erwartet, None erhalten.");
  assert.equal(sayIn("de", "cfg: expected a finite number, got nan."), "cfg: eine endliche Zahl erwartet, nan erhalten.");
});

test("an error on two lines, with a sentence as its value", () => {
  const error = "The loss is nan at step 9, in the soft term.\nThe state after step 5 is saved. For its LoRA, set steps " +
    "to 5. To train on, choose another run_name and a lower learning_rate, or fp32; look for damaged images too.";
  const said = sayIn("de", error);
  assert.match(said, /^Der Loss ist nan bei Schritt 9, im Term soft\.\nDer Stand nach Schritt 5 ist gespeichert\. Für seine LoRA/);
});

test("what the user wrote stays as it is, whatever it says", () => {
  for (const text of ["a car, got lost.", "$& {name} line 2: x", "expected a model, got None."]) {
    const error = `filename_prefix: expected a name, got '${text}'.`;
    assert.equal(sayIn("de", error), `filename_prefix: ein Name erwartet, '${text}' erhalten.`);
  }
});

test("an error that nobody has translated stays as it is, and so do all in English", () => {
  const others = ["CUDA out of memory. Tried to allocate 2 GiB", "shape: (2, 3)\nand more", ""];
  for (const error of others) assert.equal(sayIn("de", error), error);
  for (const error of Object.keys(served.en.SAGE_errors)) assert.equal(sayIn("en", error), error);
  assert.equal(sayIn("xx", "steps: expected at least 1, got 0."), "steps: expected at least 1, got 0.");
});
