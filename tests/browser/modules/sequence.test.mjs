import assert from "node:assert/strict";
import { test } from "node:test";

import { HistoryModel } from "../js/instance/events.js";
import { layOut } from "../js/instance/sequence_layout.js";
import { spreadOf } from "../js/instance/sequence_calls.js";
import { sequenceOf } from "../js/instance/sequence_model.js";
import {
  branch,
  child,
  childDone,
  ended,
  model,
  raised,
  started,
  task,
  taskDone,
  taskFailed,
  timer,
  timerFired,
  turn,
} from "./given.mjs";

const draw = (loaded, expanded = new Set(), find = () => undefined, most = undefined) =>
  sequenceOf(branch("m", loaded), expanded, find, most);
const arrows = (sequence) =>
  sequence.messages.map(({ kind, from, to, label }) => `${kind} ${from} ${to} ${label}`);
const fan = (count) =>
  model(
    turn(0),
    started(0),
    ...Array.from({ length: count }, (_, at) => task(1, at + 1, "order")),
    turn(2000),
    ...Array.from({ length: count }, (_, at) => taskDone(10 + at, at + 1)),
    ended(2001),
  );

test("a call is an arrow there and an arrow back", () => {
  const sequence = draw(
    model(turn(0), started(0), task(1, 1, "a"), turn(9), taskDone(9, 1), ended(10)),
  );
  assert.deepEqual(arrows(sequence), [
    "call client instance:m start",
    "call instance:m activity:a a",
    "return activity:a instance:m done",
    "return instance:m client completed",
  ]);
  assert.deepEqual(
    sequence.participants.map(({ label }) => label),
    ["Client", "main", "a"],
  );
  assert.deepEqual(
    sequence.activations.map(({ from, to }) => [from, to]),
    [
      [0, 3],
      [1, 2],
    ],
  );
});

test("a fan-out may be larger than what a function takes", () => {
  const count = 200_000;
  const loaded = new HistoryModel();
  const events = Array.from({ length: count }, (_, at) => task(3 + (at % 7), at + 1, "order"));
  loaded.add([turn(0), started(0), ...events].map((event, index) => ({ ...event, index })));
  const [, call] = draw(loaded).messages;
  assert.equal(call.label, "order × 200,000");
  assert.equal(call.time, loaded.steps[0].start);
});

test("a fan-out is one arrow with its number and its spread, and opens", () => {
  const sequence = draw(fan(100));
  assert.equal(sequence.total, 4);
  assert.equal(sequence.messages[1].label, "order × 100");
  assert.equal(sequence.messages[2].label, "100 done");
  assert.deepEqual(sequence.messages[2].spread, { min: 9, median: 58.5, max: 108 });
  const key = sequence.messages[1].expandKey;
  const open = draw(fan(100), new Set([key]));
  assert.equal(open.total, 202);
  assert.equal(open.messages[1].group, key);
  assert.equal(open.messages[2].group, null);
});

test("two calls of a turn are few enough to be drawn each", () => {
  assert.equal(draw(fan(2)).total, 6);
});

test("a loop over one activity is one arrow too", () => {
  const events = Array.from({ length: 6 }, (_, at) => [
    task(at * 10 + 1, at + 1, "tick"),
    turn(at * 10 + 9),
    taskDone(at * 10 + 9, at + 1),
  ]).flat();
  const sequence = draw(model(turn(0), started(0), ...events, ended(99)));
  assert.equal(sequence.messages[1].label, "tick × 6");
  assert.equal(sequence.messages[1].call.shape, "in a row");
  assert.equal(
    draw(
      model(turn(0), started(0), ...events, ended(99)),
      new Set([sequence.messages[1].expandKey]),
    ).total,
    14,
  );
});

test("failures of a fan-out are counted", () => {
  const loaded = model(
    turn(0),
    started(0),
    task(1, 1, "a"),
    task(1, 2, "a"),
    task(1, 3, "a"),
    turn(9),
    taskDone(7, 1),
    taskFailed(8, 2),
    taskDone(9, 3),
    ended(9),
  );
  const [, , back] = draw(loaded).messages;
  assert.deepEqual([back.label, back.state, back.failed], ["2 done, 1 failed", "failed", 1]);
});

test("each attempt is a call of its own", () => {
  const sequence = draw(
    model(
      turn(0),
      started(0),
      task(1, 1, "a"),
      turn(10),
      taskFailed(10, 1),
      timer(11, 2, 31),
      turn(31),
      timerFired(31, 2),
      task(32, 1, "a"),
      turn(40),
      taskDone(40, 1),
      ended(41),
    ),
  );
  assert.deepEqual(
    sequence.messages.map(({ label }) => label),
    ["start", "a (attempt 1)", "failed", "a (attempt 2)", "done", "completed"],
  );
});

test("a sub-orchestration opens into its own calls, on a lifeline of its own", () => {
  const main = model(
    turn(0),
    started(0),
    child(1, 1, "batch", "m:1"),
    turn(9),
    childDone(9, 1),
    ended(9),
  );
  const inner = model(
    turn(2),
    started(2, "batch"),
    task(3, 1, "order"),
    turn(8),
    taskDone(7, 1),
    ended(8),
  );
  const key = draw(main).messages[1].expandKey;
  const open = draw(main, new Set([key]), () => branch("m:1", inner));
  assert.deepEqual(arrows(open).slice(1, 5), [
    "call instance:m instance:m:1 batch",
    "call instance:m:1 activity:order order",
    "return activity:order instance:m:1 done",
    "return instance:m:1 instance:m done",
  ]);
  assert.equal(open.participants[2].label, "batch :1");
  assert.deepEqual(draw(main, new Set([key])).missing, ["m:1"]);
});

test("an external event comes from outside, with the time that was waited for it", () => {
  const loaded = model(
    turn(0),
    started(0),
    task(1, 1, "a"),
    turn(5),
    taskDone(5, 1),
    turn(60),
    raised(60, "Go"),
    ended(61),
  );
  const event = draw(loaded).messages.find(({ label }) => label === "Go");
  assert.deepEqual(
    [event.kind, event.from, event.to, event.duration],
    ["oneway", "event", "instance:m", 55],
  );
});

test("a child is called by its parent, not by a client", () => {
  const parentInstance = { name: "main", orchestrationInstance: { instanceId: "p" } };
  const loaded = model(turn(0), started(0, "batch", { parentInstance }), ended(1));
  assert.equal(draw(loaded).participants[0].label, "main");
});

test("what would be too much is cut, and said to be there", () => {
  const key = draw(fan(1000)).messages[1].expandKey;
  const sequence = draw(fan(1000), new Set([key]), undefined, 300);
  assert.deepEqual([sequence.messages.length, sequence.total], [300, 2002]);
  // The instance's own bar goes on beyond what is drawn.
  assert.equal(sequence.activations[0].to, null);
});

test("bars that run at the same time stand beside each other", () => {
  const key = draw(fan(3)).messages[1].expandKey;
  const levels = draw(fan(3), new Set([key])).activations.map(({ level }) => level);
  assert.deepEqual(levels, [0, 0, 1, 2]);
});

test("a running call has no arrow back yet", () => {
  const sequence = draw(model(turn(0), started(0), task(1, 1, "a")));
  assert.deepEqual(
    sequence.messages.map(({ kind }) => kind),
    ["call", "call"],
  );
  assert.deepEqual(
    sequence.activations.map(({ to, state }) => [to, state]),
    [
      [null, "running"],
      [null, "running"],
    ],
  );
});

test("a bar that its orchestration has left behind ends with that", () => {
  const sequence = draw(model(turn(0), started(0), timer(1, 1, 9000), turn(5), ended(6)));
  assert.deepEqual(arrows(sequence), [
    "call client instance:m start",
    "call instance:m timer timer",
    "return instance:m client completed",
  ]);
  assert.deepEqual(
    sequence.activations.map(({ to, state }) => [to, state]),
    [
      [2, "completed"],
      [2, "abandoned"],
    ],
  );
});

test("a bar that a child has left behind ends with the child", () => {
  const main = model(
    turn(0),
    started(0),
    child(1, 1, "batch", "m:1"),
    turn(9),
    childDone(9, 1),
    task(10, 2, "after"),
    turn(11),
    taskDone(11, 2),
    ended(12),
  );
  const inner = model(turn(2), started(2, "batch"), timer(3, 1, 9000), ended(8));
  const key = draw(main).messages[1].expandKey;
  const sequence = draw(main, new Set([key]), () => branch("m:1", inner));
  const left = sequence.activations.find(({ state }) => state === "abandoned");
  assert.equal(sequence.messages[left.to].key, `${key}/0/return`);
});

test("what is left behind of a fan-out is not done", () => {
  const order = (id) => task(1, id, "order");
  const none = draw(model(turn(0), started(0), order(1), order(2), order(3), ended(6)));
  assert.deepEqual(arrows(none), [
    "call client instance:m start",
    "call instance:m activity:order order × 3",
    "return instance:m client completed",
  ]);
  assert.equal(none.activations[1].to, 2);
  const done = [turn(4), taskDone(4, 1)];
  const some = draw(model(turn(0), started(0), order(1), order(2), order(3), ...done, ended(6)));
  assert.equal(some.messages[2].label, "1 done, 2 not finished");
  assert.deepEqual(some.messages[2].spread, { min: 3, median: 3, max: 3 });
});

test("durations have a spread once one has ended", () => {
  assert.equal(spreadOf([{ start: 0, end: null }]), null);
  assert.deepEqual(
    spreadOf([
      { start: 0, end: 4 },
      { start: 0, end: 2 },
      { start: 1, end: null },
    ]),
    {
      min: 2,
      median: 3,
      max: 4,
    },
  );
});

test("every lifeline has its place, names are not cut before they must be", () => {
  const sequence = draw(fan(3));
  const layout = layOut(sequence, (text) => text.length * 7, 1000);
  const places = sequence.participants.map(({ id }) => layout.x.get(id));
  assert.deepEqual(
    places,
    [...places].sort((one, other) => one - other),
  );
  assert.ok(layout.height > sequence.messages.length * 20);
});
