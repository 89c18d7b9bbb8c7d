// ComfyUI imports every file in web/ by itself, whether a node needs it or not.

import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { load } from "./module.mjs";

const PANELS = new URL("../../web/panels/", import.meta.url);

for (const name of fs.readdirSync(PANELS).filter((file) => file.endsWith(".js"))) {
  test(`${name} does nothing to the page when it is imported`, async () => {
    assert.equal(typeof document, "undefined"); // so any use of the page throws
    await load(`panels/${name}`);
  });
}
