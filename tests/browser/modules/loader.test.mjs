import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { downloadHistory } from "../js/instance/history_download.js";
import { Store } from "../js/instance/loader.js";
import { child, ended, history, started, task, turn } from "./given.mjs";

const STATUS = "ORCHESTRATION_STATUS_";
/** The instances of a hub that answers as the API does: id to what there is of it. */
const hub = new Map();
let asked = [];

function answer(status, body) {
  return new Response(JSON.stringify(body), { status, headers: { etag: `"${asked.length}"` } });
}

const missing = () => answer(404, { error: { code: "NOT_FOUND", message: "There is none" } });

globalThis.document = { body: { dataset: { api: "" } } };
globalThis.fetch = async (url) => {
  asked.push(url);
  const [, id, executionId, query] =
    /^\/orchestrations\/([^/]+)(?:\/executions\/([^/]+)\/history\?(.*))?$/.exec(url);
  const found = hub.get(id);
  if (found === undefined) return missing();
  if (executionId === undefined) return answer(200, found.instance);
  if (executionId !== found.instance.executionId) return missing();
  const from = Number(new URLSearchParams(query).get("cursor") ?? 0);
  const to = Math.min(found.events.length, from + (found.pageEvents ?? 1000));
  found.onPage?.(from);
  return answer(200, {
    events: found.events.slice(from, to),
    nextCursor: to < found.events.length ? String(to) : null,
    endCursor: String(to),
    total: found.events.length,
  });
};

/** Puts an instance into the hub, or changes it. */
function put(id, word, events, more = {}) {
  const { executionId = "first", ...others } = more;
  const instance = {
    instanceId: id,
    executionId,
    name: "main",
    status: `${STATUS}${word}`,
    lastUpdatedAt: `${word} ${events.length}`,
    historyEvents: events.length,
  };
  hub.set(id, { instance, events: history(...events), ...others });
}

const open = (word = "RUNNING") => new Store("m", { name: "main", status: `${STATUS}${word}` });
const signal = new AbortController().signal;
const begun = [turn(0), started(0)];

beforeEach(() => {
  hub.clear();
  asked = [];
});

test("an instance that was purged is not asked for again, and what is known of it stays", async () => {
  put("m", "RUNNING", [...begun, task(1, 1, "a")]);
  const store = open();
  await store.look(signal);
  assert.ok(store.isOpen());
  hub.clear();
  await store.look(signal);
  assert.ok(!store.isOpen());
  assert.match(store.root.error, /purged/);
  assert.equal(store.root.model.steps.length, 1);
  // Another one under its id is told of from outside.
  put("m", "RUNNING", begun, { executionId: "second" });
  store.reopen();
  assert.ok(store.isOpen());
  await store.look(signal);
  assert.ok(store.isOpen());
  assert.equal(store.root.error, null);
  assert.equal(store.root.model.steps.length, 0);
});

test("a child that was seen running and is gone is asked for once", async () => {
  put("m", "RUNNING", [...begun, child(1, 1, "batch", "c")]);
  put("c", "RUNNING", begun);
  const store = open();
  await store.look(signal);
  await store.load("c");
  store.watchers.add(() => ["c"]);
  hub.delete("c");
  await store.look(signal);
  asked = [];
  await store.look(signal);
  assert.deepEqual(
    asked.filter((url) => url.startsWith("/orchestrations/c")),
    [],
  );
  assert.ok(store.find("c").isGone);
  assert.equal(store.find("c").status, `${STATUS}RUNNING`);
});

test("a child that never was there is not asked for either", async () => {
  put("m", "RUNNING", [...begun, child(1, 1, "batch", "c")]);
  const store = open();
  await store.look(signal);
  await store.load("c");
  store.watchers.add(() => ["c"]);
  asked = [];
  await store.look(signal);
  assert.ok(!asked.includes("/orchestrations/c"));
  assert.equal(store.find("c").error, "There is none");
});

test("what others doubt is asked anew, and is shown as whole meanwhile", async () => {
  put("m", "COMPLETED", [...begun, ended(5)]);
  const store = open("COMPLETED");
  await store.look(signal);
  assert.ok(!store.isOpen());
  store.reopen();
  assert.ok(store.isOpen() && store.root.isComplete);
  await store.look(signal);
  assert.ok(!store.isOpen());
});

test("a download never joins two executions", async () => {
  const events = [...begun, task(1, 1, "a"), task(1, 2, "b")];
  put("m", "RUNNING", events);
  const store = open();
  await store.look(signal);
  const onPage = (from) => {
    if (from === 0) return;
    put("m", "RUNNING", begun, { executionId: "second" });
    // The page goes on looking, and the store knows the new one already.
    store.root.executionId = "second";
  };
  put("m", "RUNNING", events, { pageEvents: 1, onPage });
  await assert.rejects(
    downloadHistory(store, signal, () => {}),
    /replaced or purged meanwhile/,
  );
});
