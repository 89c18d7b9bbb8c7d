// Presets of what is shared.

import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./module.mjs";

const { CUSTOM, PRESETS, applyPreset, presetOf } = await load("graphs/sharing_presets.js");

/** A sampler with these settings. */
function sampler(settings = {}) {
  const values = { steps: 20, share: 0.3, share_mode: "tree", correction: "off", ...settings };
  const called = [];
  const widgets = Object.entries(values).map(([name, value]) => ({ name, value, callback: (given) => called.push([name, given]) }));
  return { widgets, inputs: [{ name: "model", link: 3 }, { name: "share", link: null }], called };
}

test("a preset sets the widgets, and is recognised by them", () => {
  for (const [name, values] of Object.entries(PRESETS)) {
    const node = sampler();
    assert.equal(presetOf(node), CUSTOM);
    applyPreset(node, name);
    assert.equal(presetOf(node), name);
    assert.deepEqual(node.called, Object.entries(values));
    assert.equal(node.widgets[0].value, 20);
  }
});

test("a widget that has the value already is left alone", () => {
  const node = sampler({ correction: "on", share_mode: "auto" });
  applyPreset(node, "safe");
  assert.deepEqual(node.called, [["share", 0.4]]);
});

test("custom changes nothing", () => {
  const node = sampler(PRESETS.safe);
  applyPreset(node, CUSTOM);
  assert.deepEqual(node.called, []);
  assert.equal(presetOf(node), "safe");
});

test("a share from another node is custom", () => {
  const node = sampler(PRESETS.safe);
  node.inputs[1].link = 7;
  assert.equal(presetOf(node), CUSTOM);
});
