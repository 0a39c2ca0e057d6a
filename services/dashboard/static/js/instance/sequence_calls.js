// @ts-check
/** Steps as calls: who is called, and which repeated calls are one arrow. No DOM. */

/**
 * @typedef {import("./steps.js").Step} Step
 * @typedef {import("./timeline_rows.js").Branch} Branch
 *
 * @typedef {object} Participant a lifeline
 * @property {string} id
 * @property {"client" | "orchestration" | "activity" | "child" | "timer" | "event" | "entity"} kind
 * @property {string} label
 * @property {string} detail
 *
 * @typedef {object} Spread of durations, in milliseconds
 * @property {number} min
 * @property {number} median
 * @property {number} max
 *
 * @typedef {object} Call one step, or repeated ones that are drawn as one
 * @property {string} key
 * @property {Step[]} steps
 * @property {Participant} callee
 * @property {"one" | "fan-out" | "in a row"} shape
 * @property {string | null} group on the first of an expanded group: the group's key
 */

/** So many like calls of one turn are drawn as one. */
export const FAN_OUT_MIN = 3;
/** So many like calls one after the other are drawn as one. */
export const RUN_MIN = 5;

/** @type {Partial<Record<Step["kind"], boolean>>} */
const COLLAPSES = {
  activity: true,
  child: true,
  timer: true,
  entity: true,
  signal: true,
  sent: true,
};

/**
 * @param {Step} step
 * @returns {Participant}
 */
export function calleeOf(step) {
  switch (step.kind) {
    case "activity":
      return {
        id: `activity:${step.name}`,
        kind: "activity",
        label: step.name,
        detail: "activity",
      };
    case "child":
      return {
        id: `child:${step.name}`,
        kind: "child",
        label: step.name,
        detail: "sub-orchestration",
      };
    case "timer":
      return { id: "timer", kind: "timer", label: "Timers", detail: "timers" };
    case "wait":
      return { id: "event", kind: "event", label: "External events", detail: "external events" };
    case "entity":
    case "signal":
    case "lock":
      return entity(step.target?.split(", ", 1)[0] ?? "entity");
    case "sent":
      return instance(step.target ?? "");
    default:
      return { id: "client", kind: "client", label: "Client", detail: "client" };
  }
}

/**
 * @param {string} id
 * @returns {Participant}
 */
function entity(id) {
  return { id: `entity:${id}`, kind: "entity", label: id, detail: "entity" };
}

/**
 * @param {string} id
 * @returns {Participant}
 */
export function instance(id) {
  return { id: `instance:${id}`, kind: "orchestration", label: id, detail: "orchestration" };
}

/**
 * The calls of one instance, repeated ones taken together unless they are expanded.
 *
 * @param {Branch} branch
 * @param {string} branchKey
 * @param {Set<string>} expanded
 * @returns {Call[]}
 */
export function callsOf(branch, branchKey, expanded) {
  const model = branch.model;
  if (model === null) return [];
  const steps = branch.pending ? [...model.steps, branch.pending] : model.steps;
  const fanned = fanOuts(steps, branchKey, expanded);
  return inARow(fanned, branchKey, expanded);
}

/**
 * @param {Step[]} steps
 * @param {string} branchKey
 * @param {Set<string>} expanded
 * @returns {Call[]}
 */
function fanOuts(steps, branchKey, expanded) {
  /** @type {Map<string, Call>} */
  const groups = new Map();
  /** @type {Call[]} */
  const calls = [];
  for (const step of steps) {
    const callee = calleeOf(step);
    const key = `${branchKey}/turn-${step.turn}-${callee.id}-${step.kind}-${step.name}`;
    const group = groups.get(key);
    if (COLLAPSES[step.kind] && group !== undefined) group.steps.push(step);
    else {
      const call = {
        key,
        steps: [step],
        callee,
        shape: /** @type {const} */ ("fan-out"),
        group: null,
      };
      groups.set(key, call);
      calls.push(call);
    }
  }
  return calls.flatMap((call) => {
    const isGroup = call.steps.length >= FAN_OUT_MIN;
    if (isGroup && !expanded.has(call.key)) return [call];
    return call.steps.map((step, at) => {
      const group = isGroup && at === 0 ? call.key : null;
      return { ...call, key: `${branchKey}/${step.key}`, steps: [step], shape: "one", group };
    });
  });
}

/**
 * @param {Call[]} calls
 * @param {string} branchKey
 * @param {Set<string>} expanded
 * @returns {Call[]}
 */
function inARow(calls, branchKey, expanded) {
  /** @type {Call[]} */
  const out = [];
  let from = 0;
  while (from < calls.length) {
    let to = from + 1;
    while (to < calls.length && follows(calls[to - 1], calls[to])) to += 1;
    const run = calls.slice(from, to);
    const key = `${branchKey}/run-${run[0].steps[0].key}`;
    if (run.length >= RUN_MIN && !expanded.has(key)) {
      const steps = run.map((call) => call.steps[0]);
      out.push({ key, steps, callee: run[0].callee, shape: "in a row", group: null });
    } else {
      if (run.length >= RUN_MIN) run[0] = { ...run[0], group: key };
      for (const call of run) out.push(call); // not spread: there may be too many for a call
    }
    from = to;
  }
  return out;
}

/**
 * @param {Call} one
 * @param {Call} next
 */
function follows(one, next) {
  const [before] = one.steps;
  const [after] = next.steps;
  return (
    one.shape === "one" &&
    next.shape === "one" &&
    COLLAPSES[after.kind] === true &&
    one.callee.id === next.callee.id &&
    before.kind === after.kind &&
    before.name === after.name &&
    before.turn !== after.turn
  );
}

/**
 * @param {Step[]} steps
 * @returns {Spread | null} null while none has ended
 */
export function spreadOf(steps) {
  const times = steps
    .filter((step) => step.end !== null)
    .map((step) => (step.end ?? 0) - step.start)
    .sort((one, other) => one - other);
  if (times.length === 0) return null;
  const middle = times.length >> 1;
  const median = times.length % 2 ? times[middle] : (times[middle - 1] + times[middle]) / 2;
  return { min: times[0], median, max: times[times.length - 1] };
}
