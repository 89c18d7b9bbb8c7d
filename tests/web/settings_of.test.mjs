// When the settings of a node are others than those that it ran with.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Graph } from "./graph.mjs";
import { load } from "./module.mjs";

const { settingsOf } = await load("graphs/settings_of.js");

/** A sampler with a prompt before it, and a text beside it. */
function graph() {
  const made = new Graph().addAll({ encode: "Encode", sampler: "KSampler", beside: "Encode" });
  made.sampler.widgets = [{ name: "seed", value: 1 }, { name: "control_after_generate", value: "randomize" }, { name: "steps", value: 20 }];
  return made.linkAll("encode.conditioning > sampler.positive");
}

/** Whether a change makes other settings of the sampler. */
function isOther(change) {
  const { sampler, ...others } = graph();
  const before = settingsOf(sampler);
  change({ sampler, ...others });
  return settingsOf(sampler) !== before;
}

const setWidget = (name, value) => ({ sampler }) => (sampler.box(name).value = value);

test("settings of the node and of those before it count", () => {
  assert.equal(isOther(() => {}), false);
  assert.equal(isOther(setWidget("steps", 30)), true);
  assert.equal(isOther(({ encode }) => (encode.box("text").value = "a car")), true);
  assert.equal(isOther(({ beside }) => (beside.box("text").value = "a car")), false);
});

test("what the page itself changes after each run does not count", () => {
  assert.equal(isOther(setWidget("seed", 2)), false);
  assert.equal(isOther(setWidget("control_after_generate", "fixed")), false);
});
