// The page's modules, which any Node takes for modules only this way: their names end in .js.

import fs from "node:fs";

/** @param {string} name of a module in web/ that imports no other */
export function load(name) {
  const source = fs.readFileSync(new URL(`../../web/${name}`, import.meta.url), "utf-8");
  return import(`data:text/javascript,${encodeURIComponent(source)}`);
}
