// Lines of the loss chart.

import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./module.mjs";

const { chartLimits, linePath } = await load("panels/loss_chart.js");

const LINES = [{ name: "loss", points: [[1, 4], [3, 2], [5, 1]] }, { name: "soft", points: [[3, 8]] }];

test("the limits are those of all lines", () => {
  assert.deepEqual(chartLimits(LINES), { firstStep: 1, lastStep: 5, largest: 8 });
});

test("a path from the first step to the last, zero at the bottom", () => {
  assert.equal(linePath(LINES[0].points, chartLimits(LINES)), "M0.00 50.00L50.00 75.00L100.00 87.50");
});

test("one step with a loss of zero has a place too", () => {
  const line = { name: "loss", points: [[7, 0]] };
  assert.equal(linePath(line.points, chartLimits([line])), "M0.00 100.00");
});
