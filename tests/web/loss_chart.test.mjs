// Lines of a plot.

import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./module.mjs";

const { limits, pathOf } = await load("panels/loss_chart.js");

const LINES = [{ name: "loss", points: [[1, 4], [3, 2], [5, 1]] }, { name: "soft", points: [[3, 8]] }];

test("the ends are those of all lines", () => {
  assert.deepEqual(limits(LINES), { first: 1, last: 5, most: 8 });
});

test("a path from the first step to the last, zero at the bottom", () => {
  assert.equal(pathOf(LINES[0].points, limits(LINES)), "M0.00 50.00L50.00 75.00L100.00 87.50");
});

test("one step, and a loss of zero, have a place too", () => {
  const line = { name: "loss", points: [[7, 0]] };
  assert.equal(pathOf(line.points, limits([line])), "M0.00 100.00");
});
