/**
 * What panels need of ComfyUI's page and of its nodes.
 *
 * @typedef {import("@comfyorg/comfyui-frontend-types").ComfyApp} ComfyApp
 * @typedef {ComfyApp["graph"]} Graph
 * @typedef {NonNullable<ReturnType<Graph["getNodeById"]>>} GraphNode
 * @typedef {import("@comfyorg/comfyui-frontend-types").DOMWidgetOptions<string>} ElementOptions
 */

/**
 * A node with the members that ComfyUI adds to it; the published types leave them out.
 *
 * @typedef {GraphNode & {
 *   addDOMWidget(name: string, type: string, element: HTMLElement, options: ElementOptions): {serialize?: boolean},
 * }} PageNode
 */

/** Adds the panels' stylesheet to the page, once. This is not done on import: ComfyUI imports every file in web/. */
export function addStylesheet() {
  const { href } = new URL("./panel.css", import.meta.url);
  if ([...document.querySelectorAll("link")].some((link) => link.href === href)) return;
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = href;
  document.head.append(link);
}

/** The workflow's own graph, also while a subgraph is open. @param {ComfyApp} app */
export const rootGraph = (app) => app.rootGraph ?? app.graph;

/**
 * Makes a change of the workflow that undo takes back in one step.
 *
 * @param {ComfyApp} app
 * @param {() => void | Promise<void>} change
 */
export async function undoable(app, change) {
  app.canvas.emitBeforeChange();
  try {
    await change();
  } finally {
    app.canvas.emitAfterChange();
  }
}

/**
 * A method that also calls a function afterwards, with the same arguments.
 *
 * @template {unknown[]} Args
 * @template Result
 * @param {((...args: Args) => Result) | undefined} method
 * @param {(...args: NoInfer<Args>) => void} after
 */
export function extendMethod(method, after) {
  /** @this {unknown} @param {Args} args */
  return function (...args) {
    const result = /** @type {Result} */ (method?.apply(this, args));
    after(...args);
    return result;
  };
}

/**
 * The node with an execution id: the ids of the subgraph nodes around it and its own, with colons between them.
 *
 * @param {Graph} graph the workflow's own
 * @param {string} path
 */
export function nodeByPath(graph, path) {
  const ids = path.split(":");
  let node = graph.getNodeById(ids[0]);
  for (const id of ids.slice(1)) node = node?.isSubgraphNode() ? node.subgraph.getNodeById(id) : null;
  return node;
}

/**
 * Adds a button below the widgets of a node; its text is its label.
 *
 * @param {GraphNode} node
 * @param {string} name
 * @param {() => void} press
 */
export function addButton(node, name, press) {
  const button = node.addWidget("button", name, "", press);
  Object.assign(button.options, { serialize: false }); // not in the prompt
  button.serialize = false; // not in the workflow
  return button;
}

/** Space that the canvas leaves above and below an element on a node. */
const MARGIN = 10;
/** What a new node has for each text box and panel, beside its least height: 8 lines of text can be read. */
const ROOM = 130;
const LEAST_WIDTH = 340;

/**
 * Puts a panel below the widgets of a node. It is not saved with the workflow.
 *
 * @param {PageNode} node
 * @param {string} name
 * @param {HTMLElement} element
 * @param {number} minHeight in canvas units, with the space around it
 */
export function addPanelElement(node, name, element, minHeight) {
  element.style.minHeight = `${minHeight - 2 * MARGIN}px`;
  const options = { serialize: false, hideOnZoom: false, getMinHeight: () => minHeight };
  node.addDOMWidget(name, `sage_${name}`, element, options).serialize = false;
  giveRoom(node);
  node.onConfigure = extendMethod(node.onConfigure, () => replaceOldElement(node, element));
}

/**
 * Makes a new node as large as its text boxes and its panel need. A loaded node takes its saved size after that.
 *
 * @param {GraphNode} node
 */
export function giveRoom(node) {
  const [width, height] = node.size;
  const growing = node.widgets?.filter(({ computeLayoutSize }) => computeLayoutSize).length ?? 0;
  node.setSize([Math.max(width, LEAST_WIDTH), Math.max(height, node.computeSize()[1] + growing * ROOM)]);
}

/**
 * After an undo, Nodes 2.0 still shows the panel of the node that was there before. This puts the new one in its place.
 *
 * @param {PageNode} node
 * @param {HTMLElement} element
 */
function replaceOldElement(node, element) {
  const shown = node.graph && document.querySelector(`[data-node-id="${node.id}"] .sage-panel`);
  if (shown && shown !== element) shown.replaceWith(element);
}
