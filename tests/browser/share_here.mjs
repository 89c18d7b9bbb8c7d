// A user who right-clicks a sampler and chooses "Share sampling here".

import { compare, layoutProblems } from "./compare.mjs";

const LABEL = "Share sampling here";
const SAMPLER = "sampler";
const TEXT = "#1 {red|blue} car\nin the snow";
const LINE = "\\#1 \\{red\\|blue\\} car in the snow";
const PROMPTS = "a red car in the snow\na blue boat on the sea\na yellow star at night";

const node = (title, class_type, inputs = {}) => ({ class_type, inputs, _meta: { title } });
const FIXED = { control_after_generate: "fixed" };
/** Text to image, as everyone has it; in API format. */
const SIMPLE = {
  1: node("model", "SageDemoModel"),
  2: node("encode", "CLIPTextEncode", { clip: ["1", 1], text: TEXT }),
  3: node("zero", "ConditioningZeroOut", { conditioning: ["2", 0] }),
  4: node("empty", "EmptyLatentImage", { width: 128, height: 128, batch_size: 1 }),
  5: node(SAMPLER, "KSampler", {
    model: ["1", 0], positive: ["2", 0], negative: ["3", 0], latent_image: ["4", 0], seed: 1, ...FIXED, steps: 4,
    cfg: 2,
    sampler_name: "euler", scheduler: "simple",
  }),
  6: node("decode", "VAEDecode", { samples: ["5", 0], vae: ["1", 2] }),
  7: node("save", "SaveImage", { images: ["6", 0], filename_prefix: "SAGE/share_here" }),
};
/** Two samplers, one after the other, with the same guider. */
const CUSTOM = {
  1: SIMPLE[1],
  2: SIMPLE[2],
  4: SIMPLE[4],
  5: node(SAMPLER, "SamplerCustomAdvanced", {
    noise: ["11", 0], guider: ["8", 0], sampler: ["10", 0], sigmas: ["9", 0], latent_image: ["4", 0],
  }),
  6: node("decode", "VAEDecode", { samples: ["12", 0], vae: ["1", 2] }),
  7: SIMPLE[7],
  8: node("guider", "BasicGuider", { model: ["1", 0], conditioning: ["2", 0] }),
  9: node("schedule", "BasicScheduler", { model: ["1", 0], scheduler: "simple", steps: 4, denoise: 1 }),
  10: node("euler", "KSamplerSelect", { sampler_name: "euler" }),
  11: node("noise", "RandomNoise", { noise_seed: 1, ...FIXED }),
  12: node("second", "SamplerCustomAdvanced", {
    noise: ["11", 0], guider: ["8", 0], sampler: ["10", 0], sigmas: ["9", 0], latent_image: ["5", 0],
  }),
};
const PLACES = {
  1: [0, 0], 2: [370, 0], 3: [370, 300], 4: [370, 430], 5: [820, 0], 6: [1500, 0], 7: [1760, 0], 8: [370, 640], 9: [0,
  300],
  10: [0, 500], 11: [0, 650], 12: [1150, 0],
};

const SHARED = [
  "Prompt List.prompt > Share Sampling.prompts", "Prompt List.prompt > encode.text",
  "Share Sampling.groups > Split by Prompt.groups", "Share Sampling.latent > sampler.latent_image",
  "empty.LATENT > Share Sampling.latent_image", "encode.CONDITIONING > Share Sampling.positive",
];
const WITH_NEGATIVE = [
  ...SHARED, "Share Sampling.model > sampler.model", "Share Sampling.negative > sampler.negative",
  "Share Sampling.positive > sampler.positive", "encode.CONDITIONING > zero.conditioning",
  "sampler.LATENT > Split by Prompt.latent", "zero.CONDITIONING > Share Sampling.negative",
];
const OUTSIDE = [
  "decode.IMAGE > save.images", "model.CLIP > encode.clip", "model.MODEL > Share Sampling.model",
  "model.VAE > decode.vae",
];
const BORDER = ["Split by Prompt.latent > border", "border > Share Sampling.model", "border > encode.clip"];
const IN_SUBGRAPH = { workflow: SIMPLE, inside: [2, 3, 4, 5], links: [...WITH_NEGATIVE, ...BORDER] };
/** A workflow, what of it is put into a subgraph, whether the text is then an input of that; the links at the end. */
const CASES = {
  "a workflow": {
    workflow: SIMPLE, inside: [], hasText: false,
    links: [...WITH_NEGATIVE, ...OUTSIDE, "Split by Prompt.latent > decode.samples"],
  },
  "a subgraph": { ...IN_SUBGRAPH, hasText: false },
  "a subgraph with a text": { ...IN_SUBGRAPH, hasText: true },
  "two samplers with one guider": {
    workflow: CUSTOM, inside: [], hasText: false,
    links: [
      ...SHARED, ...OUTSIDE,
      // A copy of the guider has the same title.
      "Share Sampling.model > guider.model", "Share Sampling.positive > guider.conditioning",
      "guider.GUIDER > sampler.guider",
      "model.MODEL > guider.model", "encode.CONDITIONING > guider.conditioning", "guider.GUIDER > second.guider",
      "sampler.output > Split by Prompt.latent", "Split by Prompt.latent > second.latent_image",
      "second.output > decode.samples",
      "model.MODEL > schedule.model", "euler.SAMPLER > sampler.sampler", "euler.SAMPLER > second.sampler",
      "noise.NOISE > sampler.noise", "noise.NOISE > second.noise", "schedule.SIGMAS > sampler.sigmas",
      "schedule.SIGMAS > second.sigmas",
    ],
  },
};

export class ShareHereUser {
  /** @param {import("./page.mjs").WorkflowPage} page */
  constructor(page) {
    Object.assign(this, { page, tab: page.tab });
  }

  /** Opens the workflow of a case, and its subgraph. */
  async open({ workflow, inside, hasText }) {
    await this.tab.evaluate(([nodes, places]) => {
      window.app.loadApiJson(nodes, "share_here");
      for (const node of window.app.graph.nodes) node.pos = places[node.id];
    }, [workflow, PLACES]);
    await this.page.load(await this.page.saved());
    if (inside.length) await this.openInSubgraph(inside, hasText);
    await this.page.look(SAMPLER);
  }

  /** Puts nodes into a subgraph and opens it. @param {number[]} inside @param {boolean} hasText */
  async openInSubgraph(inside, hasText) {
    await this.tab.evaluate(([ids, textOutside]) => {
      const { graph } = window.app;
      const { subgraph } = graph.convertToSubgraph(new Set(ids.map((id) => graph.getNodeById(id))));
      const encoder = subgraph.nodes.find(({ type }) => type === "CLIPTextEncode");
      const text = encoder.inputs.find(({ name }) => name === "text");
      // Newer pages have done this already; older ones show the box of the encoder outside.
      if (textOutside && text.link === null) subgraph.addInput("text", "STRING").connect(text, encoder);
    }, [inside, hasText]);
    await this.page.load(await this.page.saved());
    await this.tab.evaluate(() => {
      const { canvas, graph } = window.app;
      const node = graph.nodes.find((found) => found.isSubgraphNode());
      canvas.openSubgraph(node.subgraph, node);
    });
    await this.page.settle();
  }

  /** Right-clicks the sampler. Gives the entry of the command in the menu. */
  async openMenu() {
    return (await this.page.openMenu(SAMPLER)).getByText(LABEL, { exact: true });
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

  async undo() {
    await this.tab.keyboard.press("Control+z");
    await this.page.settle();
  }

  /** All of the workflow but how it is looked at. */
  async workflow() {
    const { nodes, links, groups, definitions } = await this.page.saved();
    return { nodes, links, groups, definitions };
  }

  /** The links of the graph that is open, by the titles of the nodes; but not those from the border to boxes. */
  async links() {
    const links = await this.tab.evaluate(() => {
      const { graph } = window.app.canvas;
      const end = (id, side, slot) => {
        const node = graph.getNodeById(id);
        return node ? `${node.title}.${node[side][slot].name}` : "border";
      };
      const isBox = ({ target_id, target_slot }) => graph.getNodeById(target_id)?.inputs[target_slot].widget;
      const shown = [...graph.links.values()].filter((link) => graph.getNodeById(link.origin_id) || !isBox(link));
      return shown.map(({ origin_id, origin_slot, target_id, target_slot }) =>
        [end(origin_id, "outputs", origin_slot), end(target_id, "inputs", target_slot)].join(" > "),
      );
    });
    return links.sort();
  }

  /** Types into the box of the prompts, outside of a subgraph; gives the text of before. */
  type(text) {
    return this.tab.evaluate((typed) => {
      const { canvas, graph } = window.app;
      const list = graph.nodes.find(({ type }) => type === "SagePromptList");
      const outer = graph.nodes.find((node) => node.isSubgraphNode()) ?? list;
      const box = outer.widgets.find(({ type }) => type === "customtext");
      const before = box.value;
      box.value = typed;
      canvas.setDirty(true, true);
      return before;
    }, text);
  }
}

/** Chooses the command, undoes it, does it again, and runs the workflow. */
export async function useShareHere(user, shot, problems) {
  for (const [name, wanted] of Object.entries(CASES)) {
    const check = (what, found, expected) => compare(problems, `${what} in ${name}`, found, expected);
    await user.open(wanted);
    const before = await user.workflow();
    await user.choose();
    await shot(name);
    check("links", await user.links(), wanted.links.sort());
    if (!wanted.inside.length) problems.push(...layoutProblems(await user.page.boxes()));
    await user.undo();
    check("after an undo", await user.workflow(), before);
    await user.choose();
    check("links of the second time", await user.links(), wanted.links);
    check("entries for a sampler that shares", await (await user.openMenu()).count(), 0);
    await user.closeMenu();
    check("the text", await user.type(PROMPTS), LINE);
    const { images } = await user.page.run(() => shot(`${name}, running`));
    check("pictures", images.length, PROMPTS.split("\n").length);
  }
}
