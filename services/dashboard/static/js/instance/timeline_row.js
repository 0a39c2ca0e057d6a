// @ts-check
/** One row of the timeline, as elements. */

import { el, icon } from "./element.js";
import { KINDS, STATES, lookOfState, stateOfStatus, titleOf } from "./looks.js";
import { sentenceOf } from "./step_facts.js";
import { makeTrack } from "./timeline_bars.js";

/**
 * @typedef {import("./timeline_rows.js").Row} Row
 * @typedef {import("./loader.js").Loaded} Loaded
 * @typedef {import("./timeline_bars.js").Track} Track
 */

const INDENT = 16;
const ID_CHARS_MAX = 12;

/** The address of an instance's page. @param {string} instanceId */
export function pageOf(instanceId) {
  const hub = (document.body.dataset.api ?? "").replace(/\/api$/, "");
  return `${hub}/orchestrations/${encodeURIComponent(instanceId)}`;
}

/**
 * @param {Row} row
 * @param {number} at its position
 * @param {Loaded | undefined} branch of the instance, for the row of one
 * @returns {{element: HTMLElement, track: Track}}
 */
export function makeRow(row, at, branch) {
  const element = el("div", {
    class: `tl-row is-${row.type}`,
    role: "row",
    id: `tl-row-${at}`,
    "aria-level": row.depth + 1,
    "aria-rowindex": at + 2,
    "aria-posinset": row.position,
    "aria-setsize": row.siblings,
    "aria-expanded": row.isExpandable ? String(row.isExpanded) : null,
    "aria-selected": "false",
  });
  const label = el("div", { class: "tl-label", role: "gridcell" });
  label.style.paddingLeft = `${8 + Math.min(row.depth, 12) * INDENT}px`;
  label.append(
    el("span", { class: "tl-chevron" }, row.isExpandable ? icon("chevron") : null),
    ...labelParts(row, branch),
  );
  const track = makeTrack(row, branch);
  const sentence = row.step ? sentenceOf(row.step) : wordOf(row, branch);
  track.element.append(el("span", { class: "only-read-out" }, sentence));
  element.append(label, track.element);
  return { element, track };
}

/**
 * What tells children of one name apart: an id that begins with its parent's goes on with a number.
 *
 * @param {string} childId
 * @param {string} parentId
 */
export function shortId(childId, parentId) {
  if (childId.startsWith(parentId) && childId !== parentId) return childId.slice(parentId.length);
  return childId.length > ID_CHARS_MAX ? `${childId.slice(0, ID_CHARS_MAX)}…` : childId;
}

/** @param {Row} row @param {Loaded | undefined} branch */
function wordOf(row, branch) {
  return row.type === "instance" && branch ? STATES[stateOfStatus(branch.status)].word : "";
}

/**
 * @param {Row} row
 * @param {Loaded | undefined} branch
 * @returns {Node[]}
 */
function labelParts(row, branch) {
  if (row.type === "note") return [el("span", { class: "tl-note" }, row.label)];
  const step = row.step;
  const state = step ? lookOfState(step) : STATES[stateOfStatus(branch?.status ?? "")];
  const parts = [
    icon(state.icon, `tone-${state.tone} tl-state`),
    icon(step ? KINDS[step.kind].icon : "orchestration", "tl-kind"),
    nameOf(row),
  ];
  const suffix = row.childId !== null && step !== null ? shortId(row.childId, row.ownerId) : "";
  if (suffix !== "") parts.push(el("span", { class: "tl-suffix", title: row.childId }, suffix));
  if (step && step.attempts > 1) {
    const title = `${step.attempts} attempts`;
    const className = `tl-attempts${step.state === "failed" ? " is-failed" : ""}`;
    parts.push(el("span", { class: className, title }, `×${step.attempts}`));
  }
  return parts;
}

/** A link to a child; a button that opens a step's payloads. @param {Row} row */
function nameOf(row) {
  const step = row.step;
  if (step === null) return el("span", { class: "tl-name cut" }, row.label);
  if (row.childId !== null) {
    return el("a", { class: "tl-name cut", href: pageOf(row.childId), tabindex: -1 }, row.label);
  }
  return el("button", { type: "button", class: "tl-name cut", tabindex: -1 }, titleOf(step));
}
