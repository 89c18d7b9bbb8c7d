// A user with graphs from before the samplers had the inputs "share_mode", "correction", "reuse" and
// "latent_rows". They stay uncorrected; new nodes correct.

import { compare } from "./compare.mjs";

const SAMPLERS = ["SageSharedKSamplerPrefix", "SageKSampler", "SageGuider"];
/** share_mode, correction, reuse and latent_rows. */
const NEWER_INPUTS = 4;
/** A Prompt List from before it had a choice. */
const LIST = {
  id: 1, type: "SagePromptList", pos: [400, 100], size: [400, 360], flags: {}, order: 0, mode: 0, inputs: [], outputs: [],
  properties: {}, widgets_values: ["a car\na boat", "a house", "none"],
};
const EMPTY = { version: 0.4, last_node_id: 0, last_link_id: 0, nodes: [], links: [], groups: [] };

/** The samplers of a workflow file, those in its subgraphs too. */
function samplersOf({ nodes, definitions }) {
  const inside = (definitions?.subgraphs ?? []).flatMap((subgraph) => subgraph.nodes);
  return [...nodes, ...inside].filter(({ type }) => SAMPLERS.includes(type));
}

/** A workflow whose samplers are saved with these values in place of their newer inputs, the last of all. */
function ending(workflow, ...values) {
  const file = structuredClone(workflow);
  for (const { widgets_values } of samplersOf(file)) widgets_values.splice(-NEWER_INPUTS, NEWER_INPUTS, ...values);
  return file;
}

/** A node alone in API format. */
const apiGraph = (class_type, inputs) => ({ 7: { class_type, inputs: { cfg: 4, share: 0.3, ...inputs } } });

export class SavedGraphsUser {
  /** @param {import("./page.mjs").WorkflowPage} page @param {string} renderer */
  constructor(page, renderer) {
    Object.assign(this, { page, renderer, tab: page.tab });
  }

  /** The values of share_mode and correction on each sampler in the graph and its subgraphs. */
  values() {
    return this.tab.evaluate((types) => {
      const { graph } = window.app;
      const nodes = [graph, ...graph.nodes.map((node) => node.subgraph)].flatMap((found) => found?.nodes ?? []);
      const value = (node, wanted) => node.widgets.find(({ name }) => name === wanted).value;
      const samplers = nodes.filter(({ type }) => types.includes(type));
      return samplers.map((node) => `${value(node, "share_mode")}, ${value(node, "correction")}`);
    }, SAMPLERS);
  }

  /** What the only node shows for correction; on the classic canvas, what it would draw. */
  async shown() {
    if (this.renderer !== "vue") return (await this.values())[0].split(", ")[1];
    await this.page.settle();
    const row = this.tab.locator(".lg-node-widget").filter({ hasText: "correction" });
    return (await row.textContent()).replace("correction", "");
  }

  /** Adds a node to an empty canvas. */
  async addAlone(type) {
    await this.page.load(EMPTY);
    await this.tab.evaluate((wanted) => window.app.graph.add(window.LiteGraph.createNode(wanted)), type);
  }

  /** Sets correction on the only node, copies the node, and clones it. */
  async changeAndCopy(value) {
    await this.tab.evaluate((chosen) => {
      const { canvas, graph } = window.app;
      const [node] = graph.nodes;
      node.widgets.find(({ name }) => name === "correction").value = chosen;
      canvas.copyToClipboard([node]);
      canvas.pasteFromClipboard();
      graph.add(node.clone());
    }, value);
  }

  /** Drops a file with a graph in API format. */
  async drop(graph) {
    const open = (text) => window.app.handleFile(new File([text], "saved.json", { type: "application/json" }));
    await this.tab.evaluate(open, JSON.stringify(graph));
    await this.tab.waitForFunction(() => window.app.graph.getNodeById(7));
  }
}

/** Loads workflows with and without the newer inputs; adds and copies nodes; drops files in API format. */
export async function useSavedGraphs(user, workflows, shot, problems) {
  const check = async (what, expected) => compare(problems, what, await user.values(), expected);
  for (const [name, workflow] of Object.entries(workflows)) {
    const everySampler = (values) => samplersOf(workflow).map(() => values);
    await user.page.load(ending(workflow, "tree", "on"));
    await check(`${name} without reuse`, everySampler("tree, on"));
    await user.page.load(ending(workflow));
    await check(`${name} without both`, everySampler("fixed, off"));
    await user.page.load(ending(workflow, "tree"));
    await check(`${name} without correction`, everySampler("tree, off"));
    await user.page.load(await user.page.saved());
    await check(`${name} without correction, saved again`, everySampler("tree, off"));
  }
  for (const type of SAMPLERS) {
    await user.addAlone(type);
    await check(`a new ${type}`, ["auto, on"]);
    compare(problems, `correction on a new ${type}`, await user.shown(), "on");
    await user.changeAndCopy("off");
    await check(`copies of a changed ${type}`, Array(3).fill("auto, off"));
    await user.drop(apiGraph(type, { share_mode: "tree", correction: "on" }));
    await check(`${type} in API format`, ["tree, on"]);
    await user.page.load(EMPTY);
    await user.drop(apiGraph(type, {}));
    await check(`${type} in API format, without both inputs`, ["fixed, off"]);
    compare(problems, `correction on an old ${type}`, await user.shown(), "off");
    await shot(type);
  }
  await user.page.load({ ...EMPTY, last_node_id: 1, nodes: [LIST] });
  const texts = () => user.tab.evaluate(() => window.app.graph.nodes[0].widgets.map(({ value }) => value));
  compare(problems, "the values of an old Prompt List", await texts(), [...LIST.widgets_values, ""]);
  await shot("list");
}
