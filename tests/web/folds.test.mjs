// Which groups of the panel are folded.

import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./module.mjs";

const { isFolded, parseFolds, toggleFold } = await load("panels/folds.js");

test("a long list begins folded, a short one open", () => {
  for (const saved of [undefined, "", "{damaged", "3", '{"all": true}']) {
    assert.deepEqual(parseFolds(saved, 200), { all: false, others: [] });
    assert.deepEqual(parseFolds(saved, 201), { all: true, others: [] });
  }
});

test("a group is folded and opened, and this is kept", () => {
  const folded = toggleFold({ all: false, others: [] }, "2");
  assert.deepEqual(["2", "3"].map((group) => isFolded(folded, group)), [true, false]);
  assert.deepEqual(parseFolds(JSON.stringify(folded), 1000), folded);
  assert.deepEqual(toggleFold(folded, "2"), { all: false, others: [] });
  assert.equal(isFolded(toggleFold({ all: true, others: [] }, "2"), "2"), false);
});
