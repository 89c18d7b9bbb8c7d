// What all panels build their elements with.

import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./module.mjs";

const { setStatus } = await load("panels/dom.js");

/** A status with how each of its texts is announced. */
class Status {
  live = "";
  said = [];
  setAttribute = (name, value) => (this.live = name === "aria-live" ? value : this.live);
  set textContent(text) {
    this.said.push([this.live, text]);
  }
}

test("a countdown is not read out, and the end of it is", () => {
  const status = new Status();
  setStatus(status, "9 s left", true);
  setStatus(status, "done in 1 min", false);
  assert.deepEqual(status.said, [["off", "9 s left"], ["polite", "done in 1 min"]]);
});
