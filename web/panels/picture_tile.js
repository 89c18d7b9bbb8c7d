import { element } from "./dom.js";

/**
 * A picture as an element: its file, above its preview, which is seen until the file is there, or where it is lost.
 *
 * @param {import("./pictures.js").Picture} picture
 */
export function pictureTile({ title, tile, file }) {
  const made = element("div", "sage-tile");
  if (tile) made.style.backgroundPosition = tile;
  else made.style.backgroundImage = "none";
  if (!file) return made;
  const image = element("img", "");
  image.loading = "lazy";
  image.decoding = "async";
  image.alt = title;
  image.draggable = false; // otherwise the page takes it for a file that is dropped onto a node
  image.onerror = () => image.remove();
  image.src = file;
  made.append(image);
  return made;
}

/**
 * Gives an element what the tiles inside it need.
 *
 * @param {HTMLElement} target
 * @param {{columns: number, lines: number} | null} sheet
 * @param {number} aspect width / height of a picture
 */
export function styleTiles(target, sheet, aspect) {
  target.style.setProperty("--sage-aspect", String(aspect));
  if (sheet) target.style.setProperty("--sage-sheet-size", `${100 * sheet.columns}% ${100 * sheet.lines}%`);
}
