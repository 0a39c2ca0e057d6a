import assert from "node:assert/strict";
import { test } from "node:test";

import { kindOf, parseTime, pendingStep } from "../js/instance/events.js";
import {
  at,
  bars,
  child,
  childDone,
  childFailed,
  ended,
  failed,
  history,
  model,
  other,
  raised,
  started,
  task,
  taskDone,
  taskFailed,
  timer,
  timerFired,
  turn,
} from "./given.mjs";
import { HistoryModel } from "../js/instance/events.js";

const RUNNING = { status: "ORCHESTRATION_STATUS_RUNNING" };

test("an activity lasts from its scheduling to its result", () => {
  const { steps, start, end, endStatus } = model(
    turn(1),
    started(0),
    task(2, 1, "charge"),
    turn(12),
    taskDone(10, 1),
    ended(13),
  );
  assert.equal(steps.length, 1);
  assert.deepEqual(
    [steps[0].kind, steps[0].name, steps[0].state],
    ["activity", "charge", "completed"],
  );
  assert.deepEqual(bars(steps[0]), [["attempt", "completed", 2, 10]]);
  assert.deepEqual([steps[0].inputIndex, steps[0].outputIndex], [2, 4]);
  assert.equal(end - start, 13);
  assert.equal(endStatus, "ORCHESTRATION_STATUS_COMPLETED");
});

test("a retry under the same event id is an attempt of one step, the timer its pause", () => {
  const { steps, retries } = model(
    turn(0),
    started(0),
    task(1, 1, "flaky"),
    turn(10),
    taskFailed(10, 1),
    timer(11, 2, 31),
    turn(31),
    timerFired(31, 2),
    task(32, 1, "flaky"),
    turn(40),
    taskDone(40, 1),
    ended(41),
  );
  assert.equal(steps.length, 1);
  assert.deepEqual(bars(steps[0]), [
    ["attempt", "failed", 1, 10],
    ["backoff", "completed", 11, 31],
    ["attempt", "completed", 32, 40],
  ]);
  assert.deepEqual([steps[0].attempts, steps[0].state, retries], [2, "completed", 1]);
});

test("a retry under a new event id is told by its timer and its name", () => {
  const { steps } = model(
    turn(0),
    started(0),
    task(1, 0, "flaky"),
    turn(10),
    taskFailed(10, 0),
    timer(11, 1, 31),
    turn(31),
    timerFired(31, 1),
    task(32, 2, "flaky"),
    turn(40),
    taskDone(40, 2),
    ended(41),
  );
  assert.deepEqual(
    steps.map(({ name, attempts, state }) => [name, attempts, state]),
    [["flaky", 2, "completed"]],
  );
});

test("steps that fail in one turn each have their own pause", () => {
  const { steps } = model(
    turn(0),
    started(0),
    task(1, 1, "a"),
    task(1, 2, "b"),
    turn(10),
    taskFailed(9, 1),
    taskFailed(10, 2),
    timer(11, 3, 20),
    timer(11, 4, 40),
    turn(20),
    timerFired(20, 3),
    task(21, 1, "a"),
    turn(40),
    timerFired(40, 4),
    task(41, 2, "b"),
    turn(50),
    taskDone(50, 1),
    taskDone(50, 2),
    ended(51),
  );
  assert.deepEqual(
    steps.map(({ name, attempts }) => [name, attempts]),
    [
      ["a", 2],
      ["b", 2],
    ],
  );
  assert.deepEqual(bars(steps[1])[1], ["backoff", "completed", 11, 40]);
});

test("a timer after a failure that is followed by no retry is a timer of its own", () => {
  const { steps, retries } = model(
    turn(0),
    started(0),
    task(1, 1, "a"),
    turn(10),
    taskFailed(10, 1),
    timer(11, 2, 31),
    turn(31),
    timerFired(31, 2),
    task(32, 3, "other"),
    turn(40),
    taskDone(40, 3),
    ended(41),
  );
  assert.deepEqual(
    steps.map(({ kind, state }) => [kind, state]),
    [
      ["activity", "failed"],
      ["timer", "completed"],
      ["activity", "completed"],
    ],
  );
  assert.deepEqual(bars(steps[0]), [["attempt", "failed", 1, 10]]);
  assert.equal(retries, 0);
});

test("while it waits to retry, a step is running and knows when it is due", () => {
  const { steps } = model(
    turn(0),
    started(0),
    task(1, 1, "a"),
    turn(10),
    taskFailed(10, 1),
    timer(11, 2, 500),
  );
  const [step] = steps;
  assert.deepEqual([step.state, step.end], ["running", null]);
  assert.equal(step.segments[1].due, parseTime(at(500)));
});

test("a retried sub-orchestration is one step with the id of its last instance", () => {
  const { steps } = model(
    turn(0),
    started(0),
    child(1, 1, "batch", "main:0001"),
    turn(10),
    childFailed(10, 1, "no"),
    timer(11, 2, 20),
    turn(20),
    timerFired(20, 2),
    child(21, 1, "batch", "main:0001"),
    turn(30),
    childDone(30, 1),
    ended(31),
  );
  assert.deepEqual(
    steps.map(({ kind, attempts, childId }) => [kind, attempts, childId]),
    [["child", 2, "main:0001"]],
  );
});

test("a second result for a step changes nothing", () => {
  const { steps } = model(
    turn(0),
    started(0),
    task(1, 1, "a"),
    turn(9),
    taskDone(9, 1),
    taskFailed(10, 1),
  );
  assert.deepEqual([steps[0].state, steps[0].outputIndex], ["completed", 4]);
});

test("the wait for an event is taken to begin with the turn before", () => {
  const { steps } = model(
    turn(0),
    started(0),
    task(1, 1, "a"),
    turn(5),
    taskDone(5, 1),
    turn(90),
    raised(90, "Go"),
    ended(91),
  );
  const wait = steps[1];
  assert.deepEqual([wait.kind, wait.name, wait.isDerived], ["wait", "Go", true]);
  assert.deepEqual(bars(wait), [["attempt", "completed", 5, 90]]);
});

test("an event that was there at the start was not waited for", () => {
  const { steps } = model(turn(3), started(0), raised(1, "Go"), ended(4));
  assert.equal(steps[0].end - steps[0].start, 0);
});

test("what has not ended when the orchestration does is not finished", () => {
  const { steps } = model(turn(0), started(0), task(1, 1, "a"), timer(1, 2, 9000), ended(10));
  assert.deepEqual(
    steps.map(({ state }) => state),
    ["abandoned", "abandoned"],
  );
  assert.deepEqual(bars(steps[1]), [["attempt", "abandoned", 1, 10]]);
});

test("entities: a call is answered, a signal is a moment, a lock is waited for and then held", () => {
  const { steps } = model(
    turn(0),
    started(0),
    other(
      "entityOperationCalled",
      1,
      { requestId: "r", operation: "add", targetInstanceId: "@c@x" },
      1,
    ),
    other(
      "entityOperationSignaled",
      1,
      { requestId: "s", operation: "hi", targetInstanceId: "@c@x" },
      2,
    ),
    other("entityLockRequested", 1, { criticalSectionId: "l", lockSet: ["@c@x", "@c@y"] }, 3),
    turn(4),
    other("entityOperationCompleted", 4, { requestId: "r" }),
    turn(5),
    other("entityLockGranted", 5, { criticalSectionId: "l" }),
    turn(9),
    other("entityUnlockSent", 9, { criticalSectionId: "l", targetInstanceId: "@c@x" }, 4),
    other("entityUnlockSent", 9, { criticalSectionId: "l", targetInstanceId: "@c@y" }, 5),
    ended(9),
  );
  assert.deepEqual(bars(steps[0]), [["attempt", "completed", 1, 4]]);
  assert.deepEqual(bars(steps[1]), [["attempt", "completed", 1, 1]]);
  assert.deepEqual(bars(steps[2]), [
    ["attempt", "completed", 1, 5],
    ["held", "completed", 5, 9],
  ]);
  assert.equal(steps[2].target, "@c@x, @c@y");
});

test("a suspension lasts until the resumption", () => {
  const { steps } = model(
    turn(50),
    started(0),
    other("executionSuspended", 10, {}),
    other("executionResumed", 45, {}),
    ended(51),
  );
  assert.deepEqual(bars(steps[0]), [["attempt", "completed", 10, 45]]);
});

test("pages may part a history anywhere", () => {
  const events = history(
    turn(0),
    started(0),
    task(1, 1, "flaky"),
    turn(10),
    taskFailed(10, 1),
    timer(11, 2, 31),
    turn(31),
    timerFired(31, 2),
    task(32, 1, "flaky"),
    turn(40),
    taskDone(40, 1),
    failed(41, "x"),
  );
  const whole = new HistoryModel();
  whole.add(events);
  const parted = new HistoryModel();
  for (const event of events) parted.add([event]);
  assert.deepEqual(parted.steps, whole.steps);
});

test("an orchestration with nothing open waits for an event", () => {
  const waiting = model(turn(0), started(0), task(1, 1, "a"), turn(5), taskDone(5, 1));
  const step = pendingStep(waiting, RUNNING);
  assert.deepEqual([step?.kind, step?.state, step?.isDerived], ["wait", "running", true]);
  assert.equal(pendingStep(model(turn(0), started(0), task(1, 1, "a")), RUNNING), null);
  assert.equal(pendingStep(model(turn(0), started(0), ended(1)), RUNNING), null);
  assert.equal(pendingStep(new HistoryModel(), { status: "ORCHESTRATION_STATUS_PENDING" }), null);
});

test("a suspended orchestration is suspended since it was last changed", () => {
  const instance = { status: "ORCHESTRATION_STATUS_SUSPENDED", lastUpdatedAt: at(700) };
  const step = pendingStep(model(turn(0), started(0), task(1, 1, "a")), instance);
  assert.deepEqual([step?.kind, step?.start], ["suspension", parseTime(at(700))]);
});

test("a time keeps its microseconds", () => {
  const time = parseTime("2026-11-25T18:00:00.123456Z");
  assert.equal(Math.round((time % 1) * 1000), 456);
  assert.equal(parseTime("2026-11-25T18:00:00Z"), Date.parse("2026-11-25T18:00:00Z"));
});

test("an event's kind is what else it holds", () => {
  assert.equal(
    kindOf({ index: 0, eventId: -1, timestamp: at(0), cut: {}, timerFired: {} }),
    "timerFired",
  );
  assert.equal(kindOf({ index: 0, timestamp: at(0) }), "unknown");
});

test("an event that nobody has heard of is passed over", () => {
  assert.deepEqual(model(turn(0), started(0), other("somethingNew", 1, { name: "x" })).steps, []);
});
