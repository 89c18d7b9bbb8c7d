// The workflows that come with the pack.

import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const EXAMPLES = path.join(path.dirname(fileURLToPath(import.meta.url)), "../../example_workflows");

export const names = fs.readdirSync(EXAMPLES).filter((name) => name.endsWith(".json")).map((name) => name.slice(0, -5));

export function example(name) {
  return JSON.parse(fs.readFileSync(path.join(EXAMPLES, `${name}.json`), "utf-8"));
}
