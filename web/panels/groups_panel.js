import { DebouncedRequest } from "./debounced_request.js";
import { Dendrogram } from "./dendrogram.js";
import { count, digits, element } from "./dom.js";
import { moving } from "./drag_prompts.js";
import { cardsOf, textsOf } from "./group_cards.js";
import { formatPins, movePrompt, neighbourGroup, parsePins, unpinPrompt } from "./pins.js";

const SETTINGS = ["threshold_mode", "threshold", "max_group_size", "pinned"];
const EMPTY = "Run the workflow to see the groups of your prompts here.";

/**
 * What a run tells, see `panel` in sage_core/regrouping.py.
 *
 * @typedef {import("./group_cards.js").Grouping} Grouping
 * @typedef {import("./dendrogram_layout.js").Tree} Tree
 * @typedef {Record<string, unknown>} Settings by the names of the node's widgets
 * @typedef {{key: string, prompts: string[], settings: Settings, grouping: Grouping, tree: Tree | null}} Run
 */

/** The groups of a node's last run, and what the node's settings would make of them now. */
export class GroupsPanel {
  /**
   * @param {import("./comfy_nodes.js").PageNode} node
   * @param {(question: Settings) => Promise<Grouping>} ask the server
   * @param {(change: () => void) => void} commit does a change that can be undone and makes the workflow a changed one
   */
  constructor(node, ask, commit) {
    this.node = node;
    this.commit = commit;
    /** @type {Run | null} */
    this.run = null;
    /** @type {Grouping | null} */
    this.grouping = null;
    /** Settings that are tried out while a person drags. @type {Settings} */
    this.trial = {};
    this.summary = element("span", "");
    this.reset = element("button", "", "Reset");
    this.reset.onclick = () => this.pin(new Map());
    this.message = element("div", "sage-message");
    this.message.setAttribute("role", "status");
    this.tree = new Dendrogram((threshold) => this.tryOut(threshold), (threshold) => this.choose(threshold));
    this.cards = element("div", "sage-cards");
    this.cards.tabIndex = -1; // a click gives it the focus, and with it the wheel
    this.cards.dataset.captureWheel = "true";
    const header = element("div", "sage-summary", this.summary, this.reset);
    this.element = element("div", "sage-panel", header, this.message, this.tree.element, this.cards);
    this.request = new DebouncedRequest(ask, (grouping) => this.show(grouping), (message) => this.say(message));
    moving(this.cards, {
      move: (text, target) => this.move(text, target),
      step: (text, step) => this.move(text, neighbourGroup(this.prompts, this.groups, text, step)),
      unpin: (text) => this.unpin(text),
      groupOf: (number) => this.groups[number],
    });
    for (const name of SETTINGS) this.watch(this.widget(name));
    Object.assign(this.widget("threshold").options, { precision: 4, round: 1e-4 }); // its arrows still go by 0.01
    this.render();
  }

  /** @param {string} name */
  widget(name) {
    const found = this.node.widgets?.find((widget) => widget.name === name);
    if (!found) throw new Error(`${name}: expected a widget of this name on ${this.node.title}.`);
    return found;
  }

  /** Hears of a widget's changes, in both renderers. @param {ReturnType<GroupsPanel["widget"]>} widget */
  watch(widget) {
    const before = widget.callback;
    widget.callback = (...args) => {
      const result = before?.apply(widget, args);
      this.changed();
      return result;
    };
  }

  get pins() {
    return parsePins(String(this.widget("pinned").value));
  }

  get prompts() {
    return this.run?.prompts ?? [];
  }

  /** The texts of each group, as they are shown. */
  get groups() {
    return this.grouping?.groups.map((group) => textsOf(this.prompts, group)) ?? [];
  }

  /** Whether another node decides a setting. @param {string} name */
  linked(name) {
    return Boolean(this.node.inputs?.some(({ widget, link }) => widget?.name === name && link != null));
  }

  /** The node's settings; of what another node decides, its last value. @returns {Settings} */
  settings() {
    const value = (/** @type {string} */ name) =>
      this.linked(name) ? this.run?.settings[name] : this.widget(name).value;
    return { ...Object.fromEntries(SETTINGS.map((name) => [name, value(name)])), ...this.trial };
  }

  /** Takes what a run told. @param {Run | {too_many: number}} run */
  fill(run) {
    this.request.cancel();
    if ("too_many" in run) {
      this.run = this.grouping = null;
      this.tree.fill(null);
      this.render();
      return this.say(`${count(run.too_many, "prompt")}: too many to show here. The report has all of them.`);
    }
    this.run = run;
    this.tree.fill(run.tree);
    this.show(run.grouping);
    const now = this.settings();
    if (SETTINGS.some((name) => now[name] !== run.settings[name])) this.changed();
  }

  /**
   * Takes what an earlier run told, unless there is newer news, or the node has other prompts by now.
   *
   * @param {Run & {made_of: Settings}} run
   */
  recall({ made_of, ...run }) {
    const made = Object.entries(made_of);
    const same = made.every(([name, value]) => this.linked(name) || this.widget(name).value === value);
    if (!this.run && same) this.fill(run);
  }

  /** Asks for the groups under other settings. */
  changed() {
    if (this.run) this.request.schedule({ key: this.run.key, ...this.settings() });
  }

  /** @param {Grouping} grouping */
  show(grouping) {
    this.grouping = grouping;
    this.render();
  }

  /** @param {string} message */
  say(message) {
    this.message.textContent = message;
  }

  /** @param {number | null} threshold */
  tryOut(threshold) {
    this.trial = threshold === null ? {} : { threshold_mode: "fixed", threshold };
    this.changed();
  }

  /** @param {number} threshold */
  choose(threshold) {
    this.trial = {};
    this.set({ threshold_mode: "fixed", threshold });
  }

  /** @param {string} text @param {string[] | null} target */
  move(text, target) {
    this.pin(movePrompt(this.pins, this.groups, text, target));
  }

  /** @param {string} text */
  unpin(text) {
    const { pins } = this;
    if (pins.has(text)) this.pin(unpinPrompt(pins, this.groups, text));
  }

  /** @param {import("./pins.js").Pins} pins */
  pin(pins) {
    this.set({ pinned: formatPins(pins) });
    this.render();
  }

  /** Changes widgets, as one change to undo. @param {Record<string, string | number>} values */
  set(values) {
    this.commit(() => {
      for (const [name, value] of Object.entries(values)) {
        const widget = this.widget(name);
        widget.value = value;
        widget.callback?.(value);
      }
    });
    this.node.setDirtyCanvas(true, true); // the classic canvas shows the values
  }

  render() {
    const { pins, prompts, grouping } = this;
    this.say("");
    this.reset.hidden = !this.widget("pinned").value; // damaged text can be reset too
    this.reset.textContent = `Reset ${count(pins.size, "pin")}`;
    this.reset.title = "Put all prompts back into the groups that the threshold gives.";
    this.summary.textContent = grouping ? summary(prompts, grouping, this.settings()) : EMPTY;
    if (grouping) this.tree.show(prompts, grouping, this.linked("threshold") || this.linked("threshold_mode"));
    const rows = [...this.cards.querySelectorAll("li")];
    const focused = rows.find((row) => row.matches(":focus-within"))?.dataset.prompt;
    const { scrollTop } = this.cards;
    this.cards.replaceChildren(...(grouping ? cardsOf(prompts, grouping, pins) : []));
    this.cards.scrollTop = scrollTop;
    if (focused !== undefined) this.row(focused)?.focus();
  }

  /** @param {string} text */
  row(text) {
    return [...this.cards.querySelectorAll("li")].find((row) => row.dataset.prompt === text);
  }
}

/** @param {string[]} prompts @param {Grouping} grouping @param {Settings} settings */
function summary(prompts, { groups, threshold, share, saved }, { threshold_mode }) {
  const how = `threshold ${digits(threshold)} (${threshold_mode})`;
  const cost = `saves ${(100 * saved).toFixed(1)}% at share ${share}`;
  return `${count(prompts.length, "prompt")} in ${count(groups.length, "group")}, ${how}, ${cost}`;
}
