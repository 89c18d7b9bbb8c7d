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

test("Share Sampling chooses on the Prompt List that has its texts", () => {
  const classes = { list: "SagePromptList", encode: "Encode", share: "SageShare", second: "SageShare", other: "SageShare" };
  const graph = new Graph().addAll(classes).linkAll(
    "list.prompt > encode.text", "encode.conditioning > share.positive", "list.prompt > share.prompts",
    "share.groups > second.groups", "encode.conditioning > other.positive",
  );
  for (const node of [graph.share, graph.second]) {
    const favourites = marksOf(node);
    favourites.toggle(picture("a car"));
    favourites.setOnly(true);
    assert.equal(graph.list.box("chosen").value, node === graph.share ? '["a car"]' : "");
  }
  assert.equal(marksOf(graph.other).list, undefined, "without the texts its pictures have only numbers");
});

test("texts that another node may have changed are not in the list", () => {
  const classes = { list: "SagePromptList", styled: "Concatenate", reroute: "Reroute", share: "SageShare", plain: "SageShare" };
  const graph = new Graph().addAll(classes).linkAll(
    "list.prompt > styled.string_a", "styled.text > share.prompts", "list.prompt > reroute.in", "reroute.out > plain.prompts",
  );
  assert.deepEqual([marksOf(graph.share).list, marksOf(graph.plain).list], [undefined, graph.list]);
});

test("of two nodes with prompts, the nearest one has the choice", () => {
  const graph = new Graph().addAll({ list: "SagePromptList", ...CHAIN });
  graph.linkAll("list.prompt > groups.prompts", "groups.groups > prefix.groups");
  assert.equal(marksOf(graph.prefix).list, graph.groups);
});

test("favourites go on to the prompts of the next run, in one step for undo", () => {
  const { groups, save } = direct();
  let steps = 0;
  const favourites = new FavouriteMarks(save, (change) => (change(), (steps += 1)));
  for (const text of ["a car", "a big old boat"]) favourites.toggle(picture(text));
  favourites.follow(["a car", "a big old boat"], ["a big new boat", "a tree", "two dogs"]);
  assert.equal(groups.properties.sage_favourites, '[["a car",0],["a big new boat",0]]');
  favourites.follow(["a car", "a tree"], ["a dog", "a tree"]);
  assert.equal(groups.properties.sage_favourites, '[["a dog",0],["a big new boat",0]]');
  favourites.follow(["a dog", "a tree"], ["a dog", "a tree"]);
  assert.equal(steps, 4);
});
