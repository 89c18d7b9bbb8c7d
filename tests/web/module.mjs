// Loads the modules of the page. They end in .js, which Node takes for a script unless they are loaded in this way.

import fs from "node:fs";

const WEB = new URL("../../web/", import.meta.url);

/** @param {string} name a module in web/ that imports only other modules in it */
export const load = (name) => import(dataUrl(new URL(name, WEB)));

/** @param {URL} file */
function dataUrl(file) {
  const source = fs.readFileSync(file, "utf-8");
  const whole = source.replace(/ from "(\.{1,2}\/[^"]+)"/g, (_, other) => ` from "${dataUrl(new URL(other, file))}"`);
  return `data:text/javascript,${encodeURIComponent(whole)}`;
}
