import assert from "node:assert/strict";
import { test } from "node:test";

import { failedStep } from "../js/instance/failure_path.js";
import { HistoryRows } from "../js/instance/history_rows.js";
import { partsOf, payloadOf, payloadRows } from "../js/instance/payload_items.js";
import {
  ROWS_MAX,
  autoExpanded,
  flatten,
  parentOf,
  signatureOf,
} from "../js/instance/timeline_rows.js";
import {
  branch,
  child,
  childDone,
  childFailed,
  ended,
  error,
  failed,
  history,
  model,
  started,
  task,
  taskDone,
  taskFailed,
  timer,
  timerFired,
  turn,
} from "./given.mjs";

const tree = () => {
  const main = model(
    turn(0),
    started(0),
    child(1, 1, "batch", "m:1"),
    child(1, 2, "batch", "m:2"),
    turn(9),
    childDone(9, 1),
  );
  const first = model(
    turn(2),
    started(2, "batch"),
    task(3, 1, "order"),
    turn(8),
    taskDone(8, 1),
    ended(8),
  );
  const known = new Map([["m:1", branch("m:1", first)]]);
  return { root: branch("m", main), find: (id) => known.get(id), main };
};

test("rows are nested by what is expanded", () => {
  const { root, find } = tree();
  const closed = flatten(root, new Set(["root"]), find);
  assert.deepEqual(
    closed.map(({ label, depth }) => [label, depth]),
    [
      ["main", 0],
      ["batch", 1],
      ["batch", 1],
    ],
  );
  const open = flatten(root, new Set(["root", closed[1].key]), find);
  assert.deepEqual(
    open.map(({ label }) => label),
    ["main", "batch", "order", "batch"],
  );
  assert.equal(open[2].ownerId, "m:1");
  assert.equal(parentOf(open, 2), 1);
  assert.deepEqual([open[3].position, open[3].siblings], [2, 2]);
});

test("a child that is not there yet says so", () => {
  const { root, find } = tree();
  const key = flatten(root, new Set(["root"]), find)[2].key;
  assert.equal(flatten(root, new Set(["root", key]), find)[3].label, "Loading …");
  const gone = () => branch("m:2", null, { error: "No such instance" });
  assert.equal(flatten(root, new Set(["root", key]), gone)[3].label, "No such instance");
});

test("an instance that calls itself ends somewhere", () => {
  const self = branch("m", model(turn(0), started(0), child(1, 1, "main", "m")));
  const expanded = new Set(["root"]);
  let key = "root";
  for (let depth = 0; depth < 100; depth += 1) expanded.add((key = `${key}/child-2`));
  assert.ok(flatten(self, expanded, () => self).length < 50);
});

test("there is an end to the rows, and it says so", () => {
  const steps = Array.from({ length: ROWS_MAX + 5 }, (_, at) => task(1, at + 1, "a"));
  const rows = flatten(
    branch("m", model(turn(0), started(0), ...steps)),
    new Set(["root"]),
    () => undefined,
  );
  assert.equal(rows.length, ROWS_MAX + 1);
  assert.match(rows[ROWS_MAX].label, /No more than 20,000 rows/);
});

test("few children are opened by themselves, many are not", () => {
  const { main } = tree();
  assert.equal(autoExpanded("root", main).length, 2);
  const many = [1, 2, 3, 4].map((id) => child(1, id, "batch", `m:${id}`));
  assert.deepEqual(autoExpanded("root", model(turn(0), started(0), ...many)), []);
});

test("a row that is concluded begins anew in each turn, others stay", () => {
  const { root, find } = tree();
  const [first, step] = flatten(root, new Set(["root"]), find);
  assert.equal(signatureOf(step, root), signatureOf({ ...step }, root));
  const later = { ...step, step: { ...step.step, start: step.step.start + 5 } };
  assert.notEqual(signatureOf(later, root), signatureOf(step, root));
  const failed = { ...root, status: "ORCHESTRATION_STATUS_FAILED" };
  assert.notEqual(signatureOf(first, failed), signatureOf(first, root));
  assert.equal(signatureOf(undefined, root), "");
});

const rowsOf = (...events) => {
  const rows = new HistoryRows();
  rows.add(history(...events));
  return rows;
};

test("a result is named after what it answers", () => {
  const rows = rowsOf(
    turn(0),
    started(0),
    task(1, 1, "charge"),
    turn(5),
    taskFailed(4, 1, "no money\nat all"),
  );
  assert.deepEqual(
    [rows.rows[4].name, rows.rows[4].note, rows.rows[4].isFailure],
    ["charge", "no money", true],
  );
});

test("the result of a sub-orchestration says whose it is", () => {
  const rows = rowsOf(
    turn(0),
    started(0),
    child(1, 2, "batch", "run:0002"),
    turn(5),
    childDone(4, 2),
  );
  assert.deepEqual([rows.rows[4].name, rows.rows[4].note], ["batch", "run:0002"]);
});

test("the time since the last event is never below nothing, and adds up", () => {
  const rows = rowsOf(turn(5), started(0), task(9, 1, "a"), turn(30), taskDone(29, 1)).rows;
  assert.deepEqual(
    rows.map(({ sinceLast }) => sinceLast),
    [0, 0, 4, 21, 0],
  );
});

test("events are filtered by kind, by text and by failure", () => {
  const rows = rowsOf(
    turn(0),
    started(0),
    task(1, 1, "charge"),
    turn(5),
    taskFailed(4, 1, "no money"),
    timer(6, 2, 9),
  );
  const all = { kinds: new Set(), text: "", failuresOnly: false };
  assert.equal(rows.matching(all).length, 6);
  assert.deepEqual(
    rows.matching({ ...all, kinds: new Set(["timerCreated", "taskScheduled"]) }),
    [2, 5],
  );
  assert.deepEqual(rows.matching({ ...all, text: "CHARGE" }), [2, 4]);
  assert.deepEqual(rows.matching({ ...all, text: "money" }), [4]);
  assert.deepEqual(rows.matching({ ...all, failuresOnly: true }), [4]);
  assert.equal(rows.counts.get("orchestratorStarted"), 2);
  assert.equal(rows.failures, 1);
});

test("an orchestration that failed is a failure too", () => {
  assert.equal(rowsOf(turn(0), started(0), failed(1, "x")).failures, 1);
});

test("what has no payload is not among the payloads", () => {
  const main = model(
    turn(0),
    started(0),
    task(1, 1, "charge"),
    timer(1, 2, 5),
    turn(5),
    timerFired(5, 2),
  );
  const rows = flatten(branch("m", main), new Set(["root"]), () => undefined);
  assert.deepEqual(
    payloadRows(rows, "").map(({ label }) => label),
    ["main", "charge"],
  );
  assert.deepEqual(
    payloadRows(rows, "CHAR").map(({ label }) => label),
    ["charge"],
  );
});

test("a step shows its input, then what each attempt came to, the last one first", () => {
  const { steps } = model(
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
  assert.deepEqual(
    partsOf(steps[0]).map(({ title, index }) => [title, index]),
    [
      ["Input", 8],
      ["Output", 10],
      ["Error of attempt 1", 4],
    ],
  );
});

test("an empty payload is a payload", () => {
  assert.equal(payloadOf({ result: "" }), "");
  assert.equal(payloadOf({ name: "x" }), null);
});

test("the step that an orchestration failed by is found by its error", () => {
  const caught = model(
    turn(0),
    started(0),
    task(1, 1, "a"),
    child(1, 2, "b", "m:2"),
    turn(5),
    taskFailed(4, 1, "caught"),
    childFailed(5, 2, "the end"),
    failed(6, "task 2 failed: the end"),
  );
  assert.equal(failedStep(caught, caught.failure)?.name, "b");
  const inner = { ...error("wrapped"), innerFailure: error("caught") };
  assert.equal(failedStep(caught, inner)?.name, "a");
});

test("where the orchestrator itself raised, no step is to blame", () => {
  const own = model(
    turn(0),
    started(0),
    task(1, 1, "a"),
    turn(5),
    taskFailed(4, 1, "caught"),
    failed(6, "own"),
  );
  assert.equal(failedStep(own, own.failure), null);
  assert.equal(failedStep(own, null), null);
});
