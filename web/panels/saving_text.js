/**
 * What sharing saves, in words; never another figure than that of the sampler.
 *
 * @typedef {import("./comfy_nodes.js").GraphNode} GraphNode
 * @typedef {import("./group_cards.js").Grouping} Grouping
 */

import { targetsOf } from "../graphs/links.js";
import { say } from "./texts.js";

const SAMPLERS = ["SageKSampler", "SageSharedKSamplerPrefix", "SageGuider"];

/** The SAGE samplers and guiders that a node's groups go to. @param {GraphNode} node */
export function samplersAfter(node) {
  const slot = node.outputs.findIndex(({ type }) => type === "SAGE_GROUPS");
  return slot < 0 || !node.graph ? [] : targetsOf(node, slot).filter(({ type }) => SAMPLERS.includes(type));
}

/**
 * @param {string[]} prompts
 * @param {Grouping} grouping
 * @param {Record<string, unknown>[]} samplers the settings of each sampler by name
 */
export function savingText(prompts, { groups, share, saved }, samplers) {
  if (!samplers.length) return say(WITHOUT_SAMPLER, { percent: percent(saved), share });
  const texts = new Set(samplers.map((settings) => predicted(prompts, groups.length, settings)));
  return texts.size === 1 ? [...texts][0] : say(MEASURED);
}

const WITHOUT_SAMPLER = "saves {percent}% at share {share} if correction is off";
const MEASURED = "what is saved is on the sampler's panel";
const OF_A_GUIDER = "what is saved depends on the sampler's steps";

/**
 * What a sampler saves; with other settings than these it is known after sampling only.
 *
 * @param {string[]} prompts
 * @param {number} groups
 * @param {Record<string, unknown>} settings
 */
function predicted(prompts, groups, settings) {
  if (!("steps" in settings)) return say(OF_A_GUIDER); // it has no panel either
  const { share, steps, share_mode, correction } = settings;
  const known = share_mode === "fixed" && correction === "off" && typeof share === "number" && typeof steps === "number";
  if (!known) return say(MEASURED);
  const shared = roundHalfEven(share * steps) / steps;
  const paid = shared * groups + (1 - shared) * new Set(prompts).size;
  return say("saves {percent}% at share {share}", { percent: percent(1 - paid / prompts.length), share });
}

/** @param {number} fraction */
const percent = (fraction) => (100 * fraction).toFixed(1);

/** As the server rounds. @param {number} number */
const roundHalfEven = (number) => (number % 1 === 0.5 ? 2 * Math.round(number / 2) : Math.round(number));
