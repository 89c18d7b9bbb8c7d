import { consume, element } from "./dom.js";
import { actionElement } from "./picture_actions.js";
import { say } from "./texts.js";

/** @type {Record<string, number>} */
const STEPS = { ArrowDown: 1, ArrowUp: -1 };

/**
 * Opens a menu at the mouse, or at the element with the focus, in place of the page's own.
 *
 * @param {MouseEvent} event
 * @param {import("./picture_actions.js").Action[]} actions
 * @param {HTMLElement} parent the dialog, or the page: what is beside an open dialog cannot be used
 */
export function openMenu(event, actions, parent) {
  consume(event);
  const before = document.activeElement;
  const entries = actions.map((action) => {
    const made = actionElement(action);
    made.setAttribute("role", action.pressed === undefined ? "menuitem" : "menuitemcheckbox");
    if (action.pressed !== undefined) made.setAttribute("aria-checked", String(action.pressed));
    made.removeAttribute("aria-pressed");
    made.setAttribute("aria-label", action.label);
    return made;
  });
  const menu = element("div", "sage-menu", ...entries);
  menu.popover = "manual"; // an automatic one closes when the right button is released
  menu.setAttribute("role", "menu");
  menu.setAttribute("aria-label", say("Picture"));
  const close = () => {
    removeEventListener("pointerdown", leave, true);
    if (!menu.isConnected) return;
    menu.remove();
    if (before instanceof HTMLElement) before.focus();
  };
  const leave = (/** @type {Event} */ { target }) => {
    if (!(target instanceof Node && menu.contains(target))) close();
  };
  // Before the action: it may move the focus.
  menu.addEventListener("click", close, true);
  menu.addEventListener("contextmenu", consume);
  menu.addEventListener("keydown", (pressed) => {
    pressed.stopPropagation(); // the page has its own keys
    const step = STEPS[pressed.key];
    if (step) {
      const usable = entries.filter((entry) => !entry.matches(":disabled"));
      const at = usable.findIndex((entry) => entry === document.activeElement);
      usable[(at + step + usable.length) % usable.length].focus();
    } else if (["Escape", "Tab"].includes(pressed.key)) close();
    else return;
    pressed.preventDefault(); // Escape would close the dialog, too
  });
  addEventListener("pointerdown", leave, true);
  parent.append(menu);
  menu.showPopover();
  menu.style.left = `${Math.max(0, Math.min(event.clientX, innerWidth - menu.offsetWidth))}px`;
  menu.style.top = `${Math.max(0, Math.min(event.clientY, innerHeight - menu.offsetHeight))}px`;
  entries.find((entry) => !entry.matches(":disabled"))?.focus();
}
