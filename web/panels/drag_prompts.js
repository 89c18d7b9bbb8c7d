/** @type {Record<string, 1 | -1>} */
const STEPS = { ArrowLeft: -1, ArrowRight: 1 };
/** @type {Record<string, 1 | -1>} */
const FOCUS = { ArrowUp: -1, ArrowDown: 1 };
const REMOVE = ["Delete", "Backspace"];

/**
 * Lets prompts be moved between cards and their pins be removed: with the mouse, or with the keys of a focused prompt.
 *
 * @param {HTMLElement} cards
 * @param {{
 *   move: (text: string, target: string[] | null) => void,
 *   step: (text: string, step: 1 | -1) => void,
 *   unpin: (text: string) => void,
 *   groupOf: (number: number) => string[],
 * }} panel
 */
export function moving(cards, panel) {
  /** @type {string | undefined} */
  let dragged; // dragover may not read the data, and a prompt belongs to this panel only

  cards.addEventListener("dragstart", (event) => {
    dragged = event.target instanceof HTMLElement ? event.target.dataset.prompt : undefined;
    if (dragged === undefined || !event.dataTransfer) return;
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", dragged); // or Firefox drags nothing
    event.stopPropagation();
  });
  cards.addEventListener("dragend", () => {
    dragged = undefined;
    mark(cards, null);
  });
  cards.addEventListener("dragover", (event) => {
    if (dragged === undefined) return;
    take(event);
    mark(cards, around(event, ".sage-card"));
  });
  cards.addEventListener("drop", (event) => {
    const card = around(event, ".sage-card");
    if (dragged === undefined) return;
    take(event);
    mark(cards, null);
    if (card) drop(dragged, card, around(event, "li")?.dataset.prompt);
  });
  cards.addEventListener("keydown", (event) => {
    const row = around(event, "li");
    const text = row?.dataset.prompt;
    if (around(event, "button") && event.key === "Enter") return; // a click
    if (!row || text === undefined || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    if (event.key in STEPS) panel.step(text, STEPS[event.key]);
    else if (event.key in FOCUS) neighbourRow(cards, row, FOCUS[event.key])?.focus();
    else if (event.key === "Enter") panel.move(text, null);
    else if (REMOVE.includes(event.key)) panel.unpin(text); // and never the node
    else return;
    take(event);
  });
  cards.addEventListener("click", (event) => {
    const text = around(event, ".sage-pin")?.closest("li")?.dataset.prompt;
    if (text !== undefined) panel.unpin(text);
  });
  // The node would be dragged with it (Nodes 2.0).
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
 * The nearest element of a kind around what an event is about.
 *
 * @param {Event} event
 * @param {string} selector
 * @returns {HTMLElement | null}
 */
function around({ target }, selector) {
  return target instanceof Element ? target.closest(selector) : null;
}

/** Keeps an event from the page, which has uses of its own for files and keys. @param {Event} event */
function take(event) {
  event.preventDefault();
  event.stopPropagation();
}

/** @param {HTMLElement} cards @param {HTMLElement | null} target */
function mark(cards, target) {
  for (const card of cards.children) card.classList.toggle("sage-target", card === target);
}

/** @param {HTMLElement} cards @param {HTMLElement} row @param {1 | -1} step */
function neighbourRow(cards, row, step) {
  /** @type {HTMLElement[]} */
  const rows = [...cards.querySelectorAll("li")];
  return rows[rows.indexOf(row) + step];
}
