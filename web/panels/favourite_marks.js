import { upstream } from "../graphs/links.js";
import {
  editedInPlace, followMarks, formatMarks, isMarked, markedPrompts, parseMarks, renamedMarks, toggleMark,
} from "./favourites.js";

/** @typedef {import("./comfy_nodes.js").GraphNode} GraphNode @typedef {import("./pictures.js").Picture} Picture */

/** Nodes that can use some of their prompts only. */
export const LISTS = ["SageSemanticGroupPrompts", "SagePromptList"];
/** What carries prompts from node to node; a reroute takes everything. */
const CARRIERS = ["STRING", "SAGE_GROUPS", "SAGE_PREFIX", "*"];
/** Whether an input carries prompts. Only our nodes and reroutes, of any pack, pass texts on as they are. */
const carries = (/** @type {{type: unknown}} */ { type }, /** @type {GraphNode} */ node) =>
  CARRIERS.includes(String(type)) && (type !== "STRING" || /^Sage|reroute/i.test(String(node.type)));
const PROPERTY = "sage_favourites";
const CHOSEN = "chosen";

/** The marks that a node has. @param {GraphNode} node */
export const marksOf = (node) => parseMarks(node.properties[PROPERTY]);

/** @param {GraphNode} node @param {import("./favourites.js").Mark[]} marks */
export function setMarks(node, marks) {
  node.properties[PROPERTY] = formatMarks(marks);
}

/** What has the choice of a node with prompts. @param {GraphNode} node */
export const choiceOf = (node) => node.widgets?.find(({ name }) => name === CHOSEN);

/**
 * The favourites among the pictures of a sampler. The node that has its prompts keeps them, so that all samplers with
 * the same prompts show the same ones, and that node can use these prompts only.
 */
export class FavouriteMarks {
  /**
   * @param {GraphNode} node the sampler
   * @param {(change: () => void) => void} undoable makes a change of the workflow that undo takes back in one step
   */
  constructor(node, undoable) {
    this.node = node;
    this.undoable = undoable;
  }

  /** The node with the prompts; none if they come from elsewhere: a file, nodes that change texts, or around a subgraph. */
  get list() {
    const before = this.node.graph ? upstream(this.node, carries) : [];
    if (before.some(({ type }) => type === "SageAddPrompts")) return undefined;
    return before.find(({ type }) => LISTS.includes(type));
  }

  get home() {
    return this.list ?? this.node;
  }

  get marks() {
    return marksOf(this.home);
  }

  /** @param {Picture} picture */
  has({ prompt, variation }) {
    return prompt !== null && isMarked(this.marks, [prompt, variation]);
  }

  /** @param {Picture} picture */
  toggle({ prompt, variation }) {
    if (prompt === null) return;
    this.undoable(() => {
      setMarks(this.home, toggleMark(this.marks, [prompt, variation]));
      if (this.isOnly) this.writeChoice(markedPrompts(this.marks));
    });
  }

  /** The marks go on to the prompts that the user has edited between two runs. @param {string[]} before @param {string[]} now */
  follow(before, now) {
    const marks = followMarks(renamedMarks(this.marks, editedInPlace(before, now)), before, now);
    if (formatMarks(marks) !== formatMarks(this.marks)) this.undoable(() => setMarks(this.home, marks));
  }

  /** Whether only the favourites are used. */
  get isOnly() {
    return Boolean(this.widget?.value);
  }

  /** @param {boolean} only */
  setOnly(only) {
    this.undoable(() => this.writeChoice(only ? markedPrompts(this.marks) : []));
  }

  /** What has the choice; none if the prompts come from elsewhere. */
  get widget() {
    return this.list && choiceOf(this.list);
  }

  /** @param {string[]} texts none for all prompts */
  writeChoice(texts) {
    const { widget } = this;
    if (widget) widget.value = texts.length ? JSON.stringify(texts) : "";
  }
}
