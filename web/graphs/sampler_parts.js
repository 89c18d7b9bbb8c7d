/**
 * What Share Sampling has to know of a sampler in the user's graph, whatever its class.
 *
 * @typedef {import("./links.js").GraphNode} GraphNode
 * @typedef {{
 *   conditioned: GraphNode, model: number, positive: number, negative: number,
 *   latent: number, latents: number[],
 *   guider: number,
 * }} SamplerParts The node that has the model and the conditionings (the sampler itself, or its guider) and their
 *   inputs; the sampler's input and outputs for latents, and its input for a guider. Sockets are numbers, -1 for none.
 */

import { graphOf, leadTo, linkTo, originOf, upstream } from "./links.js";
import { addBelow } from "./make_room.js";

/** The numbers of the sockets of a type. @param {readonly {type: unknown}[]} sockets @param {string} type */
const ofType = (sockets, type) => sockets.flatMap((socket, slot) => (socket.type === type ? [slot] : []));

/** Whether an input is for a negative conditioning. @param {{name: string}} input */
export const isNegative = ({ name }) => name.startsWith("neg");

/**
 * The parts of a sampler before which Share Sampling can go. Null if the node is none, or comes after one.
 *
 * @param {GraphNode} node
 * @returns {SamplerParts | null}
 */
export function samplerParts(node) {
  const conditioned = guiderOf(node) ?? node;
  const negates = (/** @type {number} */ slot) => isNegative(conditioned.inputs[slot]);
  const conditionings = ofType(conditioned.inputs, "CONDITIONING");
  const [model = -1] = ofType(conditioned.inputs, "MODEL");
  const [latent = -1] = ofType(node.inputs, "LATENT");
  const [guider = -1] = ofType(node.inputs, "GUIDER");
  const latents = ofType(node.outputs, "LATENT");
  const [positive = -1] = conditionings.filter((slot) => !negates(slot));
  const [negative = -1] = conditionings.filter(negates);
  if (model < 0 || positive < 0 || latent < 0 || !latents.length) return null;
  if (upstream(node).some(({ type }) => type === "SageShare")) return null;
  return { conditioned, model, positive, negative, latent, latents, guider };
}

/** The guider of a sampler, if it has one. @param {GraphNode} sampler */
function guiderOf(sampler) {
  const [slot = -1] = ofType(sampler.inputs, "GUIDER");
  return slot < 0 ? null : originOf(sampler, slot);
}

/**
 * Gives a sampler a copy of its guider if others use the same: they are not to share with it.
 *
 * @param {GraphNode} sampler
 * @param {SamplerParts} parts
 * @returns {GraphNode} the node that now has the model and the conditionings
 */
export function ownGuider(sampler, { conditioned, guider }) {
  const graph = graphOf(sampler);
  const others = graph.nodes.filter((node) => node !== sampler && guiderOf(node) === conditioned);
  const copy = others.length ? conditioned.clone() : null;
  if (!copy) return conditioned;
  copy.id = -1; // that of a new node; newer pages leave a copy without one
  addBelow(copy, graph);
  for (const [slot, { name }] of conditioned.inputs.entries()) {
    const link = linkTo(conditioned, slot);
    if (link) leadTo(link, copy, name);
  }
  const [output] = ofType(copy.outputs, "GUIDER");
  copy.connect(output, sampler, guider);
  return copy;
}
