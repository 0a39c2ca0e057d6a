// @ts-check
/** What a sequence diagram is made of: each kind of step says which arrows it is. No DOM. */

import { callsOf, instance, spreadOf } from "./sequence_calls.js";
import { lastSegment } from "./steps.js";

/**
 * @typedef {import("./steps.js").Step} Step
 * @typedef {import("./steps.js").StepState} StepState
 * @typedef {import("./steps.js").Segment} Segment
 * @typedef {import("./timeline_rows.js").Branch} Branch
 * @typedef {import("./sequence_calls.js").Call} Call
 * @typedef {import("./sequence_calls.js").Participant} Participant
 * @typedef {import("./sequence_calls.js").Spread} Spread
 *
 * @typedef {object} Message an arrow
 * @property {string} key
 * @property {"call" | "return" | "oneway"} kind
 * @property {string} from the id of a participant
 * @property {string} to
 * @property {string} label
 * @property {number} time
 * @property {StepState} state
 * @property {number | null} duration of what returns, in milliseconds
 * @property {Spread | null} spread of what returns, where it is several
 * @property {number} count
 * @property {number} failed
 * @property {string | null} expandKey what a click opens or closes
 * @property {boolean} isExpanded
 * @property {string | null} group what it is the first of, to be closed again
 * @property {Call | null} call
 * @property {string} ownerId the instance in whose history it stands
 * @property {Step | null} step where it is one
 *
 * @typedef {object} Span what an activation is drawn for
 * @property {string} participant
 * @property {string} startKey
 * @property {string | null} endKey
 * @property {StepState} state
 * @property {string | null} ownerId the instance that calls; with it ends what it has left behind
 */

const DEPTH_MAX = 16;

/** Gathers messages while the tree of instances is walked. */
export class Drawing {
  /**
   * @param {Set<string>} expanded
   * @param {(instanceId: string) => Branch | undefined} find
   */
  constructor(expanded, find) {
    this.expanded = expanded;
    this.find = find;
    /** @type {Message[]} */
    this.messages = [];
    /** @type {Span[]} */
    this.spans = [];
    /** @type {Map<string, Participant>} */
    this.participants = new Map();
    /** @type {Map<string, string>} the keys of the messages with which instances end */
    this.ends = new Map();
    /** @type {string[]} */
    this.missing = [];
  }

  /** @param {Participant} participant */
  meet(participant) {
    if (!this.participants.has(participant.id)) this.participants.set(participant.id, participant);
    return participant.id;
  }

  /**
   * @param {Pick<Message, "key" | "kind" | "from" | "to" | "label" | "time" | "state" | "ownerId">
   *   & Partial<Message>} message
   */
  say(message) {
    this.messages.push({
      duration: null,
      spread: null,
      count: 1,
      failed: 0,
      expandKey: null,
      isExpanded: false,
      group: message.kind === "return" ? null : (message.call?.group ?? null),
      call: null,
      step: null,
      ...message,
    });
    return message.key;
  }

  /**
   * @param {string} participant
   * @param {string} startKey
   * @param {string | null} endKey
   * @param {StepState} state
   * @param {string | null} ownerId
   */
  activate(participant, startKey, endKey, state, ownerId) {
    this.spans.push({ participant, startKey, endKey, state, ownerId });
  }
}

/**
 * @param {Drawing} drawing
 * @param {Branch} branch
 * @param {string} branchKey
 * @param {string} self the participant that calls
 * @param {number} depth
 */
export function drawCalls(drawing, branch, branchKey, self, depth) {
  for (const call of callsOf(branch, branchKey, drawing.expanded)) {
    if (call.shape !== "one") drawMany(drawing, branch, call, self);
    else DRAWN[call.steps[0].kind](drawing, { branch, call, self, depth, step: call.steps[0] });
  }
}

/**
 * @param {Drawing} drawing
 * @param {Branch} branch
 * @param {Call} call
 * @param {string} self
 */
function drawMany(drawing, branch, call, self) {
  const { steps, key } = call;
  const callee = drawing.meet(call.callee);
  const count = steps.length;
  const failed = steps.filter((step) => step.state === "failed").length;
  const open = steps.filter((step) => step.state === "running").length;
  const done = steps.filter((step) => step.state === "completed").length;
  const isOneWay = steps[0].kind === "signal" || steps[0].kind === "sent";
  const shared = {
    count,
    failed,
    call,
    ownerId: branch.instanceId,
    expandKey: key,
    isExpanded: false,
  };
  const label = `${nameOf(steps[0])} × ${count.toLocaleString("en")}`;
  const start = drawing.say({
    ...shared,
    key: `${key}/call`,
    kind: isOneWay ? "oneway" : "call",
    from: self,
    to: callee,
    label,
    time: steps.reduce((first, step) => Math.min(first, step.start), Infinity),
    state: "completed",
  });
  if (isOneWay) return;
  let end = null;
  const rest = done === count ? "completed" : "abandoned";
  const state = failed > 0 ? "failed" : open > 0 ? "running" : rest;
  if (open === 0 && done + failed > 0) {
    end = drawing.say({
      ...shared,
      key: `${key}/return`,
      kind: "return",
      from: callee,
      to: self,
      spread: spreadOf(steps.filter((step) => step.state !== "abandoned")),
      label: outcomesOf(done, failed, count - done - failed),
      time: steps.reduce((last, step) => Math.max(last, step.end ?? 0), 0),
      state,
    });
  }
  drawing.activate(callee, start, end, state, branch.instanceId);
}

/** @param {number} done @param {number} failed @param {number} abandoned */
function outcomesOf(done, failed, abandoned) {
  const parts = [`${done.toLocaleString("en")} done`];
  if (failed > 0) parts.push(`${failed.toLocaleString("en")} failed`);
  if (abandoned > 0) parts.push(`${abandoned.toLocaleString("en")} not finished`);
  return parts.join(", ");
}

/** @param {Step} step */
function nameOf(step) {
  return step.kind === "timer" ? "timer" : step.name;
}

/** @typedef {{branch: Branch, call: Call, self: string, depth: number, step: Step}} Scene */

/**
 * Each attempt is a call of its own; the last one of a sub-orchestration may be opened.
 *
 * @param {Drawing} drawing
 * @param {Scene} scene
 */
function drawAttempts(drawing, { branch, call, self, depth, step }) {
  const attempts = step.segments.filter((segment) => segment.kind === "attempt");
  const expandKey = step.childId !== null && depth < DEPTH_MAX ? call.key : null;
  const isExpanded = expandKey !== null && drawing.expanded.has(expandKey);
  attempts.forEach((attempt, at) => {
    const isLast = at === attempts.length - 1;
    const inside = isExpanded && isLast;
    const callee = drawing.meet(inside ? childOf(step, branch.instanceId) : call.callee);
    const shared = {
      step,
      call,
      ownerId: branch.instanceId,
      expandKey: isLast ? expandKey : null,
      isExpanded,
    };
    const suffix = attempts.length > 1 ? ` (attempt ${at + 1})` : "";
    const start = drawing.say({
      ...shared,
      key: `${call.key}/${at}/call`,
      kind: "call",
      from: self,
      to: callee,
      label: nameOf(step) + suffix,
      time: attempt.start,
      state: "completed",
    });
    if (inside) drawInside(drawing, step, call.key, callee, depth);
    const end = drawReturn(drawing, `${call.key}/${at}/return`, attempt, callee, self, shared);
    if (inside && end !== null && step.childId !== null) drawing.ends.set(step.childId, end);
    drawing.activate(callee, start, end, attempt.state, branch.instanceId);
  });
}

/** A child's own lifeline. @param {Step} step @param {string} parentId @returns {Participant} */
function childOf(step, parentId) {
  const id = step.childId ?? "";
  const number = id.startsWith(parentId) ? ` ${id.slice(parentId.length)}` : "";
  return { ...instance(id), label: `${step.name}${number}`, detail: id };
}

/**
 * @param {Drawing} drawing
 * @param {Step} step
 * @param {string} key
 * @param {string} callee
 * @param {number} depth
 */
function drawInside(drawing, step, key, callee, depth) {
  const branch = drawing.find(step.childId ?? "");
  if (branch?.model) drawCalls(drawing, branch, key, callee, depth + 1);
  else if (step.childId !== null) drawing.missing.push(step.childId);
}

/**
 * @param {Drawing} drawing
 * @param {string} key
 * @param {Segment} attempt
 * @param {string} callee
 * @param {string} self
 * @param {Partial<Message> & {step: Step, ownerId: string}} shared
 */
function drawReturn(drawing, key, attempt, callee, self, shared) {
  if (attempt.end === null || attempt.state === "abandoned") return null;
  const failed = attempt.state === "failed";
  const word = shared.step.kind === "timer" ? "fired" : failed ? "failed" : "done";
  return drawing.say({
    ...shared,
    key,
    kind: "return",
    from: callee,
    to: self,
    label: word,
    time: attempt.end,
    state: attempt.state,
    failed: failed ? 1 : 0,
    duration: attempt.end - attempt.start,
  });
}

/** @param {Drawing} drawing @param {Scene} scene */
function drawLock(drawing, { branch, call, self, step }) {
  const callee = drawing.meet(call.callee);
  const shared = { step, call, ownerId: branch.instanceId };
  const wide = (step.target ?? "").split(", ").length;
  const start = drawing.say({
    ...shared,
    key: `${call.key}/call`,
    kind: "call",
    from: self,
    to: callee,
    label: wide > 1 ? `lock ${wide} entities` : "lock",
    time: step.start,
    state: "completed",
  });
  const [asked, held] = step.segments;
  if (asked.end !== null && held !== undefined) {
    drawing.say({
      ...shared,
      key: `${call.key}/return`,
      kind: "return",
      from: callee,
      to: self,
      label: "locked",
      time: asked.end,
      state: "completed",
      duration: asked.end - asked.start,
    });
  }
  const end =
    held === undefined || held.end === null
      ? null
      : drawing.say({
          ...shared,
          key: `${call.key}/unlock`,
          kind: "oneway",
          from: self,
          to: callee,
          label: "unlock",
          time: held.end,
          state: "completed",
        });
  drawing.activate(callee, start, end, lastSegment(step).state, branch.instanceId);
}

/** @param {Drawing} drawing @param {Scene} scene */
function drawOneWay(drawing, { branch, call, self, step }) {
  const callee = drawing.meet(call.callee);
  drawing.say({
    key: `${call.key}/call`,
    kind: "oneway",
    from: self,
    to: callee,
    label: step.name,
    time: step.start,
    state: "completed",
    ownerId: branch.instanceId,
    step,
    call,
  });
}

/**
 * What comes from outside: an external event, a suspension, a rewind.
 *
 * @param {Drawing} drawing
 * @param {Scene} scene
 */
function drawArrival(drawing, { branch, call, self, step }) {
  const source = drawing.meet(call.callee);
  const shared = {
    ownerId: branch.instanceId,
    step,
    call,
    state: /** @type {const} */ ("completed"),
  };
  const isWait = step.kind === "wait";
  if (isWait && step.end === null) return; // nothing has come yet
  drawing.say({
    ...shared,
    key: `${call.key}/in`,
    kind: "oneway",
    from: source,
    to: self,
    label: step.name,
    time: isWait ? (step.end ?? step.start) : step.start,
    duration: isWait && step.end !== null ? step.end - step.start : null,
  });
  if (step.kind !== "suspension" || step.end === null) return;
  drawing.say({
    ...shared,
    key: `${call.key}/out`,
    kind: "oneway",
    from: source,
    to: self,
    label: "resumed",
    time: step.end,
    duration: step.end - step.start,
  });
}

/** @type {Record<Step["kind"], (drawing: Drawing, scene: Scene) => void>} */
const DRAWN = {
  activity: drawAttempts,
  child: drawAttempts,
  timer: drawAttempts,
  entity: drawAttempts,
  lock: drawLock,
  signal: drawOneWay,
  sent: drawOneWay,
  wait: drawArrival,
  suspension: drawArrival,
  mark: drawArrival,
};
