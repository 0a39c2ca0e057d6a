// @ts-check
/**
 * What has an input or an output: the instance, its steps, and the steps of its children. No DOM.
 */

/**
 * @typedef {import("./steps.js").Step} Step
 * @typedef {import("./timeline_rows.js").Row} Row
 */

/** What history kinds call the payload that goes in and the one that comes out. */
const FIELDS = ["input", "result", "output", "data", "reason"];
const NOTHING_SENT = new Set(["timer", "lock", "suspension"]);

/**
 * The rows that have a payload and match what is searched for.
 *
 * @param {Row[]} rows
 * @param {string} query
 * @returns {Row[]}
 */
export function payloadRows(rows, query) {
  const text = query.trim().toLowerCase();
  return rows.filter((row) => {
    if (row.type === "note") return text === "";
    if (row.step !== null && NOTHING_SENT.has(row.step.kind)) return false;
    if (row.step !== null && row.step.inputIndex < 0) return false;
    if (text === "") return true;
    return `${row.label}\n${row.step?.target ?? ""}\n${row.childId ?? ""}`
      .toLowerCase()
      .includes(text);
  });
}

/**
 * The payload that an event carries, or null.
 *
 * @param {Record<string, any>} body of the event
 * @returns {string | null}
 */
export function payloadOf(body) {
  for (const field of FIELDS) if (typeof body?.[field] === "string") return body[field];
  return null;
}

/**
 * The events to look at for a step: what went in, what came out, one for each attempt's end.
 *
 * @param {Step} step
 * @returns {{title: string, index: number, isFailure: boolean}[]}
 */
export function partsOf(step) {
  if (step.kind === "wait") return [{ title: "Data", index: step.inputIndex, isFailure: false }];
  const parts = [{ title: "Input", index: step.inputIndex, isFailure: false }];
  const attempts = step.segments.filter(({ kind }) => kind === "attempt");
  attempts.forEach((attempt, at) => {
    if (attempt.endIndex === null) return;
    const isFailure = attempt.state === "failed";
    const isLast = at === attempts.length - 1;
    const which = attempts.length > 1 ? ` of attempt ${at + 1}` : "";
    const title = isFailure ? `Error${which}` : isLast ? "Output" : `Output${which}`;
    parts.push({ title, index: attempt.endIndex, isFailure });
  });
  // The last attempt first: it is what the step came to.
  return [parts[0], ...parts.slice(1).reverse()];
}
