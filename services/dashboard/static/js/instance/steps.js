// @ts-check
/**
 * The steps of an orchestration, and how a timer is told to be the pause before a retry.
 *
 * A history does not say that a timer belongs to a retry. It shows it: the timer is created in the
 * turn that took in the failure, and the step is scheduled again in the turn in which it fired;
 * by Python under the same event id, by others under a new one and the same name. Until it has
 * fired, a timer of such a turn is taken for a pause; if nothing is scheduled again, it becomes a
 * step of its own.
 */

/**
 * @typedef {"activity" | "child" | "timer" | "wait" | "entity" | "lock" | "signal" | "sent"
 *   | "suspension" | "mark"} StepKind
 * @typedef {"running" | "completed" | "failed" | "abandoned"} StepState abandoned: the
 *   orchestration ended first
 *
 * @typedef {object} Failure
 * @property {string} errorType
 * @property {string} errorMessage
 * @property {string | null} [stackTrace]
 * @property {Failure | null} [innerFailure]
 *
 * @typedef {object} Segment one bar of a step's row; times in milliseconds since 1970
 * @property {"attempt" | "backoff" | "held"} kind
 * @property {number} start
 * @property {number | null} end
 * @property {StepState} state
 * @property {Failure | null} failure
 * @property {number} startIndex position in the history of the event that began it
 * @property {number | null} endIndex
 * @property {number | null} due when a timer or a pause is to end
 *
 * @typedef {object} Step
 * @property {string} key unique within its execution
 * @property {StepKind} kind
 * @property {string} name
 * @property {number} turn the number of the turn that scheduled it, from 0
 * @property {number} start
 * @property {number | null} end
 * @property {StepState} state
 * @property {Segment[]} segments
 * @property {number} attempts
 * @property {Failure | null} failure of the last attempt
 * @property {string | null} childId the instance id of a sub-orchestration
 * @property {string | null} target the entity or instance that was called
 * @property {number} inputIndex
 * @property {number | null} outputIndex
 * @property {boolean} isDerived times or existence are concluded, not recorded
 */

/**
 * @param {StepKind} kind
 * @param {string} name
 * @param {number} start
 * @param {number} index
 * @param {number} turn
 * @param {Partial<Step>} [more]
 * @returns {Step}
 */
export function newStep(kind, name, start, index, turn, more = {}) {
  return {
    key: `${kind}-${index}`,
    kind,
    name,
    turn,
    start,
    end: null,
    state: "running",
    segments: [newSegment("attempt", start, index)],
    attempts: 1,
    failure: null,
    childId: null,
    target: null,
    inputIndex: index,
    outputIndex: null,
    isDerived: false,
    ...more,
  };
}

/**
 * @param {Segment["kind"]} kind
 * @param {number} start
 * @param {number} index
 * @param {Partial<Segment>} [more]
 * @returns {Segment}
 */
export function newSegment(kind, start, index, more = {}) {
  return {
    kind,
    start,
    end: null,
    state: "running",
    failure: null,
    startIndex: index,
    endIndex: null,
    due: null,
    ...more,
  };
}

/**
 * @param {Step} step
 * @returns {Segment}
 */
export function lastSegment(step) {
  return step.segments[step.segments.length - 1];
}

/**
 * Ends a step's last segment, and so the step.
 *
 * @param {Step} step
 * @param {number} end
 * @param {number | null} index
 * @param {Failure | null} [failure]
 */
export function endStep(step, end, index, failure = null) {
  const segment = lastSegment(step);
  // Results carry the time at which they arrived, which may be before the turn that asked.
  segment.end = Math.max(segment.start, end);
  segment.endIndex = index;
  segment.state = failure ? "failed" : "completed";
  segment.failure = failure;
  step.end = segment.end;
  step.state = segment.state;
  step.failure = failure;
  step.outputIndex = index;
}

/**
 * A timer that may be the pause before a retry.
 *
 * @typedef {object} Pause
 * @property {Step} timer
 * @property {Step} failed
 * @property {number} turn the turn that took in the failure and created the timer
 */

/** Which timers are pauses before retries. */
export class Retries {
  constructor() {
    /** @type {Step[]} failures of this turn that no timer stands for yet */
    this.failures = [];
    /** @type {Map<Step, Pause>} by timer */
    this.pending = new Map();
    /** @type {Pause[]} fired in this turn */
    this.fired = [];
    /** How often anything was tried again. */
    this.count = 0;
  }

  /**
   * A turn begins. Returns the timers of the last one that were no pauses after all.
   *
   * @returns {Step[]}
   */
  nextTurn() {
    const mistaken = this.fired.map((pause) => dropPause(pause));
    this.failures = [];
    this.fired = [];
    return mistaken;
  }

  /** @param {Step} step */
  failedNow(step) {
    this.failures.push(step);
  }

  /**
   * Whether a timer created now is taken for a pause; it is then shown as part of the failed step.
   *
   * @param {Step} timer
   * @param {number} turn
   */
  takes(timer, turn) {
    const failed = this.failures.shift();
    if (failed === undefined) return false;
    this.pending.set(timer, { timer, failed, turn });
    const { start, due } = lastSegment(timer);
    failed.segments.push(newSegment("backoff", start, timer.inputIndex, { due }));
    failed.state = "running";
    failed.end = null;
    return true;
  }

  /**
   * @param {Step} timer
   * @param {number} end
   * @param {number} index
   */
  firedNow(timer, end, index) {
    const pause = this.pending.get(timer);
    if (pause === undefined) return;
    this.pending.delete(timer);
    this.fired.push(pause);
    const segment = lastSegment(pause.failed);
    segment.end = Math.max(segment.start, end);
    segment.endIndex = index;
    segment.state = "completed";
  }

  /**
   * The step that a newly scheduled one tries again, or undefined.
   *
   * @param {Step | undefined} sameId the last step scheduled under the same event id
   * @param {StepKind} kind
   * @param {string} name
   */
  retried(sameId, kind, name) {
    const again = sameId !== undefined && this.isFailed(sameId) ? sameId : undefined;
    const at = this.fired.findIndex(({ failed }) =>
      again ? failed === again : failed.kind === kind && failed.name === name,
    );
    const pause = at < 0 ? undefined : this.fired.splice(at, 1)[0];
    const step = again ?? pause?.failed;
    if (step !== undefined) this.count += 1;
    return step;
  }

  /** @param {Step} step */
  isFailed(step) {
    const attempts = step.segments.filter(({ kind }) => kind === "attempt");
    return attempts[attempts.length - 1]?.state === "failed";
  }

  /**
   * The orchestration has ended: what was taken for a pause was none.
   *
   * @returns {Step[]}
   */
  end() {
    const mistaken = [...this.fired, ...this.pending.values()].map((pause) => dropPause(pause));
    this.fired = [];
    this.pending.clear();
    return mistaken;
  }
}

/**
 * Gives a failed step its end back and returns the timer, to be a step of its own.
 *
 * @param {Pause} pause
 */
function dropPause({ timer, failed }) {
  failed.segments = failed.segments.filter(
    (segment) => !(segment.kind === "backoff" && segment.startIndex === timer.inputIndex),
  );
  const attempt = lastSegment(failed);
  failed.state = attempt.state;
  failed.end = attempt.end;
  return timer;
}
