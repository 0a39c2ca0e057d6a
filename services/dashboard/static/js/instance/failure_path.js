// @ts-check
/** Which step an orchestration failed by. No DOM. */

/**
 * @typedef {import("./steps.js").Step} Step
 * @typedef {import("./steps.js").Failure} Failure
 * @typedef {import("./events.js").HistoryModel} HistoryModel
 */

/**
 * The failed step whose error is found in the orchestration's, the last such one; else the last that
 * failed in the turn in which it ended. Null where the orchestrator's own code raised.
 *
 * @param {HistoryModel} model
 * @param {Failure | null | undefined} failure
 * @returns {Step | null}
 */
export function failedStep(model, failure) {
  const failed = model.steps.filter((step) => step.state === "failed");
  if (failed.length === 0 || !failure) return null;
  const texts = messagesOf(failure);
  const named = failed.filter((step) => {
    const message = step.failure?.errorMessage;
    return Boolean(message) && texts.some((text) => text.includes(message ?? ""));
  });
  if (named.length > 0) return latest(named);
  const lastTurn = model.turns[model.turns.length - 1] ?? 0;
  const before = model.turns[model.turns.length - 2] ?? lastTurn;
  const recent = failed.filter((step) => (step.end ?? 0) >= before);
  // Without messages to compare (they may have been left out) the last one is the likeliest.
  const hasTexts = failed.some((step) => step.failure?.errorMessage);
  return hasTexts ? null : latest(recent.length > 0 ? recent : failed);
}

/** @param {Step[]} steps */
function latest(steps) {
  return steps.reduce((one, other) => ((other.end ?? 0) >= (one.end ?? 0) ? other : one));
}

/** @param {Failure} failure @returns {string[]} */
function messagesOf(failure) {
  const texts = [];
  for (let at = /** @type {Failure | null | undefined} */ (failure); at; at = at.innerFailure) {
    texts.push(at.errorMessage ?? "");
    if (texts.length >= 32) break;
  }
  return texts;
}
