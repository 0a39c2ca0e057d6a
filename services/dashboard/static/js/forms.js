// @ts-check
/** What each action asks, says and sends: for one instance, and for many. */

/**
 * @typedef {import("./dialogs.js").Field} Field
 * @typedef {import("./dialogs.js").Values} Values
 *
 * @typedef {object} Form
 * @property {string} label
 * @property {string} done
 * @property {string[]} says
 * @property {Field[]} fields
 * @property {boolean} [danger]
 * @property {boolean} [atOnce] one instance needs no question
 * @property {(values: Values) => {method: "POST" | "DELETE", path: string, body?: object}} one
 * @property {(values: Values) => object} many
 */

/** @type {Field} */
const REASON = { name: "reason", label: "Reason", hint: "It stands in the history." };

/** @param {Values} values */
function reasonOf(values) {
  return values.reason ? { reason: values.reason } : {};
}

/**
 * @param {string} event
 * @param {object} content
 */
function toHistory(event, content) {
  return { method: /** @type {const} */ ("POST"), path: "/history", body: { [event]: content } };
}

/** @param {Values} values */
function eventOf(values) {
  return values.input ? { input: values.input } : {};
}

/** @param {Values} values */
function endOf(values) {
  return values.output ? { output: values.output } : {};
}

/** @type {Record<string, Form>} */
export const FORMS = {
  suspend: {
    label: "Suspend",
    done: "Suspended",
    says: ["Nothing new is started until it is resumed. What activities are doing goes on, and events are kept."],
    fields: [REASON],
    atOnce: true,
    one: (values) => toHistory("executionSuspended", reasonOf(values)),
    many: reasonOf,
  },
  resume: {
    label: "Resume",
    done: "Resumed",
    says: ["It goes on where it was suspended."],
    fields: [REASON],
    atOnce: true,
    one: (values) => toHistory("executionResumed", reasonOf(values)),
    many: reasonOf,
  },
  raiseEvent: {
    label: "Raise event",
    done: "Event raised",
    says: ["An event that nothing waits for yet is kept until something does."],
    fields: [
      { name: "eventName", label: "Event name", required: true },
      { name: "input", label: "Data", kind: "json", hint: 'JSON, such as {"approved": true}' },
    ],
    one: (values) => toHistory("eventRaised", { name: values.eventName, ...eventOf(values) }),
    many: (values) => ({ eventName: values.eventName, ...eventOf(values) }),
  },
  restart: {
    label: "Restart",
    done: "Restarted",
    says: ["It starts again from its beginning, with the input that it had."],
    fields: [
      {
        name: "isNew",
        label: "Under a new instance id",
        kind: "check",
        value: true,
        hint: "Under the same id the history so far is replaced, and it must have ended.",
      },
    ],
    one: ({ isNew }) => ({ method: "POST", path: "/restart", body: { restartWithNewInstanceId: isNew } }),
    many: ({ isNew }) => ({ newInstanceIds: isNew }),
  },
  rewind: {
    label: "Rewind",
    done: "Rewound",
    says: ["It goes back to before its failures and tries them again; what has succeeded is kept. Failed sub-orchestrations are rewound too."],
    fields: [REASON],
    one: (values) => toHistory("executionRewound", reasonOf(values)),
    many: reasonOf,
  },
  terminate: {
    label: "Terminate",
    done: "Terminated",
    says: ["It ends now, as terminated. What activities are doing at this moment goes on, but nobody takes the results."],
    fields: [
      { name: "recurse", label: "Terminate its running sub-orchestrations too", kind: "check", value: true },
      { name: "output", label: "Output", kind: "json", hint: "JSON: what it is to have returned." },
    ],
    danger: true,
    one: (values) => toHistory("executionTerminated", { recurse: values.recurse, ...endOf(values) }),
    many: (values) => ({ recursive: values.recurse, ...endOf(values) }),
  },
  purge: {
    label: "Purge",
    done: "Purged",
    says: ["History, input and output are deleted, and cannot be brought back."],
    fields: [{ name: "recurse", label: "Purge its sub-orchestrations too", kind: "check", value: true }],
    danger: true,
    one: ({ recurse }) => ({ method: "DELETE", path: `?recursive=${recurse}` }),
    many: ({ recurse }) => ({ recursive: recurse }),
  },
};
