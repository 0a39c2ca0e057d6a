// @ts-check
/** The sequence diagram: lifelines, messages in the order of time, activations. No DOM. */

import { instance } from "./sequence_calls.js";
import { Drawing, drawCalls } from "./sequence_drawing.js";

/**
 * @typedef {import("./steps.js").StepState} StepState
 * @typedef {import("./timeline_rows.js").Branch} Branch
 * @typedef {import("./sequence_calls.js").Participant} Participant
 * @typedef {import("./sequence_drawing.js").Message} Message
 * @typedef {import("./sequence_drawing.js").Span} Span
 *
 * @typedef {object} Activation a bar on a lifeline, from one message to another, by position
 * @property {string} participant
 * @property {number} from
 * @property {number | null} to null: it goes on
 * @property {number} level beside others that run at the same time
 * @property {StepState} state
 *
 * @typedef {object} Sequence
 * @property {Participant[]} participants
 * @property {Message[]} messages
 * @property {Activation[]} activations
 * @property {number} total messages there are, shown or not
 * @property {string[]} missing ids of instances that are expanded and not loaded yet
 */

/** So many arrows are drawn at first. */
export const MESSAGES_MAX = 300;
const LEVELS_MAX = 5;

/**
 * @param {Branch} root
 * @param {Set<string>} expanded keys of calls
 * @param {(instanceId: string) => Branch | undefined} find
 * @param {number} [messagesMax]
 * @returns {Sequence}
 */
export function sequenceOf(root, expanded, find, messagesMax = MESSAGES_MAX) {
  const drawing = new Drawing(expanded, find);
  drawRoot(drawing, root);
  const all = drawing.messages
    .map((message, at) => ({ message, at }))
    .sort((one, other) => one.message.time - other.message.time || one.at - other.at)
    .map(({ message }) => message);
  const messages = all.slice(0, messagesMax);
  return {
    participants: inOrder(drawing, messages),
    messages,
    activations: activationsOf(drawing, messages),
    total: all.length,
    missing: drawing.missing,
  };
}

/** @param {Drawing} drawing @param {Branch} root */
function drawRoot(drawing, root) {
  const model = root.model;
  if (model === null || model.start === null) return;
  const parent = model.parent;
  const caller = drawing.meet(
    parent === null
      ? { id: "client", kind: "client", label: "Client", detail: "client" }
      : { ...instance(parent.instanceId), label: parent.name, detail: "parent" },
  );
  const self = drawing.meet({
    ...instance(root.instanceId),
    label: root.name,
    detail: "this orchestration",
  });
  const ownerId = root.instanceId;
  const start = drawing.say({
    key: "root/start",
    kind: "call",
    from: caller,
    to: self,
    label: "start",
    time: model.start,
    state: "completed",
    ownerId,
  });
  drawCalls(drawing, root, "root", self, 0);
  let end = null;
  if (model.end !== null) {
    const state = stateOf(model.endStatus);
    end = drawing.say({
      key: "root/end",
      kind: "return",
      from: self,
      to: caller,
      label: wordOf(model.endStatus),
      time: model.end,
      state,
      ownerId,
      duration: model.end - model.start,
    });
    drawing.ends.set(ownerId, end);
  }
  const state = model.end === null ? "running" : stateOf(model.endStatus);
  drawing.activate(self, start, end, state, null);
}

/** @param {string | null} status @returns {StepState} */
function stateOf(status) {
  if (status === "ORCHESTRATION_STATUS_FAILED") return "failed";
  return status === "ORCHESTRATION_STATUS_TERMINATED" ? "abandoned" : "completed";
}

/** @param {string | null} status */
function wordOf(status) {
  return (status ?? "").replace("ORCHESTRATION_STATUS_", "").replaceAll("_", " ").toLowerCase();
}

/**
 * The lifelines that have something on them, by first use; the caller and the instance come first.
 *
 * @param {Drawing} drawing
 * @param {Message[]} messages
 */
function inOrder(drawing, messages) {
  const ids = new Set(messages.flatMap(({ from, to }) => [from, to]));
  return [...ids].map((id) => /** @type {Participant} */ (drawing.participants.get(id)));
}

/**
 * @param {Drawing} drawing
 * @param {Message[]} messages
 * @returns {Activation[]}
 */
function activationsOf({ spans, ends }, messages) {
  const at = new Map(messages.map((message, position) => [message.key, position]));
  /** @type {Map<string, (number | null)[]>} when each level of a lifeline is free again */
  const levels = new Map();
  return spans
    .filter(({ startKey }) => at.has(startKey))
    .map((span) => ({ span, from: /** @type {number} */ (at.get(span.startKey)) }))
    .sort((one, other) => one.from - other.from)
    .map(({ span, from }) => {
      const to = at.get(span.endKey ?? endWithOwner(span, ends) ?? "") ?? null;
      const taken = levels.get(span.participant) ?? [];
      levels.set(span.participant, taken);
      let level = taken.findIndex((free) => free !== null && free <= from);
      if (level < 0) level = taken.length;
      taken[level] = to;
      return {
        participant: span.participant,
        from,
        to,
        level: Math.min(level, LEVELS_MAX),
        state: span.state,
      };
    });
}

/**
 * What its orchestration left behind does not go on beyond that.
 *
 * @param {Span} span
 * @param {Map<string, string>} ends
 */
function endWithOwner({ state, ownerId }, ends) {
  return state === "abandoned" && ownerId !== null ? ends.get(ownerId) : undefined;
}
