// Files of prompts from the user's computer.

import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./module.mjs";

const { chooseFile, isPromptFile, isWorkflowFile, uploadPromptFile } = await load("panels/prompt_upload.js");

test("only files that a node can read are taken", () => {
  assert.deepEqual(["a.txt", "B.CSV", "a.tsv", "a.json"].map((name) => isPromptFile({ name })), [true, true, true, true]);
  assert.deepEqual(["a.png", "txt", "a.txt.exe"].map((name) => isPromptFile({ name })), [false, false, false]);
});

test("a workflow is no file of prompts, though it ends as one", async () => {
  const isWorkflow = (text, name = "a.json") => isWorkflowFile(new File([text], name));
  const workflows = ['{"nodes": [], "links": []}', '{"1": {"class_type": "KSampler", "inputs": {}}}'];
  const prompts = ['["a car"]', '[{"prompt": "a car"}]', '{"prompts": ["a car"]}', "{}", "null", "a car"];
  assert.deepEqual(await Promise.all(workflows.map((text) => isWorkflow(text))), [true, true]);
  assert.deepEqual(await Promise.all(prompts.map((text) => isWorkflow(text))), prompts.map(() => false));
  assert.equal(await isWorkflow(workflows[0], "a.txt"), false);
});

test("a file goes to ComfyUI's own route, and the server says its name", async () => {
  const sent = [];
  const api = {
    async fetchApi(route, { method, body }) {
      sent.push([route, method, body.get("image").name, await body.get("image").text()]);
      return Response.json({ name: "list (1).txt", subfolder: "", type: "input" });
    },
  };
  assert.equal(await uploadPromptFile(api, new File(["a car"], "list.txt")), "list (1).txt");
  assert.deepEqual(sent, [["/upload/image", "POST", "list.txt", "a car"]]);
});

test("an error says which file", async () => {
  const api = { fetchApi: async () => new Response("", { status: 413, statusText: "too large" }) };
  await assert.rejects(uploadPromptFile(api, new File([""], "list.txt")), /list.txt was not uploaded: 413 too large/);
});

test("the file is chosen, and in the list once", () => {
  const told = [];
  const widget = { value: "none", options: { values: ["none"] }, callback: (value) => told.push(value) };
  chooseFile(widget, "a.txt");
  chooseFile(widget, "a.txt");
  assert.deepEqual([widget.value, widget.options.values, told], ["a.txt", ["none", "a.txt"], ["a.txt", "a.txt"]]);
});
