// @ts-check
/** Why the instance failed: the way down to where it began, then the error as it was reported. */

import { el, icon } from "./element.js";
import { failedStep } from "./failure_path.js";
import { failureView } from "./failure_view.js";
import { KINDS, titleOf } from "./looks.js";
import { errorLine, momentOf } from "./step_facts.js";
import { pageOf } from "./timeline_row.js";

/**
 * @typedef {import("./steps.js").Step} Step
 * @typedef {import("./loader.js").Store} Store
 * @typedef {import("./loader.js").Loaded} Loaded
 */

const DEPTH_MAX = 8;

export class FailurePanel {
  /**
   * @param {HTMLElement} panel
   * @param {Store} store
   * @param {(ownerId: string, stepKey: string) => void} openStep
   */
  constructor(panel, store, openStep) {
    this.store = store;
    this.openStep = openStep;
    this.isShown = false;
    this.drawn = "";
    /** Which failure the way down to its origin was drawn for. */
    this.traced = "";
    this.path = el("div", { class: "fl-trail" });
    this.error = el("div", {});
    panel.append(el("div", { class: "fl-panel panel" }, this.error));
  }

  show() {
    this.isShown = true;
    this.update();
  }

  hide() {
    this.isShown = false;
  }

  update() {
    const { root } = this.store;
    const failure = root.instance?.failureDetails ?? root.model?.failure;
    if (!this.isShown || !failure || root.model === null) return;
    if (root.executionId !== this.drawn) {
      this.drawn = root.executionId;
      const view = failureView(failure);
      this.error.replaceChildren(view);
      this.path.replaceChildren();
      // Where it began is worth more than where it was reported: it stands before the stack trace.
      view.querySelector(".fl-message")?.after(this.path);
    }
    if (!root.isComplete || this.traced === this.drawn) return;
    this.traced = this.drawn;
    void this.drawPath(root, this.drawn);
  }

  /** Follows the failed steps down the tree. @param {Loaded} root @param {string} drawn */
  async drawPath(root, drawn) {
    const list = el("ol", { class: "fl-path" });
    /** @type {Loaded | undefined} */
    let branch = root;
    for (let depth = 0; depth < DEPTH_MAX && branch?.model; depth += 1) {
      const failure = branch.instance?.failureDetails ?? branch.model.failure;
      const step = failedStep(branch.model, failure);
      list.append(el("li", {}, icon("orchestration"), instanceLink(branch, root)));
      if (step === null) break;
      if (step.childId === null) {
        list.append(this.stepItem(branch, step, root));
        break;
      }
      await this.store.load(step.childId, step.name);
      if (drawn !== this.drawn) return; // something else has failed since
      const child = this.store.find(step.childId);
      if (!child?.model || !child.status.endsWith("FAILED")) {
        list.append(this.stepItem(branch, step, root)); // purged, or run again since
        break;
      }
      branch = child;
    }
    if (list.childElementCount < 2) return;
    this.path.replaceChildren(el("h3", {}, "Where it began"), list);
  }

  /** @param {Loaded} branch @param {Step} step @param {Loaded} root */
  stepItem(branch, step, root) {
    const open = el("button", { type: "button", class: "fl-step" }, titleOf(step));
    open.addEventListener("click", () => this.openStep(branch.instanceId, step.key));
    const at = step.end ?? step.start;
    const attempts = step.attempts > 1 ? `, ${step.attempts} attempts` : "";
    return el(
      "li",
      { class: "is-cause" },
      icon(KINDS[step.kind].icon),
      open,
      el(
        "span",
        { class: "muted" },
        `${KINDS[step.kind].word}, failed ${momentOf(at, root.model?.start ?? at)}${attempts}`,
      ),
      step.failure ? el("span", { class: "fl-cause" }, errorLine(step.failure)) : null,
    );
  }
}

/** @param {Loaded} branch @param {Loaded} root */
function instanceLink(branch, root) {
  if (branch === root)
    return el("span", {}, branch.name, el("span", { class: "muted" }, " this orchestration"));
  return el(
    "span",
    {},
    el("a", { href: pageOf(branch.instanceId) }, branch.name),
    " ",
    el("code", { class: "muted" }, branch.instanceId),
  );
}
