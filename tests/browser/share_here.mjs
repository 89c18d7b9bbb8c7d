// A user who right-clicks a sampler and chooses "Share sampling here": in a workflow of core nodes, and in a subgraph.

import { compare, layoutProblems } from "./compare.mjs";

const LABEL = "Share sampling here";
const TEXT = "#1 {red|blue} car\nin the snow";
const LINE = "\\#1 \\{red\\|blue\\} car in the snow";
const PROMPTS = "a red car in the snow\na blue boat on the sea\na yellow star at night";

const node = (class_type, inputs = {}) => ({ class_type, inputs });
/** Text to image, as everyone has it; in API format. */
const WORKFLOW = {
  1: node("SageDemoModel"),
  2: node("CLIPTextEncode", { clip: ["1", 1], text: TEXT }),
  3: node("ConditioningZeroOut", { conditioning: ["2", 0] }),
  4: node("EmptyLatentImage", { width: 128, height: 128, batch_size: 1 }),
  5: node("KSampler", {
    model: ["1", 0], positive: ["2", 0], negative: ["3", 0], latent_image: ["4", 0], seed: 1,
    control_after_generate: "fixed", steps: 4, cfg: 2, sampler_name: "euler", scheduler: "simple",
  }),
  6: node("VAEDecode", { samples: ["5", 0], vae: ["1", 2] }),
  7: node("SaveImage", { images: ["6", 0], filename_prefix: "SAGE/share_here" }),
};
const PLACES = { 1: [0, 0], 2: [370, 0], 3: [370, 300], 4: [370, 430], 5: [820, 0], 6: [1150, 0], 7: [1400, 0] };
/** What is put into a subgraph, and the node that is left with its text. */
const INSIDE = [2, 3, 4, 5];

const SHARED = [
  "CLIPTextEncode.CONDITIONING > ConditioningZeroOut.conditioning", "CLIPTextEncode.CONDITIONING > SageShare.positive",
  "ConditioningZeroOut.CONDITIONING > SageShare.negative", "EmptyLatentImage.LATENT > SageShare.latent_image",
  "KSampler.LATENT > SageSplitByPrompt.latent", "SagePromptList.prompt > CLIPTextEncode.text",
  "SagePromptList.prompt > SageShare.prompts", "SageShare.groups > SageSplitByPrompt.groups",
  "SageShare.latent > KSampler.latent_image", "SageShare.model > KSampler.model",
  "SageShare.negative > KSampler.negative", "SageShare.positive > KSampler.positive",
];
const OUTSIDE = [
  "SageDemoModel.CLIP > CLIPTextEncode.clip", "SageDemoModel.MODEL > SageShare.model", "SageDemoModel.VAE > VAEDecode.vae",
  "SageSplitByPrompt.latent > VAEDecode.samples", "VAEDecode.IMAGE > SaveImage.images",
];
const BORDER = ["SageSplitByPrompt.latent > border", "border > CLIPTextEncode.clip", "border > SageShare.model"];
/** The links after the command, by where the sampler is; in a subgraph the text is an input or, in older pages, shown. */
const LINKS = {
  "a workflow": [...SHARED, ...OUTSIDE],
  "a subgraph": [...SHARED, ...BORDER],
  "a subgraph with a text": [...SHARED, ...BORDER],
};

export class ShareHereUser {
  /** @param {import("./page.mjs").WorkflowPage} page */
  constructor(page) {
    Object.assign(this, { page, tab: page.tab });
  }

  /** Opens the workflow. The sampler may be in a subgraph, and its text an input of that. @param {string} place */
  async open(place) {
    await this.tab.evaluate(
      ([workflow, places, inside, hasText]) => {
        const { app } = window;
        app.loadApiJson(workflow, "share_here");
        for (const [id, pos] of Object.entries(places)) app.graph.getNodeById(Number(id)).pos = pos;
        if (!inside.length) return;
        const { subgraph, node } = app.graph.convertToSubgraph(new Set(inside.map((id) => app.graph.getNodeById(id))));
        node.pos = places[inside[0]];
        const encoder = subgraph.nodes.find(({ type }) => type === "CLIPTextEncode");
        const [, text] = encoder.inputs;
        // Newer pages have done this already.
        if (hasText && text.link === null) subgraph.addInput("text", "STRING").connect(text, encoder);
      },
      [WORKFLOW, PLACES, place === "a workflow" ? [] : INSIDE, place === "a subgraph with a text"],
    );
    await this.page.load(await this.page.saved());
    if (place !== "a workflow") await this.enter();
    await this.look();
  }

  /** Opens the subgraph. */
  async enter() {
    await this.tab.evaluate(() => {
      const { canvas, graph } = window.app;
      const node = graph.nodes.find((found) => found.isSubgraphNode());
      canvas.openSubgraph(node.subgraph, node);
    });
    await this.page.settle();
  }

  /** Moves the canvas so that the sampler is in the middle of the page. */
  async look() {
    await this.tab.evaluate(() => {
      const { canvas } = window.app;
      const { pos } = canvas.graph.nodes.find(({ type }) => type === "KSampler");
      canvas.ds.scale = 0.7;
      canvas.ds.offset = [1200 - pos[0], 500 - pos[1]];
      canvas.setDirty(true, true);
    });
    await this.page.settle();
  }

  /** Right-clicks the sampler. Gives the entry of the menu. */
  async openMenu() {
    const [x, y] = await this.tab.evaluate(() => {
      const { canvas } = window.app;
      const { pos } = canvas.graph.nodes.find(({ type }) => type === "KSampler");
      const { left, top } = canvas.canvas.getBoundingClientRect();
      const { scale, offset } = canvas.ds;
      return [left + (pos[0] + 60 + offset[0]) * scale, top + (pos[1] - 12 + offset[1]) * scale];
    });
    await this.tab.mouse.click(x, y, { button: "right" });
    await this.tab.getByText("Bypass", { exact: true }).first().waitFor();
    return this.tab.getByText(LABEL, { exact: true });
  }

  async closeMenu() {
    await this.tab.keyboard.press("Escape");
    await this.tab.mouse.click(300, 1000);
    await this.page.settle();
  }

  async choose() {
    await (await this.openMenu()).click();
    await this.page.settle();
  }

  /** What undo and redo change: all of the workflow but how it is looked at. */
  async workflow() {
    const { nodes, links, groups, definitions } = await this.page.saved();
    return { nodes, links, groups, definitions };
  }

  /** The links of the graph that is open, but for those from the border to boxes. */
  links() {
    return this.tab.evaluate(() => {
      const { graph } = window.app.canvas;
      const end = (id, side, slot) => {
        const node = graph.getNodeById(id);
        return node ? `${node.type}.${node[side][slot].name}` : "border";
      };
      const isBox = ({ target_id, target_slot }) => graph.getNodeById(target_id)?.inputs[target_slot].widget;
      const links = [...graph.links.values()].filter((link) => graph.getNodeById(link.origin_id) || !isBox(link));
      return links.map(
        (link) => `${end(link.origin_id, "outputs", link.origin_slot)} > ${end(link.target_id, "inputs", link.target_slot)}`,
      );
    });
  }

  /** Types into the box that has the text; gives the text of before. */
  type(text) {
    return this.tab.evaluate((typed) => {
      const { canvas, graph } = window.app;
      const host = graph.nodes.find((node) => node.isSubgraphNode()) ?? graph.nodes.find(({ type }) => type === "SagePromptList");
      const box = host.widgets.find(({ type, name }) => type === "customtext" && !name.includes("negative"));
      const before = box.value;
      box.value = typed;
      canvas.setDirty(true, true);
      return before;
    }, text);
  }
}

/** Chooses the command, undoes it, does it again, and runs the workflow. */
export async function useShareHere(user, shot, problems) {
  for (const [place, links] of Object.entries(LINKS)) {
    const check = (what, found, expected) => compare(problems, `${what} in ${place}`, found, expected);
    await user.open(place);
    const before = await user.workflow();
    await user.choose();
    await shot(place);
    check("links", (await user.links()).sort(), links.sort());
    if (place === "a workflow") problems.push(...layoutProblems(await user.page.boxes()));
    await user.tab.keyboard.press("Control+z");
    await user.page.settle();
    check("after an undo", await user.workflow(), before);
    await user.choose();
    check("links of the second time", (await user.links()).sort(), links.sort());
    check("entries for a sampler that shares", await (await user.openMenu()).count(), 0);
    await user.closeMenu();
    check("the text", await user.type(PROMPTS), LINE);
    const { images } = await user.page.run(() => shot(`${place} running`));
    check("pictures", images.length, PROMPTS.split("\n").length);
  }
}
