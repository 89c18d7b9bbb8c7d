import { consume, hasModifier } from "./dom.js";

/** @type {Record<string, 1 | -1>} */
const MOVE_KEYS = { ArrowLeft: -1, ArrowRight: 1 };
/** @type {Record<string, 1 | -1>} */
const FOCUS_KEYS = { ArrowUp: -1, ArrowDown: 1 };
const UNPIN_KEYS = ["Delete", "Backspace"];
/** Cards that prompts can be dropped on. */
const CARD = ".sage-card[data-group]";

/**
 * Lets the user move prompts between cards and remove their pins, with the mouse or with the keys on a focused prompt.
 *
 * @param {HTMLElement} cards
 * @param {{
 *   move: (text: string, target: string[] | null) => void,
 *   step: (text: string, step: 1 | -1) => void,
 *   unpin: (text: string) => void,
 *   groupOf: (number: number) => string[],
 * }} panel
 */
export function enableMoving(cards, panel) {
  // The prompt is kept here: dragover cannot read the drag data, and prompts of other panels do not count.
  /** @type {string | undefined} */
  let dragged;

  cards.addEventListener("dragstart", (event) => {
    dragged = event.target instanceof HTMLElement ? event.target.dataset.prompt : undefined;
    if (dragged === undefined || !event.dataTransfer) return;
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", dragged); // without data Firefox starts no drag
    event.stopPropagation();
  });
  cards.addEventListener("dragend", () => {
    dragged = undefined;
    markTarget(cards, null);
  });
  cards.addEventListener("dragover", (event) => {
    if (dragged === undefined) return;
    consume(event);
    markTarget(cards, closest(event, CARD));
  });
  cards.addEventListener("drop", (event) => {
    const card = closest(event, CARD);
    if (dragged === undefined) return;
    consume(event);
    markTarget(cards, null);
    if (card) drop(dragged, card, closest(event, "li")?.dataset.prompt);
  });
  cards.addEventListener("keydown", (event) => {
    const row = closest(event, "li");
    const text = row?.dataset.prompt;
    if (!row || text === undefined || hasModifier(event)) return;
    if (event.key in MOVE_KEYS) panel.step(text, MOVE_KEYS[event.key]);
    else if (event.key in FOCUS_KEYS) neighbourRow(cards, row, FOCUS_KEYS[event.key])?.focus();
    else if (event.key.toLowerCase() === "a") panel.move(text, null);
    else if (UNPIN_KEYS.includes(event.key)) panel.unpin(text);
    else return;
    consume(event); // Delete would also delete the node
  });
  cards.addEventListener("click", (event) => {
    const text = closest(event, ".sage-pin")?.closest("li")?.dataset.prompt;
    if (text !== undefined) panel.unpin(text);
  });
  // Otherwise Nodes 2.0 drags the node too.
  cards.addEventListener("pointerdown", (event) => event.button === 0 && event.stopPropagation());

  /**
   * @param {string} text
   * @param {HTMLElement} card
   * @param {string | undefined} over the prompt that it was dropped on
   */
  function drop(text, card, over) {
    const alone = card.dataset.group === "";
    const target = !alone ? panel.groupOf(Number(card.dataset.group)) : over === undefined ? null : [over];
    if (!target?.includes(text)) panel.move(text, target);
  }
}

/**
 * The nearest element around an event's target that matches a selector.
 *
 * @param {Event} event
 * @param {string} selector
 * @returns {HTMLElement | null}
 */
function closest({ target }, selector) {
  return target instanceof Element ? target.closest(selector) : null;
}

/** @param {HTMLElement} cards @param {HTMLElement | null} target the card that a drop goes to */
function markTarget(cards, target) {
  for (const card of cards.children) card.classList.toggle("sage-drop-target", card === target);
}

/** @param {HTMLElement} cards @param {HTMLElement} row @param {1 | -1} step */
function neighbourRow(cards, row, step) {
  /** @type {HTMLElement[]} */
  const rows = [...cards.querySelectorAll("li")];
  return rows[rows.indexOf(row) + step];
}
