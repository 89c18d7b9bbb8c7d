// Graphs as the page has them, as far as it takes to change their links and places.

const CONDITIONINGS = "positive CONDITIONING, negative CONDITIONING";
/** Inputs and outputs by class. A text box is a BOX. */
const CLASSES = {
  Load: ["", "model MODEL, clip CLIP, vae VAE"],
  Encode: ["clip CLIP, text BOX", "conditioning CONDITIONING"],
  EncodeTwo: ["clip CLIP, clip_l BOX, t5xxl BOX", "conditioning CONDITIONING"],
  Guidance: ["conditioning CONDITIONING", "conditioning CONDITIONING"],
  Control: [CONDITIONINGS, CONDITIONINGS],
  BoxApply: ["conditioning_to CONDITIONING, clip CLIP, text BOX", "conditioning CONDITIONING"],
  Text: ["", "text STRING"],
  Concatenate: ["string_a STRING, string_b STRING", "text STRING"],
  Latent: ["", "latent LATENT"],
  KSampler: [`model MODEL, ${CONDITIONINGS}, latent_image LATENT`, "latent LATENT"],
  BasicGuider: ["model MODEL, conditioning CONDITIONING", "guider GUIDER"],
  DualCFGGuider: ["model MODEL, cond1 CONDITIONING, cond2 CONDITIONING, negative CONDITIONING", "guider GUIDER"],
  Scheduler: ["model MODEL, latent LATENT", "sigmas SIGMAS"],
  SamplerCustomAdvanced: ["guider GUIDER, sigmas SIGMAS, latent_image LATENT", "output LATENT, denoised_output LATENT"],
  Reroute: ["in *", "out *"],
  Decode: ["samples LATENT, vae VAE", "image IMAGE"],
  SageKSampler: ["model MODEL, groups SAGE_GROUPS, negative CONDITIONING, latent_image LATENT", "latent LATENT"],
  SageSemanticGroupPrompts: ["clip CLIP, prompts BOX, chosen BOX", "groups SAGE_GROUPS"],
  SageSharedKSamplerPrefix: ["model MODEL, groups SAGE_GROUPS", "prefix SAGE_PREFIX"],
  SageAddPrompts: ["prefix SAGE_PREFIX, clip CLIP, prompts BOX", "prefix SAGE_PREFIX"],
  SageBranchSave: ["model MODEL, prefix SAGE_PREFIX", "report STRING"],
  SagePromptList: ["prompts BOX, negative BOX, chosen BOX", "prompt STRING, negative STRING, name STRING"],
  SageShare: [
    `model MODEL, ${CONDITIONINGS}, latent_image LATENT, prompts STRING, groups SAGE_GROUPS`,
    `model MODEL, ${CONDITIONINGS}, latent LATENT, groups SAGE_GROUPS, report STRING`,
  ],
  SageSplitByPrompt: [
    "groups SAGE_GROUPS, latent LATENT, images IMAGE", `latent LATENT, images IMAGE, prompt STRING, ${CONDITIONINGS}`,
  ],
};

const sockets = (text) => (text ? text.split(", ").map((socket) => socket.split(" ")) : []);

class Node {
  graph = null;
  properties = {};
  pos = [0, 0];
  size = [200, 100];

  constructor(type, [inputs, outputs] = CLASSES[type].map(sockets)) {
    this.type = this.title = type;
    this.inputs = inputs.map(([name, kind]) => ({ name, type: kind === "BOX" ? "STRING" : kind, link: null }));
    this.outputs = outputs.map(([name, kind]) => ({ name, type: kind, links: [] }));
    const boxes = inputs.filter(([, kind]) => kind === "BOX");
    this.widgets = boxes.map(([name]) => ({ name, type: "customtext", value: "" }));
  }

  isSubgraphNode = () => "subgraph" in this;
  findInputSlot = (wanted) => this.inputs.findIndex(({ name }) => name === wanted);
  findOutputSlot = (wanted) => this.outputs.findIndex(({ name }) => name === wanted);
  getWidgetFromSlot = ({ name }) => this.widgets.find((widget) => widget.name === name);
  clone = () => new Node(this.type);
  box = (name) => this.widgets.find((widget) => widget.name === name);

  connect(from, node, to) {
    const origin = typeof from === "string" ? this.findOutputSlot(from) : from;
    const target = typeof to === "string" ? node.findInputSlot(to) : to;
    this.outputs[origin].links.push(this.graph.addLink(this.id, origin, node.id, target).id);
  }
}

/** Numbers that the page gives the border of a subgraph. */
const [IN, OUT] = [-10, -20];

export class Graph {
  nodes = [];
  groups = [];
  reroutes = new Map();
  subgraphs = new Map();
  links = new Map();
  rootGraph = this;
  id = "root";

  getLink = (id) => this.links.get(id);
  getNodeById = (id) => this.nodes.find((node) => String(node.id) === String(id)) ?? null;
  add = (node) => this.nodes.push(Object.assign(node, { graph: this, id: this.nodes.length + 1 }));

  addLink(origin_id, origin_slot, target_id, target_slot) {
    const input = this.getNodeById(target_id)?.inputs[target_slot] ?? this.outputs[target_slot];
    const old = this.links.get(input.link);
    if (old) {
      const origin = this.getNodeById(old.origin_id)?.outputs[old.origin_slot];
      if (origin) origin.links = origin.links.filter((id) => id !== old.id);
      this.links.delete(old.id);
    }
    const link = { id: Graph.next++, origin_id, origin_slot, target_id, target_slot };
    link.originIsIoNode = origin_id === IN;
    link.hasOrigin = (id, slot) => id === origin_id && slot === origin_slot;
    this.links.set(link.id, link);
    input.link = link.id;
    return link;
  }

  static next = 1;

  /** Nodes by name, each of a class. The names are their titles. */
  addAll(classes) {
    for (const [title, type] of Object.entries(classes)) {
      const node = Object.assign(new Node(type), { title, pos: [300 * this.nodes.length, 0] });
      this.add(node);
      this[title] = node;
    }
    return this;
  }

  /** Links as "node.output > node.input". */
  linkAll(...links) {
    for (const link of links) {
      const [[from, output], [to, input]] = link.split(" > ").map((end) => end.split("."));
      this[from].connect(output, this[to], input);
    }
    return this;
  }

  /** Makes this a subgraph with an input or output on its border. */
  addBorder(inputs, outputs) {
    const place = { pos: [-1000, 0], size: [100, 100] };
    this.inputs = inputs.map((name, slot) => ({
      name, connect: (input, node) => this.addLink(IN, slot, node.id, node.inputs.indexOf(input)),
    }));
    this.outputs = outputs.map((name, slot) => ({
      name, link: null,
      connect: (output, node) =>
        output.links.push(this.addLink(node.id, node.outputs.indexOf(output), OUT, slot).id),
    }));
    this.inputNode = place;
    this.outputNode = { ...place, pos: [9000, 0], move: (x) => (this.outputNode.pos = [9000 + x, 0]) };
    return this;
  }

  /** All links as `linkAll` takes them, sorted. */
  describe() {
    const end = (id, slot, side, border) => {
      const node = this.getNodeById(id);
      return node ? `${node.title}.${node[side][slot].name}` : `border.${this[border][slot].name}`;
    };
    const links = [...this.links.values()].map(({ origin_id, origin_slot, target_id, target_slot }) => [
      end(origin_id, origin_slot, "outputs", "inputs"), end(target_id, target_slot, "inputs", "outputs"),
    ]);
    return links.map((ends) => ends.join(" > ")).sort();
  }
}

export const createNode = (type) => new Node(type);
