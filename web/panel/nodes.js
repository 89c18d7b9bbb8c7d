/** What panels need of a node and of the page. */

const style = document.createElement("link");
style.rel = "stylesheet";
style.href = new URL("./panel.css", import.meta.url).href;
document.head.append(style);

/** Runs `after` whenever a method of a node has run. */
export function extend(node, name, after) {
  const before = node[name];
  node[name] = function (...args) {
    const result = before?.apply(this, args);
    after(...args);
    return result;
  };
}

/**
 * A node by the id it runs under: in a subgraph, after the ids of the nodes around it.
 *
 * @param {object} graph the workflow's own
 * @param {string} path
 */
export function nodeAt(graph, path) {
  return path.split(":").reduce(({ inside }, id) => {
    const node = inside?.getNodeById(id);
    return { node, inside: node?.subgraph };
  }, { inside: graph }).node;
}

/**
 * Puts an element under a node's widgets; it is no part of the workflow.
 *
 * @param {object} node
 * @param {string} name
 * @param {HTMLElement} element
 * @param {number} minHeight in canvas units
 */
export function addElement(node, name, element, minHeight) {
  const options = { serialize: false, hideOnZoom: false, getMinHeight: () => minHeight };
  node.addDOMWidget(name, `sage_${name}`, element, options).serialize = false;
  extend(node, "onConfigure", () => takePlace(node, element));
}

/** After an undo, Nodes 2.0 still shows the element of the node that was there before. */
function takePlace(node, element) {
  const shown = node.graph && document.querySelector(`[data-node-id="${node.id}"] .sage-panel`);
  if (shown && shown !== element) shown.replaceWith(element);
}
