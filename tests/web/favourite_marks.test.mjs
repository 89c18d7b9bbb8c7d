// Where the favourites of a sampler are kept, and which prompts they choose.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Graph } from "./graph.mjs";
import { load } from "./module.mjs";

const { FavouriteMarks } = await load("panels/favourite_marks.js");

const CHAIN = { groups: "SageSemanticGroupPrompts", prefix: "SageSharedKSamplerPrefix", added: "SageAddPrompts", save: "SageBranchSave" };
const chain = (...links) => new Graph().addAll(CHAIN).linkAll(...links);
const direct = () => chain("groups.groups > prefix.groups", "prefix.prefix > save.prefix");
const marksOf = (node) => new FavouriteMarks(node, (change) => change());
const picture = (prompt, variation = 0) => ({ prompt, variation });

test("all nodes with the same prompts have the same favourites", () => {
  const { groups, prefix, save } = direct();
  marksOf(save).toggle(picture("a car", 1));
  assert.equal(groups.properties.sage_favourites, '[["a car",1]]');
  assert.deepEqual([marksOf(prefix).has(picture("a car", 1)), marksOf(prefix).has(picture("a car"))], [true, false]);
  marksOf(prefix).toggle(picture("a car", 1));
  assert.equal(groups.properties.sage_favourites, "");
});

test("a group of prompts cannot be a favourite", () => {
  const { groups, save } = direct();
  marksOf(save).toggle(picture(null));
  assert.deepEqual([groups.properties, marksOf(save).has(picture(null))], [{}, false]);
});

test("the choice has the prompts of the favourites, and follows them until all are used", () => {
  const { groups, save } = direct();
  const favourites = marksOf(save);
  const chosen = () => groups.box("chosen").value;
  for (const [text, variation] of [["a car", 0], ["a car", 1], ["a boat", 0]]) favourites.toggle(picture(text, variation));
  assert.deepEqual([chosen(), favourites.isOnly], ["", false]);
  favourites.setOnly(true);
  assert.deepEqual([chosen(), favourites.isOnly], ['["a car","a boat"]', true]);
  favourites.toggle(picture("a boat"));
  assert.equal(chosen(), '["a car"]');
  favourites.setOnly(false);
  favourites.toggle(picture("a boat"));
  assert.equal(chosen(), "");
});

test("prompts that come from elsewhere have favourites, but no choice", () => {
  const links = ["groups.groups > prefix.groups", "prefix.prefix > added.prefix", "added.prefix > save.prefix"];
  for (const graph of [chain(), chain(...links)]) {
    const favourites = marksOf(graph.save);
    favourites.toggle(picture("a car"));
    favourites.setOnly(true);
    assert.deepEqual([favourites.widget, favourites.has(picture("a car"))], [undefined, true]);
    assert.deepEqual([graph.groups.box("chosen").value, graph.groups.properties], ["", {}]);
  }
});
