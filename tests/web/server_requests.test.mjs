// What the page asks the server.

import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./module.mjs";

const { fetchRemembered } = await load("panels/server_requests.js");

/** A page's api, and the routes that were asked. */
function page(ids, response) {
  const asked = [];
  return { ...ids, asked, fetchApi: async (route) => (asked.push(route), response) };
}

test("the server is asked for the runs of this page", async () => {
  const api = page({ clientId: "me" }, Response.json([{ run: "1" }]));
  assert.deepEqual(await fetchRemembered(api, "/sage/groups", { workflow: "a b" }), [{ run: "1" }]);
  assert.deepEqual(api.asked, ["/sage/groups?client=me&workflow=a+b"]);
});

test("a page that the server does not know yet has no runs", async () => {
  const api = page({ initialClientId: null });
  assert.deepEqual([await fetchRemembered(api, "/sage/progress"), api.asked], [[], []]);
});

test("an error of the server is no run", async () => {
  assert.deepEqual(await fetchRemembered(page({ initialClientId: "me" }, new Response("", { status: 500 })), "/"), []);
});
