// The workflows that come with the pack.

import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const PACK = path.join(path.dirname(fileURLToPath(import.meta.url)), "../..");
const EXAMPLES = path.join(PACK, "example_workflows");

export const names = fs.readdirSync(EXAMPLES).filter((name) => name.endsWith(".json")).map((name) => name.slice(0, -5));

const read = (file) => JSON.parse(fs.readFileSync(path.join(PACK, file), "utf-8"));

export const example = (name) => read(`example_workflows/${name}.json`);

/** A workflow with the blueprint as its only node. All other nodes are in its subgraph. */
export function withBlueprint() {
  const workflow = read("subgraphs/SAGE text to image.json");
  workflow.nodes[0].id = 100; // in a workflow, unlike in a blueprint, no id is there twice
  return workflow;
}
