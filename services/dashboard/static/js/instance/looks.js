// @ts-check
/** How kinds and states look and what they are called: one table for all tabs. */

/**
 * @typedef {import("./steps.js").StepKind} StepKind
 * @typedef {import("./steps.js").Step} Step
 */

/** @type {Record<StepKind, {icon: string, word: string}>} */
export const KINDS = {
  activity: { icon: "activity", word: "Activity" },
  child: { icon: "child", word: "Sub-orchestration" },
  timer: { icon: "timer", word: "Timer" },
  wait: { icon: "event", word: "External event" },
  entity: { icon: "entity", word: "Entity call" },
  lock: { icon: "entity", word: "Entity lock" },
  signal: { icon: "entity", word: "Entity signal" },
  sent: { icon: "event", word: "Event sent" },
  suspension: { icon: "pause", word: "Suspension" },
  mark: { icon: "refresh", word: "Orchestration" },
};

/** @type {Record<string, {icon: string, word: string, tone: string}>} */
export const STATES = {
  running: { icon: "running", word: "Running", tone: "running" },
  completed: { icon: "check", word: "Completed", tone: "completed" },
  failed: { icon: "cross", word: "Failed", tone: "failed" },
  abandoned: { icon: "stop", word: "Not finished", tone: "terminated" },
  terminated: { icon: "stop", word: "Terminated", tone: "terminated" },
  pending: { icon: "clock", word: "Pending", tone: "pending" },
  suspended: { icon: "pause", word: "Suspended", tone: "suspended" },
};

/** @param {string} status the protocol's name of it */
export function stateOfStatus(status) {
  const word = status.replace("ORCHESTRATION_STATUS_", "").toLowerCase();
  return word in STATES ? word : "running";
}

/** How a step's state looks: a suspension that goes on is no work. @param {Step} step */
export function lookOfState(step) {
  const isHeld = step.kind === "suspension" && step.state === "running";
  return STATES[isHeld ? "suspended" : step.state];
}

/**
 * What a step is, in words: some kinds have their own for what they are doing.
 *
 * @param {Step} step
 */
export function wordOfState(step) {
  if (step.state === "running") {
    if (step.kind === "wait") return "Waiting";
    if (step.kind === "timer") return "Running";
    if (step.kind === "lock") return step.segments.length > 1 ? "Held" : "Waiting";
    if (step.kind === "suspension") return "Suspended";
    if (step.segments[step.segments.length - 1].kind === "backoff") return "Waiting to retry";
  }
  if (step.state === "completed") {
    if (step.kind === "timer") return "Fired";
    if (step.kind === "wait") return "Received";
    if (step.kind === "lock") return "Released";
    if (step.kind === "signal" || step.kind === "sent") return "Sent";
    if (step.kind === "suspension") return "Resumed";
  }
  return STATES[step.state].word;
}

/** @param {Step} step */
export function titleOf(step) {
  switch (step.kind) {
    case "timer":
      return "Timer";
    case "lock":
      return `Lock ${step.target}`;
    case "entity":
    case "signal":
      return `${step.target} ${step.name}`;
    case "suspension":
      return "Suspended";
    case "mark":
      return step.name.charAt(0).toUpperCase() + step.name.slice(1);
    default:
      return step.name;
  }
}

/**
 * Below a millisecond digits matter, above it `formatDuration` does.
 *
 * @param {number} ms
 * @param {(ms: number) => string} format
 */
export function fine(ms, format) {
  if (ms > 0 && ms < 1) return `${ms.toFixed(2)} ms`;
  return ms < 10 && ms > 0 ? `${ms.toFixed(1)} ms` : format(ms);
}
