// The panel of Semantic Group Prompts: its groups as cards, which follow the settings and can be changed by hand.

import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";
import { addElement, extend, nodeAt } from "./panel/nodes.js";
import { GroupsPanel } from "./panel/panel.js";

const NODE = "SageSemanticGroupPrompts";
/** @type {WeakMap<object, GroupsPanel>} */
const panels = new WeakMap();

const root = () => app.rootGraph ?? app.graph;

async function ask(question) {
  const answer = await api.fetchApi("/sage/regroup", { method: "POST", body: JSON.stringify(question) });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error);
  return told;
}

function commit(change) {
  app.canvas.emitBeforeChange();
  change();
  app.canvas.emitAfterChange();
}

function addPanel(node) {
  // The panel shows the pins and changes them: their JSON would only be in the way.
  const pinned = node.widgets.find(({ name }) => name === "pinned");
  pinned.hidden = pinned.options.hidden = true;
  const socket = node.findInputSlot("pinned");
  if (socket >= 0) node.removeInput(socket);

  const panel = new GroupsPanel(node, ask, commit);
  addElement(node, "groups_panel", panel.element, 250);
  panels.set(node, panel);
  extend(node, "onExecuted", (output) => show(node, output));
  extend(node, "onConfigure", () => panel.render());
  extend(node, "onRemoved", () => panel.latest.cancel());
}

function show(node, output) {
  const run = output?.sage_groups?.[0];
  if (run) panels.get(node)?.fill(run);
}

/** Fills what is still empty with what the server remembers of this workflow. */
async function recall() {
  const answer = await api.fetchApi(`/sage/groups?${new URLSearchParams({ workflow: root().id })}`);
  const told = answer.ok ? await answer.json() : [];
  for (const run of told) {
    if (run.workflow === root().id) panels.get(nodeAt(root(), run.node) ?? {})?.recall(run);
  }
}

/** A node by the name that outputs are kept under: its id, after its subgraph's where it is in one. */
function nodeOf(locator) {
  const [id, subgraph] = locator.split(":").reverse();
  return (subgraph ? root().subgraphs?.get(subgraph) : root())?.getNodeById(id);
}

app.registerExtension({
  name: "SAGE.GroupsPanel",
  nodeCreated(node) {
    if (node.comfyClass === NODE) addPanel(node);
  },
  afterConfigureGraph() {
    recall().catch(() => {}); // a page without its server says so itself
  },
  onNodeOutputsUpdated(outputs) {
    for (const [locator, output] of Object.entries(outputs)) {
      if (output?.sage_groups) show(nodeOf(locator), output);
    }
  },
});
