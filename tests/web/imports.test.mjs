// ComfyUI imports every file in web/ by itself, whether a node needs it or not.

import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { load } from "./module.mjs";

const WEB = new URL("../../web/", import.meta.url);

for (const folder of ["graphs", "panels"]) {
  for (const name of fs.readdirSync(new URL(folder, WEB)).filter((file) => file.endsWith(".js"))) {
    test(`${name} does nothing to the page when it is imported`, async () => {
      assert.equal(typeof document, "undefined"); // so any use of the page throws
      await load(`${folder}/${name}`);
    });
  }
}
