// "Share sampling here": which samplers have it, and the graph after it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Graph, createNode } from "./graph.mjs";
import { load } from "./module.mjs";

const { samplerParts } = await load("graphs/sampler_parts.js");
const { shareHere } = await load("graphs/share_here.js");
const { promptLine } = await load("graphs/prompt_line.js");

/** Text to image with a KSampler. */
const ksampler = (encoder = "Encode") =>
  new Graph()
    .addAll({
      load: "Load", positive: encoder, negative: "Encode", empty: "Latent", sample: "KSampler", decode: "Decode",
    })
    .linkAll(
      "load.clip > positive.clip", "load.clip > negative.clip", "load.model > sample.model",
      "positive.conditioning > sample.positive", "negative.conditioning > sample.negative",
      "empty.latent > sample.latent_image", "sample.latent > decode.samples", "load.vae > decode.vae",
    );

/** Text to image with a sampler that has its guider and its schedule from other nodes. */
const custom = (guider, conditioning) =>
  new Graph()
    .addAll({
      load: "Load", encode: "Encode", guidance: "Guidance", empty: "Latent", guider, schedule: "Scheduler",
      sample: "SamplerCustomAdvanced", decode: "Decode",
    })
    .linkAll(
      "load.clip > encode.clip", "encode.conditioning > guidance.conditioning", "load.model > guider.model",
      `guidance.conditioning > guider.${conditioning}`, "load.model > schedule.model", "guider.guider > sample.guider",
      "schedule.sigmas > sample.sigmas", "empty.latent > sample.latent_image", "sample.output > decode.samples",
    );

const share = (graph, sampler = graph.sample) => shareHere(sampler, samplerParts(sampler), createNode);

/** The links that a change has added, and those that it has taken away. */
function changes(graph, change) {
  const before = graph.describe();
  change();
  const after = graph.describe();
  return [after.filter((link) => !before.includes(link)), before.filter((link) => !after.includes(link))];
}

const COMMON = [
  "SagePromptList.prompt > SageShare.prompts", "SageShare.groups > SageSplitByPrompt.groups",
];

test("around a KSampler", () => {
  const graph = ksampler();
  graph.positive.box("text").value = "a red car";
  const [added, removed] = changes(graph, () => assert.equal(share(graph).missing, ""));
  assert.deepEqual(added, [
    ...COMMON,
    "SagePromptList.prompt > positive.text", "SageShare.latent > sample.latent_image", "SageShare.model > sample.model",
    "SageShare.negative > sample.negative", "SageShare.positive > sample.positive",
    "SageSplitByPrompt.latent > decode.samples", "empty.latent > SageShare.latent_image",
    "load.model > SageShare.model",
    "negative.conditioning > SageShare.negative", "positive.conditioning > SageShare.positive",
    "sample.latent > SageSplitByPrompt.latent",
  ].sort());
  assert.deepEqual(removed, [
    "empty.latent > sample.latent_image", "load.model > sample.model", "negative.conditioning > sample.negative",
    "positive.conditioning > sample.positive", "sample.latent > decode.samples",
  ]);
  const list = graph.nodes.find(({ type }) => type === "SagePromptList");
  assert.equal(list.box("prompts").value, "a red car");
});

test("around a sampler with a guider: the schedule keeps its model", () => {
  const graph = custom("BasicGuider", "conditioning");
  const [added, removed] = changes(graph, () => share(graph));
  assert.deepEqual(added, [
    ...COMMON,
    "SagePromptList.prompt > encode.text", "SageShare.latent > sample.latent_image", "SageShare.model > guider.model",
    "SageShare.positive > guider.conditioning", "SageSplitByPrompt.latent > decode.samples",
    "empty.latent > SageShare.latent_image", "guidance.conditioning > SageShare.positive",
    "load.model > SageShare.model",
    "sample.output > SageSplitByPrompt.latent",
  ].sort());
  assert.deepEqual(removed, [
    "empty.latent > sample.latent_image", "guidance.conditioning > guider.conditioning", "load.model > guider.model",
    "sample.output > decode.samples",
  ]);
});

test("a guider with two positive conditionings keeps the second", () => {
  const graph = custom("DualCFGGuider", "cond1").addAll({ other: "Encode", none: "Encode" });
  graph.linkAll("other.conditioning > guider.cond2", "none.conditioning > guider.negative");
  share(graph);
  const links = graph.describe().filter((link) => link.includes("> guider."));
  assert.deepEqual(links, [
    "SageShare.model > guider.model", "SageShare.negative > guider.negative", "SageShare.positive > guider.cond1",
    "other.conditioning > guider.cond2",
  ]);
});

test("a second sampler with the same guider keeps it, and runs once per prompt", () => {
  const graph = custom("BasicGuider", "conditioning").addAll({ hires: "SamplerCustomAdvanced", reroute: "Reroute" });
  graph.linkAll("guider.guider > reroute.in", "reroute.out > hires.guider", "sample.output > hires.latent_image");
  const [added, removed] = changes(graph, () => share(graph));
  for (const link of [
    "BasicGuider.guider > sample.guider", "SageShare.model > BasicGuider.model",
    "SageSplitByPrompt.latent > hires.latent_image",
    "SageShare.positive > BasicGuider.conditioning",
  ]) assert.ok(added.includes(link), link);
  assert.ok(!removed.some((link) => /> (guider\.|hires\.guider|reroute)/.test(link)), removed.join());
});

test("a schedule that looks at the latent gets the one of all prompts", () => {
  const graph = custom("BasicGuider", "conditioning").linkAll("empty.latent > schedule.latent");
  const [added, removed] = changes(graph, () => share(graph));
  assert.ok(added.includes("SageShare.latent > schedule.latent"));
  assert.ok(removed.includes("empty.latent > schedule.latent"));

  const separate = custom("BasicGuider", "conditioning").addAll({ other: "Latent" });
  separate.linkAll("other.latent > schedule.latent");
  assert.ok(!changes(separate, () => share(separate))[1].includes("other.latent > schedule.latent"));
});

test("every output for latents that is used is split", () => {
  const graph = custom("BasicGuider", "conditioning").addAll({ clean: "Decode" });
  graph.linkAll("sample.denoised_output > clean.samples");
  const { nodes } = share(graph);
  const types = nodes.map(({ type }) => type);
  assert.deepEqual(types, ["SagePromptList", "SageShare", "SageSplitByPrompt", "SageSplitByPrompt"]);
  const links = graph.describe();
  assert.ok(links.includes("sample.denoised_output > SageSplitByPrompt.latent"));
  assert.equal(links.filter((link) => /SageSplitByPrompt.latent > (clean|decode).samples/.test(link)).length, 2);
});

test("a sampler that leads nowhere, and has nothing but its model", () => {
  const graph = new Graph().addAll({ load: "Load", sample: "KSampler" }).linkAll("load.model > sample.model");
  const { missing } = share(graph);
  assert.match(missing, /Connect “prompt” of “SagePromptList” to the text of your text encoder\./);
  assert.deepEqual(graph.describe(), [
    ...COMMON, "SageShare.latent > sample.latent_image", "SageShare.model > sample.model",
    "SageShare.negative > sample.negative",
    "SageShare.positive > sample.positive", "load.model > SageShare.model", "sample.latent > SageSplitByPrompt.latent",
  ].sort());
});

test("a node that has a text box and a conditioning before it is no encoder", () => {
  const graph = ksampler("BoxApply").addAll({ encode: "Encode" });
  graph.linkAll("encode.conditioning > positive.conditioning_to");
  share(graph);
  assert.ok(graph.describe().includes("SagePromptList.prompt > encode.text"));
});

test("the encoder of the negative is not taken, though it is nearer", () => {
  const graph = ksampler().addAll({ control: "Control", guidance: "Guidance" }).linkAll(
    "positive.conditioning > guidance.conditioning", "guidance.conditioning > control.positive",
    "negative.conditioning > control.negative", "control.positive > sample.positive",
    "control.negative > sample.negative",
  );
  share(graph);
  const links = graph.describe().filter((link) => link.startsWith("SagePromptList.prompt > "));
  assert.deepEqual(links, ["SagePromptList.prompt > SageShare.prompts", "SagePromptList.prompt > positive.text"]);
});

test("a Prompt List that is there is used", () => {
  const graph = ksampler().addAll({ list: "SagePromptList" }).linkAll("list.prompt > positive.text");
  const { nodes, missing } = share(graph);
  assert.equal(missing, "");
  assert.equal(nodes[0], graph.list);
  assert.equal(graph.nodes.filter(({ type }) => type === "SagePromptList").length, 1);
  assert.ok(graph.describe().includes("list.prompt > SageShare.prompts"));
});

test("a text that another node gives is left to the user", () => {
  const graph = ksampler().addAll({ words: "Text" }).linkAll("words.text > positive.text");
  assert.match(share(graph).missing, /to the text of “positive”, in place of what it is connected to\./);
  const links = graph.describe();
  assert.ok(links.includes("words.text > positive.text"));
  assert.ok(links.includes("SagePromptList.prompt > SageShare.prompts"));
});

test("of two text boxes, those with the same text are connected, or the one that is not empty", () => {
  for (const [clip_l, t5xxl, expected] of [
    ["a car", "a car", ["clip_l", "t5xxl"]], ["", "a car", ["t5xxl"]], ["car", "a car", ["clip_l"]], ["", "",
    ["clip_l", "t5xxl"]],
  ]) {
    const graph = ksampler("EncodeTwo");
    Object.assign(graph.positive.box("clip_l"), { value: clip_l });
    Object.assign(graph.positive.box("t5xxl"), { value: t5xxl });
    share(graph);
    const links = graph.describe().filter((link) => link.startsWith("SagePromptList.prompt > positive."));
    assert.deepEqual(links, expected.map((name) => `SagePromptList.prompt > positive.${name}`));
  }
});

/** A root graph with nodes of a subgraph, whose only input is the text and whose only output is the latent. */
function inSubgraph(hosts) {
  const subgraph = ksampler().addBorder(["text"], ["latent"]);
  subgraph.inputs[0].connect(subgraph.positive.inputs[1], subgraph.positive);
  subgraph.outputs[0].connect(subgraph.sample.outputs[0], subgraph.sample);
  const root = new Graph().addAll(Object.fromEntries(hosts.map((name) => [name, "Encode"])));
  for (const name of hosts) Object.assign(root[name], { subgraph });
  root.subgraphs.set("inner", subgraph);
  return [root, Object.assign(subgraph, { id: "inner", rootGraph: root })];
}

test("in a subgraph the text stays outside, on every node of the subgraph", () => {
  const [root, subgraph] = inSubgraph(["one", "two"]);
  root.one.box("text").value = "#1 car\nin the snow";
  root.two.box("text").value = "a boat";
  const [added, removed] = changes(subgraph, () => assert.equal(share(subgraph).missing, ""));
  for (const link of [
    "border.text > SagePromptList.prompts", "SagePromptList.prompt > positive.text",
    "SageSplitByPrompt.latent > border.latent",
  ]) assert.ok(added.includes(link), link);
  assert.ok(removed.includes("border.text > positive.text"));
  assert.deepEqual([root.one, root.two].map((node) => node.box("text").value), ["\\#1 car in the snow", "a boat"]);
});

test("in a subgraph a text that a node outside gives is left to the user", () => {
  const [root, subgraph] = inSubgraph(["one", "two"]);
  root.addAll({ words: "Text" }).linkAll("words.text > two.text");
  assert.match(share(subgraph).missing, /“positive”/);
  assert.ok(subgraph.describe().includes("border.text > positive.text"));
});

test("a box that nodes around show is replaced by that of Prompt List", () => {
  const [root, subgraph] = inSubgraph(["one"]);
  subgraph.positive.inputs[1].link = null; // the box itself has the text
  root.one.properties.proxyWidgets = [["-1", "width"], [String(subgraph.positive.id), "text"], ["3", "text"]];
  const [list] = share(subgraph).nodes;
  assert.deepEqual(root.one.properties.proxyWidgets, [["-1", "width"], [String(list.id), "prompts"], ["3", "text"]]);
});

test("other nodes do not have it, nor what comes after Share Sampling", () => {
  const graph = ksampler().addAll({ own: "SageKSampler", hires: "KSampler", alone: "SamplerCustomAdvanced" });
  graph.linkAll("sample.latent > hires.latent_image");
  assert.ok(samplerParts(graph.sample));
  assert.ok(samplerParts(graph.hires));
  for (const name of ["load", "positive", "empty", "decode", "own", "alone"]) {
    assert.equal(samplerParts(graph[name]), null, name);
  }
  const [, added] = share(graph).nodes;
  for (const node of [graph.sample, graph.hires, added]) assert.equal(samplerParts(node), null);
});

test("a text becomes one line that is one prompt", () => {
  for (const [text, line] of [
    ["a red car", "a red car"],
    [" a red car,\n\nin the snow\r\n", "a red car, in the snow"],
    ["#1 car # two", "\\#1 car # two"],
    ["{a|b} | c", "\\{a\\|b\\} \\| c"],
    ["\\{a\\} \\(b\\)", "\\{a\\} \\(b\\)"],
    ["a car // red\nin /* deep\n */ snow", "a car in  snow"],
    ["", ""],
  ]) assert.equal(promptLine(text), line);
});
