// @ts-check
/** The history's rows: kinds with their words and icons, filters and counts. No DOM. */

import { kindOf, parseTime } from "./events.js";

/**
 * @typedef {import("./events.js").HistoryEvent} HistoryEvent
 *
 * @typedef {object} HistoryRow
 * @property {number} index
 * @property {string} kind
 * @property {number} time milliseconds since 1970
 * @property {number} sinceLast milliseconds since the latest time so far: an event that waited for
 *   its turn is older than the turn, and 0
 * @property {string} name
 * @property {string} note what else is worth a glance: an error, an id, a due time
 * @property {boolean} isFailure
 *
 * @typedef {object} Filter
 * @property {Set<string>} kinds none: all of them
 * @property {string} text
 * @property {boolean} failuresOnly
 */

/** @type {Record<string, {icon: string, tone: string}>} */
const LOOKS = {
  executionStarted: { icon: "orchestration", tone: "running" },
  executionCompleted: { icon: "check", tone: "completed" },
  executionTerminated: { icon: "stop", tone: "terminated" },
  executionSuspended: { icon: "pause", tone: "suspended" },
  executionResumed: { icon: "running", tone: "running" },
  executionRewound: { icon: "refresh", tone: "running" },
  continueAsNew: { icon: "refresh", tone: "running" },
  orchestratorStarted: { icon: "orchestration", tone: "plain" },
  orchestratorCompleted: { icon: "orchestration", tone: "plain" },
  taskScheduled: { icon: "activity", tone: "running" },
  taskCompleted: { icon: "activity", tone: "completed" },
  taskFailed: { icon: "activity", tone: "failed" },
  subOrchestrationInstanceCreated: { icon: "child", tone: "running" },
  subOrchestrationInstanceCompleted: { icon: "child", tone: "completed" },
  subOrchestrationInstanceFailed: { icon: "child", tone: "failed" },
  timerCreated: { icon: "timer", tone: "running" },
  timerFired: { icon: "timer", tone: "completed" },
  eventSent: { icon: "event", tone: "running" },
  eventRaised: { icon: "event", tone: "completed" },
  entityOperationSignaled: { icon: "entity", tone: "running" },
  entityOperationCalled: { icon: "entity", tone: "running" },
  entityOperationCompleted: { icon: "entity", tone: "completed" },
  entityOperationFailed: { icon: "entity", tone: "failed" },
  entityLockRequested: { icon: "entity", tone: "pending" },
  entityLockGranted: { icon: "entity", tone: "completed" },
  entityUnlockSent: { icon: "entity", tone: "plain" },
};

/** @param {HistoryRow} row */
export function lookOf(row) {
  if (row.kind === "executionCompleted" && row.isFailure) return { icon: "cross", tone: "failed" };
  return LOOKS[row.kind] ?? { icon: "event", tone: "plain" };
}

/**
 * "TaskScheduled": the protocol's own word.
 *
 * @param {string} kind
 */
export function wordOf(kind) {
  return kind.charAt(0).toUpperCase() + kind.slice(1);
}

/** What scheduled a result, by the field that points to it. */
const SCHEDULED_BY = {
  taskCompleted: "taskScheduledId",
  taskFailed: "taskScheduledId",
  subOrchestrationInstanceCompleted: "taskScheduledId",
  subOrchestrationInstanceFailed: "taskScheduledId",
  entityOperationCompleted: "requestId",
  entityOperationFailed: "requestId",
  entityLockGranted: "criticalSectionId",
};

/** Turns events into rows, page by page: results are named after what they answer. */
export class HistoryRows {
  constructor() {
    /** @type {HistoryRow[]} */
    this.rows = [];
    /** @type {Map<string, string>} names by event id, request id or critical section */
    this.names = new Map();
    /** @type {Map<string, string>} ids of sub-orchestrations by event id */
    this.children = new Map();
    /** @type {Map<string, number>} */
    this.counts = new Map();
    this.failures = 0;
    /** @type {number | null} */
    this.latest = null;
  }

  /** @param {HistoryEvent[]} events */
  add(events) {
    for (const event of events) {
      const kind = kindOf(event);
      const row = this.rowOf(event, kind, event[kind] ?? {});
      this.rows.push(row);
      this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
      if (row.isFailure) this.failures += 1;
    }
  }

  /**
   * @param {HistoryEvent} event
   * @param {string} kind
   * @param {any} body
   * @returns {HistoryRow}
   */
  rowOf(event, kind, body) {
    const time = parseTime(event.timestamp);
    const sinceLast = this.latest === null ? 0 : Math.max(0, time - this.latest);
    this.latest = Math.max(this.latest ?? time, time);
    const failure = body.failureDetails;
    const isFailure =
      Boolean(failure) || body.orchestrationStatus === "ORCHESTRATION_STATUS_FAILED";
    return {
      index: event.index,
      kind,
      time,
      sinceLast,
      name: this.nameOf(event, kind, body),
      note: failure
        ? firstLine(failure.errorMessage ?? failure.errorType ?? "")
        : this.noteOf(event, kind, body),
      isFailure,
    };
  }

  /**
   * @param {HistoryEvent} event
   * @param {string} kind
   * @param {any} body
   */
  nameOf(event, kind, body) {
    const link = SCHEDULED_BY[/** @type {keyof typeof SCHEDULED_BY} */ (kind)];
    if (link !== undefined) return this.names.get(String(body[link] ?? 0)) ?? "";
    const name = body.name ?? body.operation ?? "";
    const key = body.requestId ?? body.criticalSectionId ?? event.eventId ?? 0;
    if (name !== "" && key !== -1) this.names.set(String(key), name);
    return name;
  }

  /**
   * Of many results of one name, which one it is.
   *
   * @param {HistoryEvent} event
   * @param {string} kind
   * @param {any} body
   */
  noteOf(event, kind, body) {
    if (kind === "subOrchestrationInstanceCreated") {
      this.children.set(String(event.eventId ?? 0), body.instanceId ?? "");
    } else if (kind === "subOrchestrationInstanceCompleted") {
      return this.children.get(String(body.taskScheduledId ?? 0)) ?? "";
    }
    return noteOf(body);
  }

  /**
   * The positions of the rows that a filter lets through.
   *
   * @param {Filter} filter
   * @returns {number[]}
   */
  matching(filter) {
    const text = filter.text.toLowerCase();
    const found = [];
    for (let at = 0; at < this.rows.length; at += 1) {
      const row = this.rows[at];
      if (filter.kinds.size > 0 && !filter.kinds.has(row.kind)) continue;
      if (filter.failuresOnly && !row.isFailure) continue;
      if (text !== "" && !`${row.name}\n${row.note}`.toLowerCase().includes(text)) continue;
      found.push(at);
    }
    return found;
  }
}

/** @param {any} body */
function noteOf(body) {
  if (body.orchestrationStatus) {
    const word = body.orchestrationStatus.replace("ORCHESTRATION_STATUS_", "");
    return word.charAt(0) + word.slice(1).toLowerCase();
  }
  if (body.fireAt) return `due ${body.fireAt.replace("T", " ").replace(/\.\d+Z$|Z$/, "")} UTC`;
  if (body.lockSet) return body.lockSet.join(", ");
  return body.targetInstanceId ?? body.instanceId ?? body.reason ?? "";
}

/** @param {string} text */
function firstLine(text) {
  return text.split("\n", 1)[0];
}
