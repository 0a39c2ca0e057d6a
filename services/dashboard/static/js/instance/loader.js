// @ts-check
/**
 * What the tabs know: the instance, its history and, once asked for, its children's. Pages through a
 * history once, without payloads, and later asks only for what has been added.
 */

import { ApiError, getJson, segment } from "../api.js";
import { HistoryModel, pendingStep } from "./events.js";
import { HistoryRows } from "./history_rows.js";

/**
 * @typedef {import("./events.js").HistoryEvent} HistoryEvent
 * @typedef {import("./timeline_rows.js").Branch} Branch
 * @typedef {import("./payload.js").Stored} Stored
 *
 * @typedef {object} Instance what the API says of an instance
 * @property {string} instanceId
 * @property {string} executionId
 * @property {string} name
 * @property {string} status
 * @property {string} createdAt
 * @property {string} lastUpdatedAt
 * @property {string | null} completedAt
 * @property {string | null} parentInstanceId
 * @property {import("./steps.js").Failure | null} [failureDetails]
 * @property {string | null} customStatus
 * @property {number} historyEvents
 * @property {number} inputBytes
 * @property {number} outputBytes
 *
 * isDoubted: it has changed, others say; isGone: there is no such instance any more, which is not
 * asked for again.
 *
 * @typedef {Branch & {
 *   instance: Instance | null,
 *   executionId: string,
 *   etag: string | null,
 *   cursor: string | null,
 *   rows: HistoryRows,
 *   total: number,
 *   isComplete: boolean,
 *   isDoubted: boolean,
 *   isGone: boolean,
 *   loading: Promise<void> | null,
 * }} Loaded
 */

const PAGE_EVENTS = 1000;
const AT_ONCE_MAX = 4;
/** So many children are asked about in one round; the others have their turn in the next. */
const WATCHED_MAX = 24;

const GONE = "It is not there any more: it was purged. What had been loaded is still shown.";

/** @param {string} status */
export function isFinished(status) {
  return /COMPLETED|FAILED|TERMINATED/.test(status);
}

/** @param {Instance | null} before @param {Instance} now */
function isUnchanged(before, now) {
  return (
    before !== null &&
    before.executionId === now.executionId &&
    before.status === now.status &&
    before.lastUpdatedAt === now.lastUpdatedAt &&
    before.historyEvents === now.historyEvents
  );
}

/** @param {string} instanceId */
export function pathOf(instanceId) {
  return `/orchestrations/${segment(instanceId)}`;
}

export class Store {
  /**
   * @param {string} rootId
   * @param {{name: string, status: string}} known what the page says already
   */
  constructor(rootId, known) {
    this.rootId = rootId;
    /** @type {Map<string, Loaded>} */
    this.branches = new Map();
    /** @type {Set<(id: string) => void>} */
    this.listeners = new Set();
    /** @type {Set<() => Iterable<string>>} who wants which children to be kept up to date */
    this.watchers = new Set();
    this.round = 0;
    this.root = this.make(rootId, known.name, known.status);
  }

  /** @param {string} id @param {string} name @param {string} status */
  make(id, name, status) {
    /** @type {Loaded} */
    const branch = {
      instanceId: id,
      name,
      status,
      model: null,
      pending: null,
      error: null,
      instance: null,
      executionId: "",
      etag: null,
      cursor: null,
      rows: new HistoryRows(),
      total: 0,
      isComplete: false,
      isDoubted: false,
      isGone: false,
      loading: null,
    };
    this.branches.set(id, branch);
    return branch;
  }

  /** @param {string} id */
  find = (id) => this.branches.get(id);

  /** @param {(id: string) => void} listener told which instance has changed */
  onChange(listener) {
    this.listeners.add(listener);
  }

  /** @param {string} id */
  tell(id) {
    for (const listener of this.listeners) listener(id);
  }

  /**
   * Loads an instance that is not there yet; what it comes to stands in its branch, errors too.
   *
   * @param {string} id
   * @param {string} [name]
   */
  load(id, name = id) {
    const branch = this.branches.get(id) ?? this.make(id, name, "ORCHESTRATION_STATUS_RUNNING");
    if (branch.loading) return branch.loading;
    if (branch.model !== null && branch.isComplete) return Promise.resolve();
    branch.error = null;
    branch.isGone = false;
    return this.refresh(branch).catch((error) => {
      if (!(error instanceof ApiError)) throw error;
      branch.error = error.message;
      branch.isGone = error.status === 404;
      this.tell(id);
    });
  }

  /**
   * @param {Iterable<[string, string]>} wanted ids and names
   */
  async loadMany(wanted) {
    const queue = [...wanted];
    const work = async () => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift())
        await this.load(...next);
    };
    await Promise.all(Array.from({ length: AT_ONCE_MAX }, work));
  }

  /**
   * Asks what has changed since the last time.
   *
   * @param {Loaded} branch
   * @param {AbortSignal} [signal]
   */
  refresh(branch, signal) {
    branch.loading ??= this.read(branch, signal).finally(() => {
      branch.loading = null;
    });
    return branch.loading;
  }

  /** @param {Loaded} branch @param {AbortSignal} [signal] */
  async read(branch, signal) {
    const answer = await getJson(pathOf(branch.instanceId), { etag: branch.etag, signal });
    if (answer.status === 304) return;
    branch.isGone = false;
    // The tag is the hub's: something else may have changed. Then there is nothing more to ask.
    const isSame = branch.isComplete && isUnchanged(branch.instance, answer.body);
    this.take(branch, answer.body);
    if (isSame) {
      branch.etag = answer.etag;
      branch.isDoubted = false;
      return;
    }
    try {
      await this.readHistory(branch, signal);
    } catch (error) {
      // Between the two questions it became another execution: the next round sees that one.
      if (!(error instanceof ApiError && error.status === 404)) throw error;
      branch.etag = null;
      return;
    }
    branch.etag = answer.etag;
    branch.isDoubted = false;
    branch.error = null;
    branch.pending = branch.model ? pendingStep(branch.model, answer.body) : null;
    this.tell(branch.instanceId);
  }

  /** @param {Loaded} branch @param {Instance} instance */
  take(branch, instance) {
    branch.instance = instance;
    branch.name = instance.name;
    branch.status = instance.status;
    if (branch.executionId === instance.executionId && branch.model !== null) return;
    // Continued as new, rewound, restarted or replaced: what was told before is not true any more.
    if (branch === this.root) this.branches = new Map([[this.rootId, branch]]);
    branch.executionId = instance.executionId;
    branch.model = new HistoryModel();
    branch.rows = new HistoryRows();
    branch.cursor = null;
    branch.isComplete = false;
  }

  /** @param {Loaded} branch @param {AbortSignal} [signal] */
  async readHistory(branch, signal) {
    const { executionId } = branch;
    for (;;) {
      const query = new URLSearchParams({ count: String(PAGE_EVENTS), payloadChars: "0" });
      if (branch.cursor !== null) query.set("cursor", branch.cursor);
      const path = `${pathOf(branch.instanceId)}/executions/${segment(executionId)}/history?${query}`;
      const { body } = await getJson(path, { signal });
      /** @type {HistoryEvent[]} */
      const events = body.events;
      branch.model?.add(events);
      branch.rows.add(events);
      branch.total = body.total;
      branch.cursor = body.nextCursor ?? body.endCursor ?? branch.cursor;
      if (body.nextCursor === null) break;
      this.tell(branch.instanceId); // what is there can be looked at
    }
    branch.isComplete = true;
  }

  /** The instances that somebody looks at and that have not ended. */
  openChildren() {
    const ids = new Set([...this.watchers].flatMap((watcher) => [...watcher()]));
    const branches = [...ids].map((id) => this.branches.get(id));
    return branches.filter(
      (branch) =>
        branch !== undefined &&
        branch !== this.root &&
        !branch.isGone &&
        !isFinished(branch.status),
    );
  }

  /** Whether anything can still change. */
  isOpen() {
    const { status, isComplete, isDoubted, isGone } = this.root;
    if (isDoubted) return true;
    if (isGone) return false;
    return !isComplete || !isFinished(status) || this.openChildren().length > 0;
  }

  /** What was told of the root is not true any more. What is shown stays until more is known. */
  reopen() {
    this.root.isDoubted = true;
    this.root.etag = null;
  }

  /**
   * One round of questions: the instance, and those of its children that somebody looks at.
   *
   * @param {AbortSignal} signal
   */
  async look(signal) {
    await this.refresh(this.root, signal).catch((error) => this.lose(this.root, error));
    const open = this.openChildren();
    const from = open.length > WATCHED_MAX ? (this.round * WATCHED_MAX) % open.length : 0;
    this.round += 1;
    const queue = [...open, ...open].slice(from, from + Math.min(open.length, WATCHED_MAX));
    const work = async () => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const branch = next;
        await this.refresh(branch, signal).catch((error) => this.lose(branch, error));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE_MAX }, work));
  }

  /**
   * What is gone is not asked for again; what is known of it stays.
   *
   * @param {Loaded} branch
   * @param {unknown} error
   */
  lose(branch, error) {
    if (!(error instanceof ApiError && error.status === 404)) throw error;
    branch.error = branch.model === null ? error.message : GONE;
    branch.isGone = true;
    branch.isDoubted = false;
    this.tell(branch.instanceId);
  }

  /**
   * One event of a history, with all of its payload.
   *
   * @param {string} id
   * @param {number} index
   * @returns {Promise<HistoryEvent>}
   */
  async event(id, index) {
    const { executionId } = /** @type {Loaded} */ (this.branches.get(id));
    const path = `${pathOf(id)}/executions/${segment(executionId)}/history/${index}`;
    return (await getJson(path)).body;
  }

  /**
   * @param {string} id
   * @returns {Promise<{input: string | null, output: string | null, customStatus: string | null,
   *   stored?: Record<string, Stored>}>}
   */
  async payloads(id) {
    return (await getJson(`${pathOf(id)}/payloads`)).body;
  }

  /**
   * What lies in the payload store, by the token that an event has in its place.
   *
   * @param {string} token
   * @returns {Promise<Stored & {content: string | null}>}
   */
  async payload(token) {
    return (await getJson(`/payloads/${segment(token)}`)).body;
  }

  /** Asks which execution there is now: it may have continued as new since. Returns its id. */
  async sync() {
    this.root.etag = null;
    await this.refresh(this.root);
    return this.root.executionId;
  }

  /**
   * A page of an execution's history, with whole payloads.
   *
   * @param {string} executionId
   * @param {string | null} cursor
   * @param {AbortSignal} signal
   * @returns {Promise<{events: HistoryEvent[], nextCursor: string | null, total: number}>}
   */
  async wholePage(executionId, cursor, signal) {
    const query = new URLSearchParams({ count: String(PAGE_EVENTS) });
    if (cursor !== null) query.set("cursor", cursor);
    const path = `${pathOf(this.rootId)}/executions/${segment(executionId)}/history?${query}`;
    return (await getJson(path, { signal })).body;
  }
}
