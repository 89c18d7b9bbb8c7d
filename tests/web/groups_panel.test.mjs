// What the groups panel says of groups: numbers that stay, similarities, what is saved, and which runs it takes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Graph } from "./graph.mjs";
import { load } from "./module.mjs";

const { rangeText } = await load("panels/group_cards.js");
const { withNumbersOf } = await load("panels/group_numbers.js");
const { GroupsPanel } = await load("panels/groups_panel.js");
const { samplersAfter, savingText } = await load("panels/saving_text.js");
const { originOf } = await load("graphs/links.js");

const COLOURS = ["blue", "orange"];
const group = (...members) => ({ members, colour: members.length > 1 ? "first" : "grey" });
const grouping = (...groups) => ({ groups, colours: COLOURS, share: 0.4, saved: 0.25 });
const numbers = ({ groups }) => groups.map(({ members, number, colour }) => [members.join(""), number, colour]);

test("a prompt that moves does not change the numbers and colours of groups", () => {
  const run = [group(0, 1, 2), group(3, 4)];
  const moved = withNumbersOf(grouping(group(0, 3, 4), group(1, 2)), run);
  assert.deepEqual(numbers(moved), [["12", 0, "blue"], ["034", 1, "orange"]]);
});

test("a new group has a free number, and a prompt alone keeps its colour", () => {
  const run = [group(0, 1, 2), group(3, 4)];
  const split = withNumbersOf(grouping(group(0), group(1, 2), group(3, 4)), run);
  assert.deepEqual(numbers(split), [["12", 0, "blue"], ["34", 1, "orange"], ["0", 2, "grey"]]);
});

test("the run itself keeps its numbers", () => {
  const run = [group(0, 3), group(1, 2)];
  assert.deepEqual(numbers(withNumbersOf(grouping(...run), run)), [["03", 0, "blue"], ["12", 1, "orange"]]);
});

test("a heading never says the same number twice", () => {
  assert.equal(rangeText({ loosest: 0.8, tightest: 0.9 }), "pairs 0.800 to 0.900");
  assert.equal(rangeText({ loosest: 0.95, tightest: 0.9502 }), "pairs 0.950");
  assert.equal(rangeText({ loosest: 0.9999, tightest: 1 }), "nearly the same");
});

const PROMPTS = ["a", "b", "c", "d", "e", "f", "g", "h"];
const THREE = grouping(group(0, 1, 2), group(3, 4, 5), group(6, 7));
const FIXED = { share: 0.4, steps: 4, share_mode: "fixed", correction: "off" };

test("what is saved is the sampler's figure, with whole steps", () => {
  assert.equal(savingText(PROMPTS, THREE, [FIXED]), "saves 31.3% at share 0.4"); // 2 of 4 steps
  assert.equal(savingText(PROMPTS, THREE, [{ ...FIXED, share: 0.5, steps: 5 }]), "saves 25.0% at share 0.5"); // 2 of 5
  assert.equal(savingText(["a", "a"], grouping(group(0, 1)), [FIXED]), "saves 50.0% at share 0.4");
});

test("without a sampler it says for which one the figure is", () => {
  assert.equal(savingText(PROMPTS, THREE, []), "saves 25.0% at share 0.4 if correction is off");
});

test("what is known after sampling only is left to the sampler's panel", () => {
  const measured = "what is saved is on the sampler's panel";
  for (const setting of [{ correction: "on" }, { share_mode: "auto" }, { share: undefined }]) {
    assert.equal(savingText(PROMPTS, THREE, [{ ...FIXED, ...setting }]), measured);
  }
  assert.equal(savingText(PROMPTS, THREE, [FIXED, { ...FIXED, share: 0 }]), measured);
});

test("a guider has no steps: they are the sampler's", () => {
  const { steps, ...guider } = FIXED;
  const depends = "what is saved depends on the sampler's steps";
  assert.equal(savingText(PROMPTS, THREE, [guider, { ...guider, correction: "on" }]), depends);
  assert.equal(savingText(PROMPTS, THREE, [{ ...guider, steps: undefined }]), "what is saved is on the sampler's panel");
});

test("the samplers are those that the groups go to", () => {
  const nodes = { 5: { type: "SageKSampler" }, 6: { type: "SageComparisonGrid" } };
  const graph = { getLink: (id) => ({ target_id: id + 4 }), getNodeById: (id) => nodes[id] };
  assert.deepEqual(samplersAfter({ graph, outputs: [{ type: "SAGE_GROUPS", links: [1, 2, 3] }] }), [nodes[5]]);
  assert.deepEqual(samplersAfter({ graph, outputs: [{ type: "SAGE_GROUPS", links: null }] }), []);
  assert.deepEqual(samplersAfter({ graph, outputs: [] }), []);
  assert.deepEqual(samplersAfter({ graph: null, outputs: [{ type: "SAGE_GROUPS", links: [1] }] }), [], "not in a graph yet");
});

test("groups go through reroutes to their samplers", () => {
  const classes = { groups: "SageSemanticGroupPrompts", direct: "SageKSampler", one: "Reroute", two: "Reroute", behind: "SageKSampler" };
  const graph = new Graph().addAll(classes).linkAll(
    "groups.groups > direct.groups", "groups.groups > one.in", "one.out > two.in", "two.out > behind.groups",
  );
  assert.deepEqual(samplersAfter(graph.groups), [graph.direct, graph.behind]);
  assert.equal(originOf(graph.behind, graph.behind.findInputSlot("groups")), graph.groups);
});

/** A panel on a node with a list of prompts, and the runs that it has shown. */
function panelWith(prompts) {
  const shown = [];
  const node = { widgets: [{ name: "prompts", value: prompts }], inputs: [] };
  const showRun = (run) => shown.push(run);
  return { panel: Object.assign(Object.create(GroupsPanel.prototype), { node, last: null, showRun }), shown };
}

test("of what ComfyUI restores, a panel takes the runs of its own prompts only", () => {
  const run = (prompts) => ({ made_of: { prompts } });
  const { panel, shown } = panelWith("a car\na boat\na dog");
  panel.restoreRun(run("a tree\na lamp\na fox"), true);
  assert.deepEqual(shown, []);
  const [edited, tooMany] = [run("a car\na boat\na cat"), { too_many: 9000, ...run("a car\na boat\na dog") }];
  panel.restoreRun(edited, true);
  panel.restoreRun(tooMany, true);
  assert.deepEqual(shown, [edited, tooMany]);
  panel.last = edited;
  panel.restoreRun(edited, true);
  assert.equal(shown.length, 2, "it has a newer one");
});

test("a panel goes on with what its node showed before, unless it has a newer run", () => {
  const { panel, shown } = panelWith("another list");
  const [before, newer] = [{ made_of: { prompts: "a car" } }, { too_many: 9000, made_of: { prompts: "another list" } }];
  panel.showBefore(undefined);
  panel.showBefore(before);
  assert.deepEqual(shown, [before]);
  panel.last = newer;
  panel.showBefore(before);
  assert.equal(shown.length, 1);
});
