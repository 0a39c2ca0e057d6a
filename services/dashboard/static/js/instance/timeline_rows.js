// @ts-check
/** The timeline's rows: a tree of instances and steps, flattened by what is expanded. No DOM. */

/**
 * @typedef {import("./steps.js").Step} Step
 * @typedef {import("./events.js").HistoryModel} HistoryModel
 *
 * @typedef {object} Branch what is known of one instance
 * @property {string} instanceId
 * @property {string} name
 * @property {string} status
 * @property {HistoryModel | null} model null while it is not loaded
 * @property {Step | null} pending what it is kept by that no event tells of
 * @property {string | null} error why it could not be loaded
 *
 * @typedef {object} Row
 * @property {string} key stable, so that expansion and the active row survive updates
 * @property {number} depth from 0
 * @property {"instance" | "step" | "note"} type
 * @property {Step | null} step
 * @property {string} ownerId the instance whose history the step stands in
 * @property {string | null} childId
 * @property {string} label
 * @property {boolean} isExpandable
 * @property {boolean} isExpanded
 * @property {number} position among its siblings, from 1
 * @property {number} siblings
 */

/** A child that starts its ancestor again would never end. */
const DEPTH_MAX = 32;
/** So many children are opened without being asked for. */
export const AUTO_EXPANDED_MAX = 3;
/** So many rows are shown at once; more are said to be there. */
export const ROWS_MAX = 20000;

/** @param {string} parentKey @param {Step} step */
export function childKey(parentKey, step) {
  return `${parentKey}/${step.key}`;
}

/**
 * @param {Branch} root
 * @param {Set<string>} expanded keys of rows
 * @param {(instanceId: string) => Branch | undefined} find
 * @returns {Row[]}
 */
export function flatten(root, expanded, find) {
  /** @type {Row[]} */
  const rows = [];
  rows.push({
    key: "root",
    depth: 0,
    type: "instance",
    step: null,
    ownerId: root.instanceId,
    childId: root.instanceId,
    label: root.name,
    isExpandable: true,
    isExpanded: expanded.has("root"),
    position: 1,
    siblings: 1,
  });
  if (expanded.has("root")) addBranch(rows, root, "root", 1, expanded, find);
  if (rows.length >= ROWS_MAX) {
    const limit = ROWS_MAX.toLocaleString("en");
    rows.push(
      note("end", 1, root.instanceId, `No more than ${limit} rows: close some to see others`),
    );
  }
  return rows;
}

/**
 * @param {Row[]} rows
 * @param {Branch | undefined} branch
 * @param {string} parentKey
 * @param {number} depth
 * @param {Set<string>} expanded
 * @param {(instanceId: string) => Branch | undefined} find
 */
function addBranch(rows, branch, parentKey, depth, expanded, find) {
  if (branch === undefined || branch.model === null) {
    rows.push(note(parentKey, depth, branch?.instanceId ?? "", branch?.error ?? "Loading …"));
    return;
  }
  const steps = branch.pending ? [...branch.model.steps, branch.pending] : branch.model.steps;
  if (steps.length === 0) rows.push(note(parentKey, depth, branch.instanceId, emptyText(branch)));
  steps.forEach((step, at) => {
    if (rows.length >= ROWS_MAX) return;
    const key = childKey(parentKey, step);
    const isExpandable = step.childId !== null && depth < DEPTH_MAX;
    const isExpanded = isExpandable && expanded.has(key);
    rows.push({
      key,
      depth,
      type: "step",
      step,
      ownerId: branch.instanceId,
      childId: step.childId,
      label: step.name,
      isExpandable,
      isExpanded,
      position: at + 1,
      siblings: steps.length,
    });
    if (isExpanded) addBranch(rows, find(step.childId ?? ""), key, depth + 1, expanded, find);
  });
}

/** @param {Branch} branch */
function emptyText(branch) {
  if (branch.status === "ORCHESTRATION_STATUS_PENDING") return "Not started yet";
  return branch.model?.end === null ? "Nothing scheduled yet" : "It scheduled nothing";
}

/**
 * @param {string} parentKey
 * @param {number} depth
 * @param {string} ownerId
 * @param {string} label
 * @returns {Row}
 */
function note(parentKey, depth, ownerId, label) {
  return {
    key: `${parentKey}/note`,
    depth,
    type: "note",
    step: null,
    ownerId,
    childId: null,
    label,
    isExpandable: false,
    isExpanded: false,
    position: 1,
    siblings: 1,
  };
}

/**
 * The keys of the children to open at first: all of them where they are few.
 *
 * @param {string} parentKey
 * @param {HistoryModel} model
 */
export function autoExpanded(parentKey, model) {
  const children = model.steps.filter((step) => step.childId !== null);
  if (children.length > AUTO_EXPANDED_MAX) return [];
  return children.map((step) => childKey(parentKey, step));
}

/**
 * The row that holds another one, by position; -1 for the first.
 *
 * @param {Row[]} rows
 * @param {number} at
 */
export function parentOf(rows, at) {
  for (let above = at - 1; above >= 0; above -= 1) {
    if (rows[above].depth < rows[at].depth) return above;
  }
  return -1;
}

/**
 * What a row shows, as far as it can change: one that shows the same stays in the page.
 *
 * @param {Row | undefined} row
 * @param {Branch} root
 */
export function signatureOf(row, root) {
  if (row === undefined) return "";
  const step = row.step;
  // The start too: what is concluded, such as that it waits, begins anew in each turn.
  const shown = step
    ? [step.state, step.start, step.end, step.segments.length, step.segments.at(-1)?.state]
    : [root.status, root.model?.end, row.label];
  return [row.key, row.isExpanded, ...shown].join(" ");
}
