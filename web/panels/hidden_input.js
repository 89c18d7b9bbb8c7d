/**
 * Takes an input of a node out of sight: others show its value and change it.
 *
 * @typedef {import("./comfy_nodes.js").GraphNode} GraphNode
 * @param {GraphNode} node
 * @param {NonNullable<GraphNode["widgets"]>[number] | undefined} widget none where the server does not know the input
 */
export function hideInput(node, widget) {
  if (!widget) return;
  widget.hidden = true;
  Object.assign(widget.options, { hidden: true }); // for Nodes 2.0; ComfyUI 0.3.75 does not have it
  const socket = node.findInputSlot(widget.name);
  if (socket >= 0) node.removeInput(socket);
}
