// @ts-check
/**
 * A history as the steps that it tells of. No DOM: Node runs it in the tests.
 *
 * Events come in the order of the history, in as many calls of `add` as there are pages. A history
 * has no event for the beginning of a wait: it is taken to begin with the turn before the one that
 * took the event in, the last moment at which the orchestration can have gone to sleep.
 */

import { Retries, endStep, lastSegment, newSegment, newStep } from "./steps.js";

/**
 * @typedef {import("./steps.js").Step} Step
 * @typedef {import("./steps.js").StepKind} StepKind
 * @typedef {import("./steps.js").Failure} Failure
 */

/**
 * The protobuf JSON of an event, with its position.
 *
 * @typedef {{index: number, eventId?: number, timestamp: string, cut?: Record<string, number>,
 *   stored?: Record<string, number | null>} & Record<string, any>} HistoryEvent
 */

const NO_KIND = new Set(["index", "eventId", "timestamp", "cut", "stored"]);

/**
 * Milliseconds since 1970, microseconds behind the point. `Date.parse` alone would lose them.
 *
 * @param {string} text RFC 3339
 */
export function parseTime(text) {
  const match = /^(.*?)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/.exec(text);
  if (match === null) return Date.parse(text);
  return Date.parse(match[1] + match[3]) + Number(`0.${match[2] ?? 0}`) * 1000;
}

/**
 * The kind of an event, such as `taskScheduled`.
 *
 * @param {HistoryEvent} event
 */
export function kindOf(event) {
  for (const key of Object.keys(event)) if (!NO_KIND.has(key)) return key;
  return "unknown";
}

/** The steps of one execution. */
export class HistoryModel {
  constructor() {
    /** @type {Step[]} in the order in which they were scheduled */
    this.steps = [];
    /** @type {string | null} */
    this.name = null;
    /** @type {{name: string, instanceId: string} | null} */
    this.parent = null;
    /** @type {number | null} */
    this.start = null;
    /** @type {number | null} */
    this.end = null;
    /** @type {string | null} the status that it ended with */
    this.endStatus = null;
    /** @type {Failure | null} */
    this.failure = null;
    /** @type {number[]} when each turn began */
    this.turns = [];
    this.size = 0;
    /** @type {number | null} the positions of the events with its input and its output */
    this.inputIndex = null;
    /** @type {number | null} */
    this.outputIndex = null;
    this.links = new Retries();
    /** @type {Map<string, Step>} by kind and event id or request id */
    this.known = new Map();
  }

  get retries() {
    return this.links.count;
  }

  get turn() {
    return Math.max(0, this.turns.length - 1);
  }

  /** @param {HistoryEvent[]} events the next ones */
  add(events) {
    for (const event of events) {
      const kind = kindOf(event);
      HANDLERS[kind]?.(this, event, event[kind], parseTime(event.timestamp));
      this.size += 1;
    }
  }

  /** @param {Step} step */
  push(step) {
    this.steps.push(step);
  }

  /** @param {Step[]} timers that were taken for pauses */
  putBack(timers) {
    if (timers.length === 0) return;
    for (const timer of timers) this.steps.push(timer); // not spread: there may be too many
    this.steps.sort((one, other) => one.segments[0].startIndex - other.segments[0].startIndex);
  }

  /** @returns {Step[]} */
  openSteps() {
    return this.steps.filter((step) => step.state === "running");
  }
}

/**
 * @typedef {(model: HistoryModel, event: HistoryEvent, body: any, time: number) => void} Handler
 */

/**
 * @param {"activity" | "child"} kind
 * @returns {Handler}
 */
function schedules(kind) {
  return (model, event, body, time) => {
    const id = `${kind}:${event.eventId ?? 0}`;
    const again = model.links.retried(model.known.get(id), kind, body.name);
    if (again !== undefined) {
      again.segments.push(newSegment("attempt", time, event.index));
      again.attempts += 1;
      again.state = "running";
      again.end = null;
      again.failure = null;
      again.inputIndex = event.index;
      again.outputIndex = null;
      if (kind === "child") again.childId = body.instanceId;
      model.known.set(id, again);
      return;
    }
    const childId = kind === "child" ? body.instanceId : null;
    const step = newStep(kind, body.name, time, event.index, model.turn, { childId });
    model.known.set(id, step);
    model.push(step);
  };
}

/**
 * @param {string} kind
 * @param {string} link the field that names what has ended
 * @returns {Handler}
 */
function ends(kind, link) {
  return (model, event, body, time) => {
    const step = model.known.get(`${kind}:${body[link] ?? 0}`);
    // A second result for one step changes nothing, as in the scheduler.
    if (step === undefined || lastSegment(step).state !== "running") return;
    if (lastSegment(step).kind === "backoff") return;
    endStep(step, time, event.index, body.failureDetails ?? null);
    if (body.failureDetails) model.links.failedNow(step);
  };
}

/**
 * Something that happens at one moment.
 *
 * @param {StepKind} kind
 * @param {(body: any) => string} name
 * @param {(body: any) => string | null} [target]
 * @returns {Handler}
 */
function moment(kind, name, target = () => null) {
  return (model, event, body, time) => {
    const step = newStep(kind, name(body), time, event.index, model.turn, { target: target(body) });
    endStep(step, time, null);
    model.push(step);
  };
}

/** @type {Handler} */
function startsExecution(model, event, body, time) {
  model.name = body.name;
  model.start = time;
  model.inputIndex = event.index;
  const parent = body.parentInstance;
  const parentId = parent?.orchestrationInstance?.instanceId;
  if (parentId) model.parent = { name: parent.name ?? parentId, instanceId: parentId };
}

/** @type {Handler} */
function completesExecution(model, event, body, time) {
  model.end = time;
  model.endStatus = body.orchestrationStatus ?? "ORCHESTRATION_STATUS_RUNNING";
  model.failure = body.failureDetails ?? null;
  model.outputIndex = event.index;
  model.putBack(model.links.end());
  for (const step of model.openSteps()) {
    step.state = "abandoned";
    lastSegment(step).state = "abandoned";
    lastSegment(step).end = time;
    step.end = time;
  }
}

/** @type {Handler} */
function createsTimer(model, event, body, time) {
  const due = parseTime(body.fireAt);
  const timer = newStep("timer", "timer", time, event.index, model.turn);
  timer.segments[0].due = due;
  model.known.set(`timer:${event.eventId ?? 0}`, timer);
  if (!model.links.takes(timer, model.turn)) model.push(timer);
}

/** @type {Handler} */
function firesTimer(model, event, body, time) {
  const timer = model.known.get(`timer:${body.timerId ?? 0}`);
  if (timer === undefined || timer.state !== "running") return;
  endStep(timer, time, event.index);
  model.links.firedNow(timer, time, event.index);
}

/** @type {Handler} */
function raisesEvent(model, event, body, time) {
  const before = model.turns[model.turns.length - 2] ?? time;
  const start = Math.min(before, time);
  const wait = newStep("wait", body.name, start, event.index, model.turn, { isDerived: true });
  endStep(wait, time, event.index);
  model.push(wait);
}

/** @type {Handler} */
function callsEntity(model, event, body, time) {
  const target = body.targetInstanceId ?? null;
  const step = newStep("entity", body.operation, time, event.index, model.turn, { target });
  model.known.set(`entity:${body.requestId}`, step);
  model.push(step);
}

/** @type {Handler} */
function requestsLock(model, event, body, time) {
  const target = (body.lockSet ?? []).join(", ");
  const step = newStep("lock", "lock", time, event.index, model.turn, { target });
  model.known.set(`lock:${body.criticalSectionId}`, step);
  model.push(step);
}

/** @type {Handler} */
function grantsLock(model, event, body, time) {
  const step = model.known.get(`lock:${body.criticalSectionId}`);
  if (step === undefined || step.segments.length > 1) return;
  endStep(step, time, event.index);
  step.segments.push(newSegment("held", lastSegment(step).end ?? time, event.index));
  step.state = "running";
  step.end = null;
}

/** @type {Handler} */
function unlocks(model, event, body, time) {
  const step = model.known.get(`lock:${body.criticalSectionId}`);
  // One of these comes for each entity of the section; they are sent together.
  if (step !== undefined && step.segments.length > 1) endStep(step, time, event.index);
}

/** @type {Handler} */
function suspends(model, event, _body, time) {
  const step = newStep("suspension", "suspended", time, event.index, model.turn);
  if (model.known.get("suspension")?.state === "running") return;
  model.known.set("suspension", step);
  model.push(step);
}

/** @type {Handler} */
function resumes(model, event, _body, time) {
  const step = model.known.get("suspension");
  if (step?.state === "running") endStep(step, time, event.index);
}

/** @type {Record<string, Handler>} */
const HANDLERS = {
  orchestratorStarted(model, _event, _body, time) {
    model.putBack(model.links.nextTurn());
    model.turns.push(time);
    model.start ??= time;
  },
  executionStarted: startsExecution,
  executionCompleted: completesExecution,
  executionTerminated: moment("mark", () => "terminated"),
  executionRewound: moment("mark", () => "rewound"),
  continueAsNew: moment("mark", () => "continued as new"),
  taskScheduled: schedules("activity"),
  taskCompleted: ends("activity", "taskScheduledId"),
  taskFailed: ends("activity", "taskScheduledId"),
  subOrchestrationInstanceCreated: schedules("child"),
  subOrchestrationInstanceCompleted: ends("child", "taskScheduledId"),
  subOrchestrationInstanceFailed: ends("child", "taskScheduledId"),
  timerCreated: createsTimer,
  timerFired: firesTimer,
  eventRaised: raisesEvent,
  eventSent: moment(
    "sent",
    (body) => body.name,
    (body) => body.instanceId,
  ),
  executionSuspended: suspends,
  executionResumed: resumes,
  entityOperationCalled: callsEntity,
  entityOperationCompleted: ends("entity", "requestId"),
  entityOperationFailed: ends("entity", "requestId"),
  entityOperationSignaled: moment(
    "signal",
    (body) => body.operation,
    (body) => body.targetInstanceId ?? null,
  ),
  entityLockRequested: requestsLock,
  entityLockGranted: grantsLock,
  entityUnlockSent: unlocks,
};

/**
 * What an orchestration is kept by that no event tells of: a suspension that is going on, or, when
 * nothing else is open, an external event.
 *
 * @param {HistoryModel} model
 * @param {{status: string, lastUpdatedAt?: string | null}} instance
 * @returns {Step | null}
 */
export function pendingStep(model, instance) {
  if (model.end !== null || model.turns.length === 0) return null;
  const last = model.turns[model.turns.length - 1];
  if (instance.status === "ORCHESTRATION_STATUS_SUSPENDED") {
    const since = instance.lastUpdatedAt ? parseTime(instance.lastUpdatedAt) : last;
    return newStep("suspension", "suspended", since, -1, model.turn, { isDerived: true });
  }
  if (instance.status !== "ORCHESTRATION_STATUS_RUNNING") return null;
  if (model.openSteps().length > 0) return null;
  return newStep("wait", "external event", last, -1, model.turn, { isDerived: true });
}
