// Pins that the panel sets when the user moves prompts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./module.mjs";

const { followEdits, formatPins, movePrompt, neighbourGroup, parsePins, unpinPrompt, workingPins } = await load("panels/pins.js");

const CARS = ["red car", "blue car"];
const BOATS = ["red boat", "blue boat"];
const GROUPS = [CARS, BOATS, ["moon"]];
const move = (pins, groups, text, target) => Object.fromEntries(movePrompt(new Map(Object.entries(pins)), groups, text, target));

test("pins are read as they were written, whatever the texts", () => {
  const pins = new Map([["__proto__", "a \"b\"\n"], ["ü", "ü"]]);
  assert.deepEqual(parsePins(formatPins(pins)), pins);
  assert.equal(formatPins(new Map()), "");
  assert.deepEqual(parsePins(""), new Map());
  assert.deepEqual(parsePins("{damaged"), new Map());
});

test("a prompt is pinned to a prompt of the group that has no pin itself", () => {
  assert.deepEqual(move({}, GROUPS, "moon", CARS), { moon: "red car" });
  assert.deepEqual(move({ "red car": "blue car" }, GROUPS, "moon", CARS), { "red car": "blue car", moon: "blue car" });
});

test("a prompt with a group of its own", () => {
  assert.deepEqual(move({}, GROUPS, "red car", null), { "red car": "red car" });
  assert.deepEqual(move({ moon: "moon" }, GROUPS, "red car", ["moon"]), { moon: "moon", "red car": "moon" });
});

test("a prompt that is moved again leaves its old group", () => {
  const groups = [[...CARS, "moon"], BOATS];
  assert.deepEqual(move({ moon: "red car" }, groups, "moon", BOATS), { moon: "red boat" });
});

test("prompts that were pinned to it stay behind, pinned to another one of their group", () => {
  const groups = [[...CARS, "moon"], BOATS];
  assert.deepEqual(move({ moon: "red car" }, groups, "red car", BOATS), { moon: "blue car", "red car": "red boat" });
});

test("prompts that were pinned to it stay together if nothing else is left in their group", () => {
  const groups = [["red car", "moon", "sun"], BOATS];
  const pins = { moon: "red car", sun: "red car" };
  assert.deepEqual(move(pins, groups, "red car", BOATS), { moon: "moon", sun: "moon", "red car": "red boat" });
});

const unpin = (pins, groups, text) => Object.fromEntries(unpinPrompt(new Map(Object.entries(pins)), groups, text));

test("a prompt loses its pin; the others keep theirs", () => {
  const groups = [[...CARS, "moon", "sun"], BOATS];
  assert.deepEqual(unpin({ moon: "red car", sun: "red car" }, groups, "moon"), { sun: "red car" });
  assert.deepEqual(unpin({ moon: "moon" }, [CARS, BOATS, ["moon"]], "moon"), {});
});

test("prompts that were pinned to a prompt that loses its pin stay in their group", () => {
  const chain = { "red boat": "red car", moon: "red boat" };
  assert.deepEqual(unpin(chain, [[...CARS, "red boat", "moon"], ["blue boat"]], "red boat"), { moon: "red car" });
  const own = { "red boat": "red boat", moon: "red boat", sun: "red boat" };
  assert.deepEqual(unpin(own, [CARS, ["red boat", "moon", "sun"]], "red boat"), { moon: "moon", sun: "moon" });
});

test("steps go through all groups and back to the first, in both directions", () => {
  const prompts = [...CARS, ...BOATS, "moon"];
  for (const step of [1, -1]) {
    let groups = GROUPS;
    const seen = [];
    for (let turn = 0; turn < 4; turn += 1) {
      const target = neighbourGroup(prompts, groups, "red car", step);
      seen.push(target?.[0] ?? "own");
      const others = groups.map((group) => group.filter((text) => text !== "red car")).filter((group) => group.length);
      const moved = target ? others.map((group) => (group[0] === target[0] ? ["red car", ...group] : group)) : [["red car"], ...others];
      groups = moved.sort(([a], [b]) => prompts.indexOf(a) - prompts.indexOf(b));
    }
    const round = ["red boat", "moon", "own", "blue car"];
    assert.deepEqual(seen, step === 1 ? round : ["own", "moon", "red boat", "blue car"]);
  }
});

test("the only prompt has nowhere to go", () => {
  assert.equal(neighbourGroup(["moon"], [["moon"]], "moon", 1), null);
});

test("pins of prompts that are not in the list do nothing", () => {
  const pins = new Map([["red car", "blue car"], ["red car", "moon"], ["sun", "blue car"], ["moon", "moon"]]);
  assert.deepEqual([...workingPins(pins, ["red car", "blue car"])], []);
  assert.deepEqual([...workingPins(pins, ["red car", "moon"])], [["red car", "moon"], ["moon", "moon"]]);
});

test("pins follow a prompt that was edited, and the one that it stays with", () => {
  const before = ["a red car in the snow", "a blue car in the snow", "a boat"];
  const after = ["a dark red car in the snow", "a blue car in deep snow", "a boat"];
  const pins = new Map([[before[0], before[1]]]);
  assert.deepEqual([...followEdits(pins, before, after)], [[after[0], after[1]]]);
});

test("the pin of a prompt that was removed goes to no other prompt of the list, nor to a different one", () => {
  const pins = new Map([["a red car in the snow", "a boat"]]);
  const before = ["a red car in the snow", "a blue car in the snow", "a boat"];
  assert.deepEqual([...followEdits(pins, before, before.slice(1))], [...pins]);
  assert.deepEqual([...followEdits(pins, before, [...before.slice(1), "two moons at night"])], [...pins]);
});
