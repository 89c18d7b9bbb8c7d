/**
 * Links of the user's graph, also those from and to the border of a subgraph.
 *
 * @typedef {import("../panels/comfy_nodes.js").GraphNode} GraphNode
 * @typedef {NonNullable<GraphNode["graph"]>} AnyGraph the workflow's own graph, or a subgraph
 * @typedef {NonNullable<ReturnType<AnyGraph["getLink"]>>} Link
 */

/** A node that passes its one input on. */
const REROUTE = "Reroute";

/** The graph that a node is in. @param {GraphNode} node @returns {AnyGraph} */
export function graphOf({ graph }) {
  if (!graph) throw new Error("expected a node in a graph, got one in none.");
  return graph;
}

/** The link of an input. @param {GraphNode} node @param {number} slot @returns {Link | undefined} */
export const linkTo = (node, slot) => graphOf(node).getLink(node.inputs[slot].link);

/** The node before an input; none for the border of a subgraph. @param {GraphNode} node @param {number} slot */
export const nodeBefore = (node, slot) => graphOf(node).getNodeById(linkTo(node, slot)?.origin_id);

/**
 * The node that an input has its value from, behind all reroutes.
 *
 * @param {GraphNode} node
 * @param {number} slot
 * @returns {GraphNode | null}
 */
export function originOf(node, slot) {
  const before = nodeBefore(node, slot);
  return before?.type === REROUTE ? originOf(before, 0) : before;
}

/** The nodes that a subgraph is inside of. @param {AnyGraph} subgraph @returns {GraphNode[]} */
export function hosts({ rootGraph, id }) {
  const graphs = [rootGraph, ...rootGraph.subgraphs.values()];
  return graphs.flatMap(({ nodes }) => nodes).filter((node) => node.isSubgraphNode() && node.subgraph.id === id);
}

/**
 * The widget that a setting of a node has its value from: its own, or that of the node around its subgraph, if it is
 * one node. None if another node gives the value.
 *
 * @param {GraphNode} node
 * @param {string} name
 * @returns {NonNullable<GraphNode["widgets"]>[number] | undefined}
 */
export function widgetOf(node, name) {
  const slot = node.inputs?.findIndex(({ widget, link }) => widget?.name === name && link != null) ?? -1;
  if (slot < 0) return node.widgets?.find((widget) => widget.name === name);
  const link = node.graph && linkTo(node, slot);
  const around = link?.originIsIoNode ? hosts(graphOf(node)) : [];
  const outer = around.length === 1 && link ? around[0].inputs[link.origin_slot]?.widget : undefined;
  return outer && widgetOf(around[0], outer.name);
}

/** The links of an output. @param {GraphNode} node @param {number} slot */
export const linksFrom = (node, slot) =>
  (node.outputs[slot].links ?? []).flatMap((id) => graphOf(node).getLink(id) ?? []);

/**
 * The nodes that an output goes to, behind all reroutes.
 *
 * @param {GraphNode} node
 * @param {number} slot
 * @returns {GraphNode[]}
 */
export function targetsOf(node, slot) {
  const after = linksFrom(node, slot).flatMap(({ target_id }) => graphOf(node).getNodeById(target_id) ?? []);
  return after.flatMap((target) => (target.type === REROUTE ? targetsOf(target, 0) : target));
}

/**
 * A node and those before it, the nearest first.
 *
 * @param {GraphNode | null} node
 * @param {(input: {name: string, type: unknown}, node: GraphNode) => boolean} [follows] whether to go on from an input
 */
export function upstream(node, follows = () => true) {
  const found = new Set(node && [node]);
  for (const each of found) {
    for (const [slot, input] of each.inputs.entries()) {
      const before = follows(input, each) ? nodeBefore(each, slot) : null;
      if (before) found.add(before);
    }
  }
  return [...found];
}

/**
 * Leads the origin of a link to another input, too.
 *
 * @param {Link} link
 * @param {GraphNode} node
 * @param {string} input
 */
export function leadTo(link, node, input) {
  const graph = graphOf(node);
  const slot = node.findInputSlot(input);
  const origin = graph.getNodeById(link.origin_id);
  if (origin) origin.connect(link.origin_slot, node, slot, link.parentId);
  else if ("inputs" in graph) graph.inputs[link.origin_slot].connect(node.inputs[slot], node, link.parentId);
}

/**
 * Makes an output the origin of a link's target, in place of the link.
 *
 * @param {Link} link
 * @param {GraphNode} node
 * @param {string} output
 */
export function leadFrom(link, node, output) {
  const graph = graphOf(node);
  const slot = node.findOutputSlot(output);
  const target = graph.getNodeById(link.target_id);
  if (target) node.connect(slot, target, link.target_slot, link.parentId);
  else if ("outputs" in graph) graph.outputs[link.target_slot].connect(node.outputs[slot], node, link.parentId);
}
