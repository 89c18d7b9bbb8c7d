/**
 * What panels need of a node and of the page.
 *
 * @typedef {import("@comfyorg/comfyui-frontend-types").ComfyApp["graph"]} Graph
 * @typedef {NonNullable<ReturnType<Graph["getNodeById"]>>} GraphNode
 * @typedef {import("@comfyorg/comfyui-frontend-types").DOMWidgetOptions<string>} ElementOptions
 */

/**
 * A node with what the page adds to it; the published types do not have that.
 *
 * @typedef {GraphNode & {
 *   addDOMWidget(name: string, type: string, element: HTMLElement, options: ElementOptions): {serialize?: boolean},
 *   onExecuted?(output: object): void,
 * }} PageNode
 */

const style = document.createElement("link");
style.rel = "stylesheet";
style.href = new URL("./panel.css", import.meta.url).href;
document.head.append(style);

/**
 * A method that does something more afterwards.
 *
 * @template {unknown[]} Args
 * @template Result
 * @param {((...args: Args) => Result) | undefined} method
 * @param {(...args: Args) => void} after
 */
export function extended(method, after) {
  /** @this {unknown} @param {Args} args */
  return function (...args) {
    const result = /** @type {Result} */ (method?.apply(this, args));
    after(...args);
    return result;
  };
}

/**
 * A node by the id it runs under: in a subgraph, after the ids of the nodes around it.
 *
 * @param {Graph} graph the workflow's own
 * @param {string} path
 */
export function nodeAt(graph, path) {
  const ids = path.split(":");
  let node = graph.getNodeById(ids[0]);
  for (const id of ids.slice(1)) node = node?.isSubgraphNode() ? node.subgraph.getNodeById(id) : null;
  return node;
}

/**
 * Puts an element under a node's widgets; it is no part of the workflow.
 *
 * @param {PageNode} node
 * @param {string} name
 * @param {HTMLElement} element
 * @param {number} minHeight in canvas units
 */
export function addElement(node, name, element, minHeight) {
  const options = { serialize: false, hideOnZoom: false, getMinHeight: () => minHeight };
  node.addDOMWidget(name, `sage_${name}`, element, options).serialize = false;
  node.onConfigure = extended(node.onConfigure, () => takePlace(node, element));
}

/**
 * After an undo, Nodes 2.0 still shows the element of the node that was there before.
 *
 * @param {PageNode} node
 * @param {HTMLElement} element
 */
function takePlace(node, element) {
  const shown = node.graph && document.querySelector(`[data-node-id="${node.id}"] .sage-panel`);
  if (shown && shown !== element) shown.replaceWith(element);
}
