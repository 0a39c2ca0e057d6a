// @ts-check
/** What is to be said of a step: in a tooltip, and read out. */

import { formatDuration, formatTime, now } from "../clock.js";
import { el, icon } from "./element.js";
import { parseTime } from "./events.js";
import { KINDS, STATES, fine, stateOfStatus, titleOf, wordOfState } from "./looks.js";
import { factSheet } from "./tooltip.js";

/**
 * @typedef {import("./steps.js").Step} Step
 * @typedef {import("./steps.js").Segment} Segment
 * @typedef {import("./timeline_rows.js").Row} Row
 * @typedef {import("./loader.js").Loaded} Loaded
 */

const ERROR_CHARS_MAX = 300;

/** @param {number} ms */
export function durationText(ms) {
  return fine(ms, formatDuration);
}

/** @param {{start: number, end: number | null}} span */
export function lengthOf(span) {
  return Math.max(0, (span.end ?? now()) - span.start);
}

/** Whether a step takes time, or is over as it happens. @param {Step} step */
export function isMoment(step) {
  return step.kind === "signal" || step.kind === "sent" || step.kind === "mark";
}

/**
 * "Activity charge_card, Failed, 1.03 s, 3 attempts".
 *
 * @param {Step} step
 */
export function sentenceOf(step) {
  const parts = [wordOfState(step)];
  if (!isMoment(step)) parts.push(durationText(lengthOf(step)));
  if (step.attempts > 1) parts.push(`${step.attempts} attempts`);
  if (step.failure) parts.push(errorLine(step.failure));
  return parts.join(", ");
}

/** @param {import("./steps.js").Failure} failure */
export function errorLine(failure) {
  const message = failure.errorMessage || failure.errorType || "failed";
  const line = message.split("\n", 1)[0];
  return line.length > ERROR_CHARS_MAX ? `${line.slice(0, ERROR_CHARS_MAX)} …` : line;
}

/**
 * @param {Step} step
 * @param {number} origin when the instance on the page began
 */
export function stepSheet(step, origin) {
  const state = STATES[step.state];
  const head = el(
    "p",
    { class: "tip-head" },
    icon(KINDS[step.kind].icon),
    el("strong", {}, titleOf(step)),
    el("span", { class: `tone-${state.tone}` }, wordOfState(step)),
  );
  const due = step.segments[step.segments.length - 1].due;
  return factSheet(
    head,
    [
      ["Kind", KINDS[step.kind].word],
      [isMoment(step) ? "At" : "Started", momentOf(step.start, origin)],
      [
        "Duration",
        isMoment(step)
          ? null
          : `${step.isDerived ? "at most " : ""}${durationText(lengthOf(step))}`,
      ],
      [
        step.end === null && due !== null && step.kind === "timer" ? "Due" : "",
        due === null ? null : momentOf(due, origin),
      ],
      ["Instance", step.childId],
      ["Attempts", step.attempts > 1 ? attemptList(step) : null],
      ["Error", step.failure ? errorLine(step.failure) : null],
    ],
    footOf(step),
  );
}

/** @param {Step} step */
function footOf(step) {
  if (step.kind === "wait" && step.isDerived) {
    return "A history does not say when a wait began; this one is counted from the turn before.";
  }
  if (step.state === "abandoned") return "The orchestration ended first.";
  return "";
}

/**
 * "+4.77 s · 2026-11-25 18:44:45.973".
 *
 * @param {number} time
 * @param {number} origin
 */
export function momentOf(time, origin) {
  const sign = time < origin ? "−" : "+";
  return `${sign}${durationText(Math.abs(time - origin))} · ${formatTime(time)}`;
}

/** @param {Step} step */
function attemptList(step) {
  const attempts = step.segments.filter(({ kind }) => kind === "attempt");
  const shown = attempts.slice(-6);
  const list = el("ol", { class: "tip-attempts", start: attempts.length - shown.length + 1 });
  for (const attempt of shown) {
    const { tone, word } = STATES[attempt.state];
    list.append(
      el(
        "li",
        {},
        el("span", { class: `tone-${tone}` }, word),
        ` ${durationText(lengthOf(attempt))}`,
        attempt.failure ? el("span", { class: "muted" }, ` ${errorLine(attempt.failure)}`) : null,
      ),
    );
  }
  return list;
}

/** When an instance began, or was created to begin one day. @param {Loaded} branch */
export function beginOf({ model, instance }) {
  return model?.start ?? (instance ? parseTime(instance.createdAt) : null);
}

/** @param {Loaded} branch @param {number} origin */
export function instanceSheet(branch, origin) {
  const state = STATES[stateOfStatus(branch.status)];
  const model = branch.model;
  const start = model?.start ?? origin;
  return factSheet(
    el(
      "p",
      { class: "tip-head" },
      icon("orchestration"),
      el("strong", {}, branch.name),
      el("span", { class: `tone-${state.tone}` }, state.word),
    ),
    [
      [model?.start === null ? "Created" : "Started", momentOf(start, origin)],
      ["Duration", durationText(lengthOf({ start, end: model?.end ?? null }))],
      ["Steps", model ? model.steps.length.toLocaleString("en") : null],
      ["Retries", model?.retries ? String(model.retries) : null],
      ["Error", model?.failure ? errorLine(model.failure) : null],
    ],
  );
}
