import { extendMethod } from "./comfy_nodes.js";
import { DebouncedRequest } from "./debounced_request.js";
import { Dendrogram } from "./dendrogram.js";
import { digits, element } from "./dom.js";
import { enableMoving } from "./drag_prompts.js";
import { marksOf, setMarks } from "./favourite_marks.js";
import { followMarks, formatMarks } from "./favourites.js";
import { groupCards, promptCount, textsOf } from "./group_cards.js";
import { withNumbersOf } from "./group_numbers.js";
import {
  followEdits, formatPins, movePrompt, neighbourGroup, parsePins, unpinPrompt, workingPins,
} from "./pins.js";
import { samplersAfter, savingText } from "./saving_text.js";
import { say, sayCount, sayList } from "./texts.js";

const SETTINGS = ["threshold_mode", "threshold", "max_group_size", "pinned"];
const OLD = "The prompts have changed since this run. Run again to see their groups.";
const EMPTY = "Run the workflow to see the groups of your prompts here.";
const TOO_MANY = "{count} prompts: too many to show here. The report has all of them.";
const RESET = "Remove all pins. Every prompt goes back to the group that the threshold gives it.";
const LOST = "A lost pin does nothing: its prompt is no longer in the list.";

/**
 * The payload of a run, see panel_payload in sage_core/panels/groups.py.
 *
 * @typedef {import("./group_cards.js").Grouping} Grouping
 * @typedef {import("./dendrogram_layout.js").Tree} Tree
 * @typedef {Record<string, unknown>} Settings by the names of the node's widgets
 * @typedef {{
 *   key: string, prompts: string[], labels?: string[], settings: Settings, grouping: Grouping, tree: Tree | null,
 *   made_of: Settings,
 * }} Run `made_of` has the inputs that decide the prompts
 */

/** Shows the groups of the node's last run, as they would be with the node's settings of now. */
export class GroupsPanel {
  /**
   * @param {import("./comfy_nodes.js").PageNode} node
   * @param {(body: Settings) => Promise<Grouping>} fetchGrouping asks the server for the groups under other settings
   * @param {(change: () => void) => void} undoable makes a change of the workflow that undo takes back in one step
   */
  constructor(node, fetchGrouping, undoable) {
    this.node = node;
    this.undoable = undoable;
    /** The threshold's own name, in the language of the page. */
    this.label = this.widget("threshold").label;
    /** @type {Run | null} */
    this.run = null;
    /** @type {Grouping | null} */
    this.grouping = null;
    /** Settings that are shown while the user drags, before the widgets have them. @type {Settings} */
    this.preview = {};
    this.summary = element("span", "");
    this.reset = element("button", "");
    this.reset.onclick = () => this.setPins(new Map());
    this.all = element("button", "", say("All prompts"));
    this.all.title = say("Only your favourites are used. Press here to use all prompts again.");
    this.all.onclick = () => this.setWidgets({ chosen: "" });
    this.message = element("div", "sage-message");
    this.message.setAttribute("role", "status");
    this.error = "";
    this.note = element("div", "sage-note");
    this.dendrogram = new Dendrogram(
      (threshold) => this.previewThreshold(threshold), (threshold) => this.setThreshold(threshold),
    );
    this.cards = element("div", "sage-cards");
    this.cards.tabIndex = -1; // a click focuses it, and then the mouse wheel scrolls it
    this.cards.dataset.captureWheel = "true";
    const header = element("div", "sage-summary", this.summary, this.all, this.reset);
    this.element = element("div", "sage-panel", header, this.message, this.note, this.dendrogram.element, this.cards);
    this.request = new DebouncedRequest(
      fetchGrouping, (grouping) => this.showGrouping(grouping), (message) => this.showMessage(message),
    );
    enableMoving(this.cards, {
      move: (text, target) => this.move(text, target),
      step: (text, step) => this.move(text, neighbourGroup(this.prompts, this.groups, text, step)),
      unpin: (text) => this.unpin(text),
      groupOf: (number) => this.groups[number],
    });
    for (const name of SETTINGS) {
      const widget = this.widget(name);
      widget.callback = extendMethod(widget.callback?.bind(widget), () => this.requestGrouping());
    }
    // More digits than the widget has by itself; its arrows still change it by 0.01.
    Object.assign(this.widget("threshold").options, { precision: 4, round: 1e-4 });
    this.render();
  }

  /** @param {string} name */
  widget(name) {
    const found = this.node.widgets?.find((widget) => widget.name === name);
    if (!found) throw new Error(`${name}: expected a widget of this name on ${this.node.title}.`);
    return found;
  }

  get pins() {
    return parsePins(String(this.widget("pinned").value));
  }

  get prompts() {
    return this.run?.prompts ?? [];
  }

  /** The texts of each group, as they are shown now. */
  get groups() {
    return this.grouping?.groups.map((group) => textsOf(this.prompts, group)) ?? [];
  }

  /** Whether a setting comes from another node. @param {string} name */
  isLinked(name) {
    return Boolean(this.node.inputs?.some(({ widget, link }) => widget?.name === name && link != null));
  }

  /** The node's settings of now. A setting from another node has its value of the last run. @returns {Settings} */
  settings() {
    const value = (/** @type {string} */ name) =>
      this.isLinked(name) ? this.run?.settings[name] : this.widget(name).value;
    return { ...Object.fromEntries(SETTINGS.map((name) => [name, value(name)])), ...this.preview };
  }

  /** @param {Run | {too_many: number}} run */
  showRun(run) {
    this.request.cancel();
    this.error = "";
    if ("too_many" in run) {
      this.run = this.grouping = null;
      this.dendrogram.setTree(null);
      this.render();
      return this.showMessage(say(TOO_MANY, { count: run.too_many }));
    }
    const before = this.prompts;
    this.run = run;
    this.dendrogram.setTree(run.tree);
    this.showGrouping(run.grouping);
    const followed = formatPins(followEdits(this.pins, before, run.prompts));
    if (followed !== formatPins(this.pins)) this.setWidgets({ pinned: followed });
    const marks = followMarks(marksOf(this.node), before, run.prompts);
    if (formatMarks(marks) !== formatMarks(marksOf(this.node))) this.undoable(() => setMarks(this.node, marks));
    const current = this.settings();
    if (SETTINGS.some((name) => current[name] !== run.settings[name])) this.requestGrouping();
  }

  /**
   * Shows a run of earlier, unless the panel has a newer one or the node's prompts are not those of the run.
   *
   * @param {Run} run
   */
  restoreRun(run) {
    if (!this.run && this.isMadeOf(run.made_of)) this.showRun(run);
  }

  /** Whether the node still has the prompts of a run. @param {Settings} inputs */
  isMadeOf(inputs) {
    return Object.entries(inputs).every(([name, value]) => this.isLinked(name) || this.widget(name).value === value);
  }

  /** Says why the node failed, until its next run. @param {string} message */
  showError(message) {
    this.error = message;
    this.showMessage(message);
  }

  /** Asks the server for the groups under the settings of now. */
  requestGrouping() {
    if (this.run) this.request.schedule({ key: this.run.key, ...this.settings() });
  }

  /** @param {Grouping} grouping */
  showGrouping(grouping) {
    this.grouping = this.run && withNumbersOf(grouping, this.run.grouping.groups);
    this.render();
  }

  /** @param {string} message */
  showMessage(message) {
    this.message.textContent = message;
  }

  /** Shows the groups at a threshold; null goes back to the node's own. @param {number | null} threshold */
  previewThreshold(threshold) {
    this.preview = threshold === null ? {} : { threshold_mode: "fixed", threshold };
    this.requestGrouping();
  }

  /** @param {number} threshold */
  setThreshold(threshold) {
    this.preview = {};
    this.setWidgets({ threshold_mode: "fixed", threshold });
  }

  /** @param {string} text @param {string[] | null} target */
  move(text, target) {
    this.setPins(movePrompt(this.pins, this.groups, text, target));
  }

  /** @param {string} text */
  unpin(text) {
    const { pins } = this;
    if (pins.has(text)) this.setPins(unpinPrompt(pins, this.groups, text));
  }

  /** @param {import("./pins.js").Pins} pins */
  setPins(pins) {
    this.setWidgets({ pinned: formatPins(pins) });
    this.render();
  }

  /** Changes widgets; undo takes all of it back in one step. @param {Record<string, string | number>} values */
  setWidgets(values) {
    this.undoable(() => {
      for (const [name, value] of Object.entries(values)) {
        const widget = this.widget(name);
        widget.value = value;
        widget.callback?.(value);
      }
    });
    this.node.setDirtyCanvas(true, true); // without Nodes 2.0 the values are drawn on the canvas
  }

  /** Shows what also depends on other widgets and nodes. */
  renderSummary() {
    const { prompts, grouping, run } = this;
    this.summary.textContent = grouping ? summaryText(prompts, grouping, this.settings(), this.samplers()) : say(EMPTY);
    this.all.hidden = !this.widget("chosen").value;
    this.note.textContent = run && !this.isMadeOf(run.made_of) ? say(OLD) : "";
    const { threshold_mode: mode } = this.settings();
    const used = grouping && mode === "auto" ? digits(grouping.threshold) : undefined;
    const { label } = this;
    this.widget("threshold").label = used ? say("threshold (auto: {threshold})", { threshold: used }) : label;
  }

  /** The settings of the samplers that the groups go to. @returns {Settings[]} */
  samplers() {
    return samplersAfter(this.node).map(({ inputs, widgets = [] }) => {
      const linked = inputs.flatMap(({ widget, link }) => (widget && link != null ? [widget.name] : []));
      const own = widgets.filter(({ name }) => !linked.includes(name));
      return Object.fromEntries(own.map(({ name, value }) => [name, value]));
    });
  }

  render() {
    const { pins, prompts, grouping } = this;
    const working = grouping ? workingPins(pins, prompts).size : pins.size;
    const lost = pins.size - working;
    this.showMessage(this.error);
    this.reset.hidden = !this.widget("pinned").value; // not `pins`: a damaged text can be reset too
    const pinned = sayCount(working, "Reset 1 pin", "Reset {count} pins");
    this.reset.textContent = lost ? `${pinned} ${say("({count} lost)", { count: lost })}` : pinned;
    this.reset.title = lost ? `${say(RESET)} ${say(LOST)}` : say(RESET);
    this.renderSummary();
    const locked = this.isLinked("threshold") || this.isLinked("threshold_mode");
    if (grouping) this.dendrogram.show(prompts, grouping, locked);
    const rows = [...this.cards.querySelectorAll("li")];
    const focused = rows.find((row) => row.matches(":focus-within"))?.dataset.prompt;
    const { scrollTop } = this.cards;
    this.cards.replaceChildren(...(grouping ? groupCards(prompts, this.run?.labels ?? prompts, grouping, pins) : []));
    this.cards.scrollTop = scrollTop;
    if (focused !== undefined) this.rowOf(focused)?.focus();
  }

  /** @param {string} text */
  rowOf(text) {
    return [...this.cards.querySelectorAll("li")].find((row) => row.dataset.prompt === text);
  }
}

/**
 * @param {string[]} prompts
 * @param {Grouping} grouping
 * @param {Settings} settings
 * @param {Settings[]} samplers
 */
function summaryText(prompts, grouping, { threshold_mode }, samplers) {
  const groups = sayCount(grouping.groups.length, "1 group", "{count} groups");
  const sizes = say("{prompts} in {groups}", { prompts: promptCount(prompts.length), groups });
  const how = say("threshold {threshold} ({mode})", {
    threshold: digits(grouping.threshold), mode: String(threshold_mode),
  });
  return sayList([sizes, how, savingText(prompts, grouping, samplers)]);
}
