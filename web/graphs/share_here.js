/**
 * Puts Prompt List, Share Sampling and Split by Prompt around a sampler in the user's graph.
 *
 * @typedef {import("./encoder_text.js").EncoderText} EncoderText
 * @typedef {import("./links.js").GraphNode} GraphNode
 * @typedef {import("./sampler_parts.js").SamplerParts} SamplerParts
 */

import { findEncoder, findText, setText, showInstead, textOf } from "./encoder_text.js";
import { leadFrom, leadTo, linksFrom, linkTo, nodeBefore, upstream } from "./links.js";
import { addAfter, addBefore, addBeside } from "./make_room.js";
import { promptLine } from "./prompt_line.js";
import { ownGuider } from "./sampler_parts.js";
import { say } from "../panels/texts.js";

const INSTEAD = "Connect “prompt” of “{list}” to the text of “{encoder}”, in place of what it is connected to.";

/**
 * Shares the sampling of a sampler.
 *
 * @param {GraphNode} sampler
 * @param {SamplerParts} parts of the sampler
 * @param {(type: string) => GraphNode} create makes a node that is in no graph yet
 * @returns {{nodes: GraphNode[], missing: string}} the nodes, and what the user still has to do
 */
export function shareHere(sampler, parts, create) {
  const share = shareBefore(sampler, { ...parts, conditioned: ownGuider(sampler, parts) }, create("SageShare"));
  const used = parts.latents.filter((slot) => linksFrom(sampler, slot).length);
  const outputs = used.length ? used : parts.latents.slice(0, 1);
  const splits = outputs.map((slot) => splitAfter(sampler, slot, share, create("SageSplitByPrompt")));
  const positive = nodeBefore(share, share.findInputSlot("positive"));
  const old = upstream(positive).find(({ type }) => type === "SagePromptList");
  const { list, missing } = old ? { list: old, missing: "" } : listBefore(positive, share, create("SagePromptList"));
  list.connect("prompt", share, "prompts");
  return { nodes: [list, share, ...splits], missing };
}

/**
 * Puts Share Sampling before a sampler, and leads through it what prompts share.
 *
 * @param {GraphNode} sampler
 * @param {SamplerParts} parts
 * @param {GraphNode} share
 */
function shareBefore(sampler, { conditioned, model, positive, negative, latent }, share) {
  addBefore(share, conditioned);
  leadThrough(share, "model", "model", conditioned, model);
  leadThrough(share, "positive", "positive", conditioned, positive);
  if (negative >= 0) leadThrough(share, "negative", "negative", conditioned, negative);
  leadThrough(share, "latent_image", "latent", sampler, latent);
  leadSchedule(share, sampler);
  return share;
}

/**
 * Gives a schedule that looks at the sampler's latent the one that comes out of Share Sampling: there may be a latent
 * per prompt, and the sampler gets one schedule.
 *
 * @param {GraphNode} share
 * @param {GraphNode} sampler
 */
function leadSchedule(share, sampler) {
  const start = linkTo(share, share.findInputSlot("latent_image"));
  for (const node of upstream(sampler, ({ type }) => type === "SIGMAS").slice(1)) {
    for (const [slot, { type }] of node.inputs.entries()) {
      const isSame = type === "LATENT" && start && linkTo(node, slot)?.hasOrigin(start.origin_id, start.origin_slot);
      if (isSame) share.connect("latent", node, slot);
    }
  }
}

/**
 * Leads the link of an input through Share Sampling.
 *
 * @param {GraphNode} share
 * @param {string} input
 * @param {string} output
 * @param {GraphNode} node
 * @param {number} slot
 */
function leadThrough(share, input, output, node, slot) {
  const link = linkTo(node, slot);
  if (link) leadTo(link, share, input);
  share.connect(output, node, slot);
}

/**
 * Puts Split by Prompt after an output of a sampler: what comes then, a second sampler too, runs once per prompt. Its
 * own conditionings are lists in the same order, if they come from the same encoder.
 *
 * @param {GraphNode} sampler
 * @param {number} slot
 * @param {GraphNode} share
 * @param {GraphNode} split
 */
function splitAfter(sampler, slot, share, split) {
  addAfter(split, sampler);
  for (const link of linksFrom(sampler, slot)) leadFrom(link, split, "latent");
  sampler.connect(slot, split, "latent");
  share.connect("groups", split, "groups");
  return split;
}

/**
 * Puts Prompt List before the encoder of the conditioning that is shared. It takes over the encoder's text.
 *
 * @param {GraphNode | null} positive gives the conditioning
 * @param {GraphNode} share
 * @param {GraphNode} list
 */
function listBefore(positive, share, list) {
  const encoder = findEncoder(positive);
  addBeside(list, encoder ?? share);
  const text = encoder && findText(encoder);
  if (text) takeText(text, list);
  return { list, missing: text ? "" : missingLink(list.title, encoder?.title) };
}

/** What the user still has to connect. @param {string} list @param {string} [encoder] titles of the nodes */
function missingLink(list, encoder) {
  if (encoder === undefined) return say("Connect “prompt” of “{list}” to the text of your text encoder.", { list });
  return say(INSTEAD, { list, encoder });
}

/** Moves the text of an encoder to Prompt List. @param {EncoderText} text @param {GraphNode} list */
function takeText({ inputs, boxes, link }, list) {
  const prompts = { node: list, slot: list.findInputSlot("prompts") };
  const lines = boxes.map((box) => promptLine(textOf(box)));
  if (lines[0]) setText(prompts, lines[0]);
  if (link) leadTo(link, list, "prompts");
  for (const { node, slot } of inputs) list.connect("prompt", node, slot);
  // The text stays where it is typed. Other links have set boxes on the nodes around anew.
  if (link) boxes.forEach((box, index) => setText(box, lines[index]));
  else inputs.forEach((box) => showInstead(box, prompts));
}
