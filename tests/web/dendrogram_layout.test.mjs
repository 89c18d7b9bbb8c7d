// The dendrogram of the prompts: where its branches lie, and which thresholds the keys choose.

import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./module.mjs";

const { branchesOf, heightOf, nextThreshold, scaleOf, similarityAt } = await load("panels/dendrogram_layout.js");

/** Two close pairs, at 0.999 and 0.998, which are joined at 0.9, and a fifth prompt that joins them at 0.3. */
const TREE = { leaves: [0, 3, 1, 2, 4], merges: [[0, 4, 0.3], [0, 3, 0.9], [0, 1, 0.999], [2, 3, 0.998]] };
const SCALE = scaleOf(TREE, 0.9);

test("near pairs and a far threshold are all told apart", () => {
  assert.deepEqual([heightOf(1, SCALE), heightOf(1 - SCALE.far, SCALE)], [0, 1]);
  const heights = [0.999, 0.998, 0.9, 0.3].map((similarity) => heightOf(similarity, SCALE));
  heights.reduce((lower, higher) => {
    assert.ok(higher - lower > 0.04, `${heights}`);
    return higher;
  }, 0);
  assert.ok(heights.at(-1) < 1, "no room above the root");
});

test("a threshold outside the scale is at its end", () => {
  assert.equal(heightOf(-1, SCALE), 1);
  assert.equal(similarityAt(7, SCALE), similarityAt(1, SCALE));
  assert.equal(similarityAt(-7, SCALE), 1);
});

test("the lowest threshold is on the scale", () => {
  assert.ok(heightOf(0.05, scaleOf(TREE, 0.05)) < 1);
  assert.equal(scaleOf(TREE, -1).far, 2);
});

test("a similarity is found again at its height", () => {
  for (const similarity of [1, 0.9995, 0.995, 0.9, 0.2]) {
    assert.ok(Math.abs(similarityAt(heightOf(similarity, SCALE), SCALE) - similarity) <= 5e-5);
  }
});

test("equal embeddings have a tree too", () => {
  const tree = { leaves: [0, 1], merges: [[0, 1, 1]] };
  const scale = scaleOf(tree, 1);
  assert.deepEqual(branchesOf(tree, scale), [{ path: "M0.50 100.00V100.00H1.50V100.00", leaves: [0, 1] }]);
  assert.equal(similarityAt(0, scale), 1);
});

test("each merge is above the middle of what it joins", () => {
  const y = (similarity) => (100 * (1 - heightOf(similarity, SCALE))).toFixed(2);
  assert.deepEqual(branchesOf(TREE, SCALE), [
    { path: `M2.00 ${y(0.9)}V${y(0.3)}H4.50V100.00`, leaves: [0, 3, 1, 2, 4] },
    { path: `M1.00 ${y(0.999)}V${y(0.9)}H3.00V${y(0.998)}`, leaves: [0, 3, 1, 2] },
    { path: `M0.50 100.00V${y(0.999)}H1.50V100.00`, leaves: [0, 3] },
    { path: `M2.50 100.00V${y(0.998)}H3.50V100.00`, leaves: [1, 2] },
  ]);
});

test("steps go through all cuts, with the shortest number for each", () => {
  const steps = (from, which) => {
    const seen = [from];
    for (let turn = 0; turn < 6; turn += 1) seen.push(nextThreshold(TREE, SCALE, seen.at(-1), which));
    return seen;
  };
  assert.deepEqual(steps(1, "more"), [1, 0.9985, 0.95, 0.6, 0.2, 0.2, 0.2]);
  assert.deepEqual(steps(0.1, "fewer"), [0.1, 0.6, 0.95, 0.9985, 1, 1, 1]);
});

test("cuts that are closer than thresholds can be are one step", () => {
  const tree = { leaves: [0, 1, 2, 3], merges: [[0, 3, 0.5], [0, 1, 0.90001], [2, 3, 0.90002]] };
  const scale = scaleOf(tree, 0.5);
  assert.equal(nextThreshold(tree, scale, 1, "more"), 0.7);
  assert.equal(nextThreshold(tree, scale, 0.7, "fewer"), 1);
});
