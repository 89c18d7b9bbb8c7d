// Graphs from before a node had some input.

import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./module.mjs";

const { VALUES_BEFORE, setMissingWidgets, withMissingInputs } = await load("graphs/appended_inputs.js");

const BEFORE = { share_mode: "fixed", correction: "off" };
const ALL_BEFORE = { ...BEFORE, latent_rows: "variations" };
const PANEL = { name: "running_panel", value: "", serialize: false };

/** The values of a sampler that has taken the saved ones, and has these defaults for the others. */
function valuesAfter(saved, defaults, ...hidden) {
  const values = { ...defaults, ...saved };
  const node = { widgets: [...hidden, ...Object.entries(values).map(([name, value]) => ({ name, value }))] };
  setMissingWidgets(node, { widgets_values: Object.values(saved) }, BEFORE);
  return Object.fromEntries(node.widgets.map(({ name, value }) => [name, value]));
}

const DEFAULTS = { share: 0.4, share_mode: "auto", correction: "on" };

test("a node that was saved without values gets those from before", () => {
  const saved = { share: 0.2, share_mode: "tree" };
  assert.deepEqual(valuesAfter(saved, DEFAULTS), { ...saved, correction: "off" });
  assert.deepEqual(valuesAfter({ share: 0.2 }, DEFAULTS), { share: 0.2, ...BEFORE });
});

test("an input that the node always had keeps its default", () => {
  assert.deepEqual(valuesAfter({}, DEFAULTS), { share: 0.4, share_mode: "fixed", correction: "off" });
});

test("a saved value stays", () => {
  for (const correction of ["off", "on"]) {
    const saved = { share: 0.2, share_mode: "tree", correction };
    assert.deepEqual(valuesAfter(saved, DEFAULTS), saved);
  }
});

test("a widget that is not saved does not count", () => {
  const expected = { running_panel: "", share: 0.2, share_mode: "tree", correction: "off" };
  assert.deepEqual(valuesAfter({ share: 0.2, share_mode: "tree" }, DEFAULTS, PANEL), expected);
});

test("a node without widgets, and one that was saved without a list of values", () => {
  setMissingWidgets({}, {}, BEFORE);
  const node = { widgets: [{ name: "correction", value: "on" }] };
  setMissingWidgets(node, {}, BEFORE);
  assert.equal(node.widgets[0].value, "off");
});

test("in API format, inputs that are left out are set on the nodes that have them", () => {
  const graph = {
    1: { class_type: "SageKSampler", inputs: { share: 0.4 } },
    2: { class_type: "SageGuider", inputs: { share_mode: "tree", correction: "on" } },
    3: { class_type: "SageSharedKSamplerPrefix", inputs: { correction: ["4", 0] }, _meta: { title: "linked" } },
    4: { class_type: "PrimitiveString", inputs: { value: "off" } },
  };
  const given = structuredClone(graph);
  const linked = graph[3];
  assert.deepEqual(withMissingInputs(graph), {
    ...graph,
    1: { class_type: "SageKSampler", inputs: { ...ALL_BEFORE, share: 0.4 } },
    2: { class_type: "SageGuider", inputs: { ...ALL_BEFORE, share_mode: "tree", correction: "on" } },
    3: { ...linked, inputs: { ...ALL_BEFORE, ...linked.inputs } },
  });
  assert.deepEqual(graph, given);
});

test("the samplers did not correct before, and took all rows for every prompt", () => {
  for (const type of ["SageSharedKSamplerPrefix", "SageKSampler", "SageGuider"]) {
    assert.deepEqual(VALUES_BEFORE[type], ALL_BEFORE);
  }
});

test("prompts were compared as a whole before", () => {
  for (const type of ["SageSemanticGroupPrompts", "SageShare"]) {
    assert.deepEqual(VALUES_BEFORE[type], { compare: "whole prompts" });
  }
});
