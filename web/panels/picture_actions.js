import { element } from "./dom.js";
import { say } from "./texts.js";

/**
 * What the user can do with a picture: a button of the viewer, or an entry of a menu.
 *
 * @typedef {{
 *   name: string, label: string, title: string, pressed?: boolean, run?: () => void, href?: string, download?: string,
 * }} Action one with an address is a link; one with neither cannot be used now
 */

/**
 * @param {import("./viewer.js").Source} source
 * @param {import("./pictures.js").Picture} picture one of its pictures, or of its run before
 * @param {{compare: () => void, comparing: boolean, copy: () => void}} place where it is shown
 * @returns {Action[]}
 */
export function pictureActions(source, picture, { compare, comparing, copy }) {
  const { prompt, file } = picture;
  const marked = source.favourites.has(picture);
  const showCard = source.findCard(picture);
  return [
    {
      name: "favourite", label: marked ? say("♥ Favourite") : say("♡ Favourite"), title: say("Favourite (F)"),
      pressed: marked, run: prompt === null ? undefined : () => source.toggleFavourite(picture),
    },
    {
      name: "compare", label: say("Compare"), title: say("Compare this picture with others (C)"), pressed: comparing,
      run: source.pictures.length > 1 ? compare : undefined,
    },
    {
      name: "copy", label: say("Copy prompt"), title: say("Copy the whole prompt"), run: prompt === null ? undefined : copy,
    },
    ...(showCard
      ? [{ name: "card", label: say("Show in list"), title: say("Show the card of this prompt"), run: showCard }]
      : []),
    // Previews are too small to be kept.
    ...(file ? [
      {
        name: "save", label: say("Save"), title: say("Save the picture on this computer"), href: file,
        download: new URL(file, location.href).searchParams.get("filename") ?? "",
      },
      { name: "open", label: say("Open"), title: say("Open the picture in a new tab"), href: file },
    ] : []),
  ];
}

/** @param {Action} action @returns {HTMLButtonElement | HTMLAnchorElement} */
export function actionElement({ label, title, pressed, run, href, download }) {
  const made = href === undefined ? element("button", "", label) : element("a", "", label);
  made.title = title;
  made.setAttribute("aria-label", title);
  if (pressed !== undefined) made.setAttribute("aria-pressed", String(pressed));
  if (made instanceof HTMLButtonElement) Object.assign(made, { type: "button", disabled: !run, onclick: run });
  else Object.assign(made, { href, ...(download === undefined ? { target: "_blank" } : { download }) });
  return made;
}
