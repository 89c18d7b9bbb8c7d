const STEPS = { ArrowLeft: -1, ArrowRight: 1 };
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
  let dragged; // dragover may not read the data, and a prompt belongs to this panel only

  cards.addEventListener("dragstart", (event) => {
    dragged = event.target.dataset?.prompt;
    if (dragged === undefined) return;
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
    mark(cards, event.target.closest(".sage-card"));
  });
  cards.addEventListener("drop", (event) => {
    const card = event.target.closest(".sage-card");
    if (dragged === undefined) return;
    take(event);
    mark(cards, null);
    if (card) drop(card, event.target.closest("li")?.dataset.prompt);
  });
  cards.addEventListener("keydown", (event) => {
    const row = event.target.closest("li");
    if (event.target.closest("button") && event.key === "Enter") return; // a click
    if (!row || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    if (event.key in STEPS) panel.step(row.dataset.prompt, STEPS[event.key]);
    else if (event.key in FOCUS) neighbourRow(cards, row, FOCUS[event.key])?.focus();
    else if (event.key === "Enter") panel.move(row.dataset.prompt, null);
    else if (REMOVE.includes(event.key)) panel.unpin(row.dataset.prompt); // and never the node
    else return;
    take(event);
  });
  cards.addEventListener("click", (event) => {
    const row = event.target.closest(".sage-pin")?.closest("li");
    if (row) panel.unpin(row.dataset.prompt);
  });
  // The node would be dragged with it (Nodes 2.0).
  cards.addEventListener("pointerdown", (event) => event.button === 0 && event.stopPropagation());

  /** @param {HTMLElement} card @param {string | undefined} over the prompt that it was dropped on */
  function drop(card, over) {
    const alone = card.dataset.group === "";
    const target = !alone ? panel.groupOf(Number(card.dataset.group)) : over === undefined ? null : [over];
    if (!target?.includes(dragged)) panel.move(dragged, target);
  }
}

/** Keeps an event from the page, which has uses of its own for files and keys. @param {Event} event */
function take(event) {
  event.preventDefault();
  event.stopPropagation();
}

function mark(cards, target) {
  for (const card of cards.children) card.classList.toggle("sage-target", card === target);
}

function neighbourRow(cards, row, step) {
  const rows = [...cards.querySelectorAll("li")];
  return rows[rows.indexOf(row) + step];
}
