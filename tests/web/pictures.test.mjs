// What a sampling panel shows of a run: previews, and the files of prompts in their place.

import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./module.mjs";

const { framesOf } = await load("panels/pictures.js");

const cluster = (title, prompt, ...members) => ({ title, texts: [title], colour: "#123456", prompt, members });
const CLUSTERS = [cluster("1. a car", "a car", 0), cluster("2. a boat", "a boat", 1)];
const sheet = (variations, clusters = CLUSTERS) => ({ picture: "data:", columns: 2, lines: 2, aspect: 1, variations, clusters });
const finished = (...files) => ({ aspect: 1, subfolder: "a b", pictures: files.map((names, at) => ({ ...CLUSTERS[at], files: names })) });
const frames = (previews, files) => framesOf(previews, files, (query) => `/view?${query}`);

test("every variation has its place in the sheet", () => {
  const pictures = frames(sheet(2), null).flatMap((frame) => frame.pictures);
  assert.deepEqual(pictures.map(({ tile }) => tile), ["0% 0%", "100% 0%", "0% 100%", "100% 100%"]);
  assert.deepEqual(pictures.map(({ title }) => title), ["1. a car (1)", "1. a car (2)", "2. a boat (1)", "2. a boat (2)"]);
  assert.deepEqual(pictures.map(({ variation }) => variation), [0, 1, 0, 1]);
});

test("a group is shown with its prompts", () => {
  const [{ pictures: [picture] }] = frames(sheet(1, [{ ...cluster("Group 1", null), texts: ["1. a car", "2. a boat"] }]), null);
  assert.equal(picture.prompt, null);
  assert.equal(picture.text, "1. a car\n2. a boat");
});

test("files take the place of their previews", () => {
  const [{ pictures: [first] }, { pictures: [second] }] = frames(sheet(1), finished(["ü 1.png"], ["2.png"]));
  assert.equal(first.file, "/view?filename=%C3%BC+1.png&subfolder=a+b&type=output");
  assert.deepEqual([first.tile, second.tile, second.text], ["0% 0%", "100% 0%", "a boat"]);
});

test("files without previews: of a run before, or of too many prompts for a sheet", () => {
  const shown = frames(null, finished(["1.png", "2.png"]));
  assert.deepEqual(shown[0].pictures.map(({ tile, title }) => [tile, title]), [["", "1. a car (1)"], ["", "1. a car (2)"]]);
});

test("nothing yet", () => assert.deepEqual(frames(null, null), []));
