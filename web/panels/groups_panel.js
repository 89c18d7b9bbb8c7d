import { widgetOf } from "../graphs/links.js";
import { changedPrompts, hasLine, isEditOf, promptsOff, readPrompt, withEdited, withSwitched } from "../graphs/prompt_lines.js";
import { CardBar } from "./card_bar.js";
import { extendMethod } from "./comfy_nodes.js";
import { DebouncedRequest } from "./debounced_request.js";
import { Dendrogram } from "./dendrogram.js";
import { digits, element } from "./dom.js";
import { enableMoving } from "./drag_prompts.js";
import { PromptEditor } from "./edit_prompts.js";
import { marksOf, setMarks } from "./favourite_marks.js";
import { followMarks, formatMarks, renamedMarks, renamedTexts } from "./favourites.js";
import { isFolded, parseFolds, toggleFold } from "./folds.js";
import { foldOf, groupCards, offCard, promptCount, textsOf } from "./group_cards.js";
import { withNumbersOf } from "./group_numbers.js";
import {
  followEdits, formatPins, movePrompt, neighbourGroup, parsePins, renamedPins, unpinPrompt, workingPins,
} from "./pins.js";
import { samplersAfter, savingText } from "./saving_text.js";
import { shortTexts } from "./short_texts.js";
import { say, sayCount, sayList } from "./texts.js";

const FOLDS = "sage_folded"; // in the node's properties
const LINKED = "These prompts come from another node. Change them there.";
const NO_LINE = "This prompt has no line of its own: it comes from braces, a wildcard or a file. Change it there.";
/** What keeps the focus when the cards are drawn again. */
const FOCUSED = "li, .sage-heading";
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
 * @typedef {{too_many: number, made_of: Settings}} TooMany what is sent of a list that is too long
 * @typedef {Run | TooMany} LastRun
 */

/** Shows the groups of the node's last run, as they would be with the node's settings of now. */
export class GroupsPanel {
  /**
   * @param {import("./comfy_nodes.js").PageNode} node
   * @param {(body: Settings) => Promise<Grouping>} fetchGrouping asks the server for the groups under other settings
   * @param {(change: () => void) => void} undoable makes a change of the workflow that undo takes back in one step
   * @param {(texts: string[], back: () => void) => (() => void) | undefined} findPicture what shows the picture of a
   *     prompt, by its text now or that of the last run; the focus goes `back` afterwards
   */
  constructor(node, fetchGrouping, undoable, findPicture) {
    this.node = node;
    this.undoable = undoable;
    this.findPicture = findPicture;
    /** The list that the cards were drawn for. @type {string | undefined} */
    this.drawnFor = undefined;
    /** What the lines of the text box say since the run, and for which text that is. */
    this.edits = { text: "", changes: /** @type {import("../graphs/prompt_lines.js").Changes} */ (new Map()) };
    /** The threshold's own name, in the language of the page. */
    this.label = this.widget("threshold").label;
    /** The last run. @type {LastRun | null} */
    this.last = null;
    /** The same, unless it is too large to show. @type {Run | null} */
    this.run = null;
    /** @type {Grouping | null} */
    this.grouping = null;
    /** Settings that are shown while the user drags, before the widgets have them. @type {Settings} */
    this.preview = {};
    this.summary = element("span", "");
    this.reset = element("button", "");
    this.reset.onclick = () => this.setPins(new Map());
    this.all = element("button", "");
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
    this.bar = new CardBar(() => this.render(), () => this.foldAll());
    const header = element("div", "sage-summary", this.summary, this.all, this.reset);
    this.element = element(
      "div", "sage-panel", header, this.message, this.note, this.dendrogram.element, this.bar.element, this.cards,
    );
    this.request = new DebouncedRequest(
      fetchGrouping, (grouping) => this.showGrouping(grouping), (message) => this.showMessage(message),
    );
    enableMoving(this.cards, {
      move: (text, target) => this.move(text, target),
      step: (text, step) => this.move(text, neighbourGroup(this.prompts, this.groups, text, step)),
      unpin: (text) => this.unpin(text),
      groupOf: (number) => this.groups[number],
    });
    this.editor = new PromptEditor(this.cards, {
      whyFixed: (text) => this.whyFixed(text),
      edit: (text, typed) => this.edit(text, typed),
      isOff: (text) => this.off.includes(text),
      switchOff: (text, off) => this.setList(withSwitched(this.list, text, off)),
      findPicture: (text) => this.findPicture(this.namesOf(text), () => this.rowOf(text)?.focus()),
      showMessage: (message) => this.showMessage(message),
    });
    this.cards.addEventListener("click", ({ target }) => {
      const heading = target instanceof Element ? target.closest(".sage-heading") : null;
      if (heading instanceof HTMLElement) this.setFolds(toggleFold(this.folds, String(heading.dataset.fold)));
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

  /** With the texts that the prompts have now. */
  get pins() {
    return renamedPins(parsePins(String(this.widget("pinned").value)), this.changes);
  }

  /** The text with the prompts, one per line; none if it comes from another node. */
  get list() {
    return String(this.source("prompts")?.value ?? "");
  }

  /** The prompts that are switched off. */
  get off() {
    return promptsOff(this.list);
  }

  /** What the user has changed in the list since the run. */
  get changes() {
    const { list: text, run } = this;
    if (!run || !text) return new Map();
    if (this.edits.text !== text) this.edits = { text, changes: changedPrompts(String(run.made_of.prompts), text) };
    return this.edits.changes;
  }

  /** The prompts of the run, with the texts that they have now. */
  get prompts() {
    const { changes } = this;
    return this.run?.prompts.map((text) => changes.get(text) ?? text) ?? [];
  }

  /** A prompt's text now, and in the run. @param {string} text */
  namesOf(text) {
    return [text, ...[...this.changes].flatMap(([before, now]) => (now === text ? [before] : []))];
  }

  /** The groups, without the prompts that are switched off. */
  get shown() {
    const { grouping, run, changes } = this;
    if (!grouping || !run) return null;
    const isOn = (/** @type {number} */ index) => changes.get(run.prompts[index]) !== null;
    const groups = grouping.groups.map((group) => ({ ...group, members: group.members.filter(isOn) }));
    return { ...grouping, groups: groups.filter(({ members }) => members.length) };
  }

  /** The texts of each group, as they are shown now. */
  get groups() {
    const { prompts } = this;
    return this.shown?.groups.map((group) => textsOf(prompts, group)) ?? [];
  }

  get folds() {
    return parseFolds(this.node.properties[FOLDS], this.prompts.length);
  }

  /** @param {import("./folds.js").Folds} folds */
  setFolds(folds) {
    this.undoable(() => {
      this.node.properties[FOLDS] = JSON.stringify(folds);
    });
    this.render();
  }

  /** Folds all groups, or opens all if the button says so. */
  foldAll() {
    this.setFolds({ all: !this.allFolded, others: [] });
  }

  get allFolded() {
    const { all, others } = this.folds;
    return all && !others.length;
  }

  /** Whether there is a card with a prompt of the run. @param {string} text */
  has(text) {
    return Boolean(this.run?.prompts.includes(text));
  }

  /** Shows the card of a prompt of the run, and gives it the focus. @param {string} before its text in the run */
  reveal(before) {
    const text = this.changes.get(before) ?? before;
    const index = this.groups.findIndex((group) => group.includes(text));
    const group = this.shown?.groups[index];
    const fold = group ? foldOf(group, index) : "off";
    if (!this.bar.shows(text)) this.bar.clear();
    if (isFolded(this.folds, fold)) this.setFolds(toggleFold(this.folds, fold));
    this.rowOf(text)?.focus();
  }

  /** Why a prompt cannot be changed in its card; "" if it can. @param {string} text */
  whyFixed(text) {
    if (!this.source("prompts")) return say(LINKED);
    return this.off.includes(text) || hasLine(this.list, text, false) ? "" : say(NO_LINE);
  }

  /** Writes what the user typed for a prompt into its line. @param {string} text @param {string} typed */
  edit(text, typed) {
    const edited = readPrompt(typed) ?? text;
    if (edited === text) return this.render();
    const changes = new Map([[text, edited]]);
    const pinned = String(this.widget("pinned").value) && formatPins(renamedPins(this.pins, changes));
    const chosen = renamedTexts(String(this.widget("chosen").value), changes);
    this.setList(withEdited(this.list, text, typed), { pinned, chosen });
  }

  /** @param {string} list @param {Record<string, string>} [others] more widgets that change with it */
  setList(list, others = {}) {
    this.setWidgets({ prompts: list, ...others });
    this.render();
  }

  /** What has a setting: a widget of this node, or of the node around its subgraph; none for another node. @param {string} name */
  source(name) {
    return widgetOf(this.node, name);
  }

  /** The node's settings of now. A setting from another node has its value of the last run. @returns {Settings} */
  settings() {
    const value = (/** @type {string} */ name) =>
      (this.source(name) ?? { value: this.run?.settings[name] }).value;
    return { ...Object.fromEntries(SETTINGS.map((name) => [name, value(name)])), ...this.preview };
  }

  /** @param {LastRun} run */
  showRun(run) {
    this.request.cancel();
    this.error = "";
    this.last = run;
    if ("too_many" in run) {
      this.run = this.grouping = null;
      this.dendrogram.setTree(null);
      this.render();
      return this.showMessage(say(TOO_MANY, { count: run.too_many }));
    }
    this.followPrompts(this.run, run);
    this.run = run;
    this.edits.text = "";
    this.dendrogram.setTree(run.tree);
    this.showGrouping(run.grouping);
    const current = this.settings();
    if (SETTINGS.some((name) => current[name] !== run.settings[name])) this.requestGrouping();
  }

  /**
   * Pins and favourites go on to the prompts that the user has edited between two runs.
   *
   * @param {Run | null} before
   * @param {Run} run
   */
  followPrompts(before, run) {
    if (!before) return;
    const changes = changedPrompts(String(before.made_of.prompts), String(run.made_of.prompts));
    const pins = parsePins(String(this.widget("pinned").value));
    const followed = formatPins(followEdits(renamedPins(pins, changes), before.prompts, run.prompts));
    if (followed !== formatPins(pins)) this.setWidgets({ pinned: followed });
    const old = marksOf(this.node);
    const marks = followMarks(renamedMarks(old, changes), before.prompts, run.prompts);
    if (formatMarks(marks) !== formatMarks(old)) this.undoable(() => setMarks(this.node, marks));
  }

  /**
   * Shows a run of earlier, unless the panel has a newer one or the node's prompts are not those of the run.
   *
   * @param {LastRun} run
   * @param {boolean} edited whether some of the prompts may have been edited since
   */
  restoreRun(run, edited) {
    const prompts = String(run.made_of.prompts);
    const made = edited && isEditOf(prompts, this.list) ? { ...run.made_of, prompts: this.list } : run.made_of;
    if (!this.last && this.isMadeOf(made)) this.showRun(run);
  }

  /** Shows what the panel of the same node showed before its graph was made anew. @param {LastRun | undefined} run */
  showBefore(run) {
    if (!this.last && run) this.showRun(run);
  }

  /** Whether the node still has the prompts of a run. @param {Settings} inputs */
  isMadeOf(inputs) {
    return Object.entries(inputs).every(([name, value]) => (this.source(name) ?? { value }).value === value);
  }

  /** Says why the node failed, until its next run. @param {string} message */
  showError(message) {
    this.error = message;
    this.showMessage(message);
  }

  /** Asks the server for the groups under the settings of now. It knows the prompts by their texts in the run. */
  requestGrouping() {
    if (!this.run) return;
    const before = new Map([...this.changes].flatMap(([text, now]) => (now === null ? [] : [[now, text]])));
    const pinned = before.size ? { pinned: formatPins(renamedPins(this.pins, before)) } : {};
    this.request.schedule({ key: this.run.key, ...this.settings(), ...pinned });
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
    if (!this.groups.some((group) => group.includes(text))) return; // it is switched off
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
        const widget = this.source(name) ?? this.widget(name);
        widget.value = value;
        widget.callback?.(value);
      }
    });
    this.node.setDirtyCanvas(true, true); // without Nodes 2.0 the values are drawn on the canvas
  }

  /** Shows what also depends on other widgets and nodes. */
  renderSummary() {
    const { grouping, run } = this;
    const summary = run && grouping && summaryText(run.prompts, grouping, this.settings(), this.samplers());
    this.summary.textContent = summary ?? say(EMPTY);
    this.all.textContent = say("All prompts");
    this.all.title = say("Only your favourites are used. Press here to use all prompts again.");
    this.all.hidden = !this.widget("chosen").value;
    this.note.textContent = run && !this.isMadeOf(run.made_of) ? say(OLD) : "";
    const { threshold_mode: mode } = this.settings();
    const used = grouping && mode === "auto" ? digits(grouping.threshold) : undefined;
    const { label } = this;
    this.widget("threshold").label = used ? say("threshold (auto: {threshold})", { threshold: used }) : label;
  }

  /** The settings of the samplers that the groups go to. @returns {Settings[]} */
  samplers() {
    return samplersAfter(this.node).map((node) => {
      const names = (node.widgets ?? []).map(({ name }) => name);
      return Object.fromEntries(names.map((name) => [name, widgetOf(node, name)?.value]));
    });
  }

  /** Shows what has changed elsewhere; the cards only if the prompts have. */
  graphChanged() {
    this.renderSummary();
    if (this.drawnFor !== this.list && !this.editor.edited) this.renderCards();
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
    const locked = !this.source("threshold") || !this.source("threshold_mode");
    if (grouping) this.dendrogram.show(prompts, grouping, locked);
    if (!this.editor.edited) this.renderCards();
  }

  renderCards() {
    this.drawnFor = this.list;
    const { pins, prompts, shown, folds, off, bar } = this;
    const searching = bar.words.length > 0;
    const view = {
      off, searching,
      shows: (/** @type {string} */ text) => bar.shows(text),
      isFolded: (/** @type {string} */ group) => !searching && isFolded(folds, group),
    };
    const labels = shortTexts(this.run, prompts);
    const focused = [...this.cards.querySelectorAll(FOCUSED)].find((each) => each.matches(":focus-within"));
    const { prompt, fold } = focused instanceof HTMLElement ? focused.dataset : {};
    const { scrollTop } = this.cards;
    this.cards.replaceChildren(...(shown ? groupCards(prompts, labels, shown, pins, view) : offCard(view)));
    this.cards.scrollTop = scrollTop;
    if (prompt !== undefined) this.rowOf(prompt)?.focus();
    if (fold !== undefined) this.headingOf(fold)?.focus();
    const texts = [...new Set(this.groups.flat()), ...new Set(off)];
    bar.element.hidden = !texts.length;
    bar.render(texts.filter(view.shows).length, this.allFolded);
  }

  /** @param {string} text */
  rowOf(text) {
    return [...this.cards.querySelectorAll("li")].find((row) => row.dataset.prompt === text);
  }

  /** @param {string} fold @returns {HTMLElement | null} */
  headingOf(fold) {
    return this.cards.querySelector(`.sage-heading[data-fold="${fold}"]`);
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
