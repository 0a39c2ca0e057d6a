/** Histories, written short: each turn is what it took in and what it scheduled. */

import { HistoryModel } from "../js/instance/events.js";

const BEGIN = Date.parse("2026-11-25T18:00:00Z");
const FAILED = "ORCHESTRATION_STATUS_FAILED";

/** @param {number} ms since the begin of each history */
export function at(ms) {
  return new Date(BEGIN + ms).toISOString();
}

export const error = (message) => ({ errorType: "ValueError", errorMessage: message });

/** An event `ms` after the begin; `id` is -1 but for what schedules. */
const event =
  (kind) =>
  (ms, body = {}, id = -1) => ({ timestamp: at(ms), eventId: id, [kind]: body });

export const turn = event("orchestratorStarted");
export const started = (ms, name = "main", more = {}) =>
  event("executionStarted")(ms, { name, ...more });
export const ended = (ms) =>
  event("executionCompleted")(ms, { orchestrationStatus: "ORCHESTRATION_STATUS_COMPLETED" });
export const failed = (ms, message) =>
  event("executionCompleted")(ms, { orchestrationStatus: FAILED, failureDetails: error(message) });
export const task = (ms, id, name) => event("taskScheduled")(ms, { name }, id);
export const taskDone = (ms, id) => event("taskCompleted")(ms, { taskScheduledId: id });
export const taskFailed = (ms, id, message = "no") =>
  event("taskFailed")(ms, { taskScheduledId: id, failureDetails: error(message) });
export const timer = (ms, id, due) => event("timerCreated")(ms, { fireAt: at(due) }, id);
export const timerFired = (ms, id) => event("timerFired")(ms, { timerId: id });
export const child = (ms, id, name, instanceId) =>
  event("subOrchestrationInstanceCreated")(ms, { name, instanceId }, id);
export const childDone = (ms, id) =>
  event("subOrchestrationInstanceCompleted")(ms, { taskScheduledId: id });
export const childFailed = (ms, id, message) =>
  event("subOrchestrationInstanceFailed")(ms, {
    taskScheduledId: id,
    failureDetails: error(message),
  });
export const raised = (ms, name) => event("eventRaised")(ms, { name });
export const other = (kind, ms, body, id = -1) => event(kind)(ms, body, id);

/** The events of a history, with their positions. */
export function history(...events) {
  return events.map((one, index) => ({ ...one, index }));
}

/** @param {...object} events */
export function model(...events) {
  const made = new HistoryModel();
  made.add(history(...events));
  return made;
}

/** A branch of the tree, loaded. */
export function branch(instanceId, loaded, more = {}) {
  return {
    instanceId,
    name: loaded?.name ?? instanceId,
    status: "ORCHESTRATION_STATUS_COMPLETED",
    model: loaded,
    pending: null,
    error: null,
    ...more,
  };
}

/** A step's bars: kind, state, and milliseconds from the begin. */
export function bars(step) {
  return step.segments.map(({ kind, state, start, end }) => [
    kind,
    state,
    Math.round(start - BEGIN),
    end === null ? null : Math.round(end - BEGIN),
  ]);
}
