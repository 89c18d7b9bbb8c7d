import { MOST_RUNS } from "./queued_from.js";
import { setLatest } from "./set_latest.js";

/**
 * What stays of a node when undo makes its graph again. The workflow's own graph can get another id then; runs tell
 * workflows apart.
 *
 * @param {import("./comfy_nodes.js").GraphNode} node
 */
export const nodeKey = ({ graph, id }) => (graph && graph !== graph.rootGraph ? `${graph.id} ${id}` : String(id));

/**
 * What is known of nodes in each of their last runs. Nodes go by their `nodeKey`, runs by their prompt_id.
 *
 * @template Value
 */
export class NodeRuns {
  /** By node, then by run, the latest last. @type {Map<string, Map<string, Value>>} */
  #nodes = new Map();

  /** @param {string} node @param {string} run @param {Value} value */
  keep(node, run, value) {
    const runs = this.#nodes.get(node) ?? new Map();
    const last = [...runs.values()].at(-1);
    setLatest(runs, run, value === last ? last : value, MOST_RUNS); // equal texts take the memory of one
    this.#nodes.set(node, runs);
  }

  /** @param {string} node @param {string} run @returns {Value | undefined} */
  of(node, run) {
    return this.#nodes.get(node)?.get(run);
  }

  /**
   * What is known of a node in the latest of some runs.
   *
   * @param {string} node
   * @param {(run: string) => boolean} isOne
   * @returns {Value | undefined}
   */
  latest(node, isOne) {
    return [...(this.#nodes.get(node) ?? [])].findLast(([run]) => isOne(run))?.[1];
  }
}
