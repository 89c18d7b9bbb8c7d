// The picture in the viewer, while the pictures on the panel change.

import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./module.mjs";

const { FollowedPicture } = await load("panels/followed_picture.js");

const picture = (prompt, variation = 0) => ({ title: prompt, text: prompt, prompt, variation, tile: "", file: "" });
const group = (title, text = "1. a car") => ({ ...picture(null), title, text });
const CAR = picture("a car");

test("it is the same prompt in the next run, wherever that has it", () => {
  const followed = new FollowedPicture(CAR);
  assert.equal(followed.placeIn([picture("a boat"), CAR]), 1);
  const next = [picture("a tree"), picture("a boat"), { ...picture("a car"), title: "3. a car", file: "/view" }];
  assert.equal(followed.placeIn(next), 2);
  assert.equal(followed.picture, next[2]);
  assert.equal(followed.placeIn([picture("a car", 1), picture("a car")]), 1, "each variation is a picture");
});

test("while it is not there, it stays as it was, and is found again", () => {
  const followed = new FollowedPicture(CAR);
  followed.placeIn([picture("a boat"), CAR]);
  assert.deepEqual([followed.placeIn([]), followed.placeIn([group("Group 1")])], [-1, -1]);
  assert.deepEqual([followed.picture, followed.place], [CAR, 1]);
  assert.equal(followed.placeIn([picture("a car")]), 0);
});

test("a group is the same by its title and its prompts", () => {
  const followed = new FollowedPicture(group("Group 1"));
  assert.equal(followed.placeIn([group("Group 2"), group("Group 1", "1. a boat"), group("Group 1")]), 2);
});

test("a prompt that is in the list twice has two pictures", () => {
  const twice = () => [picture("a car"), picture("a boat"), picture("a car")];
  const before = twice();
  const followed = new FollowedPicture(before[2]);
  assert.deepEqual([followed.placeIn(before), followed.placeIn(twice())], [2, 2]);
});
