// Loads the modules of the page. They end in .js, which Node takes for a script unless they are loaded in this way.

import fs from "node:fs";

/** @param {string} name a module in web/ that imports no other module */
export function load(name) {
  const source = fs.readFileSync(new URL(`../../web/${name}`, import.meta.url), "utf-8");
  return import(`data:text/javascript,${encodeURIComponent(source)}`);
}
