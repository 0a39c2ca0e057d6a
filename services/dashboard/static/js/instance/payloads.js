// @ts-check
/**
 * Inputs and outputs: the steps at the left, what went in and came out of the chosen one at the
 * right.
 */

import { ApiError } from "../api.js";
import { el, icon } from "./element.js";
import { failureView } from "./failure_view.js";
import { KINDS, STATES, stateOfStatus, titleOf, wordOfState } from "./looks.js";
import { PayloadList } from "./payload_list.js";
import { InstancePayloads } from "./payload_instance.js";
import { isToken } from "./payload.js";
import { payloadOf, partsOf } from "./payload_items.js";
import { PayloadView } from "./payload_view.js";
import { kindOf } from "./events.js";
import { durationText, isMoment, lengthOf, momentOf } from "./step_facts.js";
import { pageOf } from "./timeline_row.js";

/**
 * @typedef {import("./timeline_rows.js").Row} Row
 * @typedef {import("./steps.js").Step} Step
 * @typedef {import("./loader.js").Store} Store
 */

export class Payloads {
  /**
   * @param {HTMLElement} panel
   * @param {Store} store
   */
  constructor(panel, store) {
    this.store = store;
    this.isShown = false;
    this.executionId = "";
    /** What the right side shows, as far as it can change. */
    this.drawn = "";
    /** @type {InstancePayloads | null} the last one: shown while the instance is chosen */
    this.instance = null;
    this.list = new PayloadList(store, (row) => this.choose(row));
    this.detail = el("div", { class: "io-detail" });
    panel.append(el("div", { class: "io panel" }, this.list.element, this.detail));
    store.watchers.add(() => (this.isShown ? this.list.watched() : []));
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
    if (root.executionId !== this.executionId) {
      this.executionId = root.executionId;
      this.list.reset();
      this.drawn = "";
    }
    if (!this.isShown || root.model === null) return;
    this.list.update();
    const row = this.list.chosenRow();
    if (row) this.choose(row);
  }

  /** Chooses a step from elsewhere. @param {string} ownerId @param {string} stepKey */
  find(ownerId, stepKey) {
    this.list.find(ownerId, stepKey);
    this.update();
  }

  /** @param {Row} row */
  choose(row) {
    const step = row.step;
    const state = step ? ` ${step.state}-${step.outputIndex}-${step.attempts}` : "";
    const drawn = `${row.key}${state}`;
    if (drawn === this.drawn) {
      if (step === null) this.instance?.update();
      return; // what the reader has searched and scrolled stays
    }
    this.drawn = drawn;
    this.detail.scrollTop = 0;
    if (step === null) {
      this.instance = new InstancePayloads(this.detail, this.store, () => this.headOf(row));
    } else {
      this.detail.replaceChildren(this.headOf(row));
      this.drawStep(row, step);
    }
  }

  /** @param {Row} row */
  headOf(row) {
    const { step } = row;
    const { root } = this.store;
    const state = STATES[step ? step.state : stateOfStatus(root.status)];
    const facts = [];
    if (step) {
      facts.push(KINDS[step.kind].word);
      facts.push(momentOf(step.start, root.model?.start ?? step.start));
      if (!isMoment(step)) facts.push(durationText(lengthOf(step)));
      if (step.attempts > 1) facts.push(`${step.attempts} attempts`);
    } else facts.push("This orchestration");
    const word = step ? wordOfState(step) : state.word;
    return el(
      "header",
      { class: "io-head" },
      el("h2", { class: "cut" }, step ? titleOf(step) : root.name),
      el("span", { class: `status st-${state.tone}` }, icon(state.icon), word),
      el("span", { class: "muted" }, facts.join(" · ")),
      row.childId !== null && step !== null
        ? el("a", { href: pageOf(row.childId), class: "mono cut io-link" }, row.childId)
        : null,
    );
  }

  /** @param {Row} row @param {Step} step */
  drawStep(row, step) {
    const isOneWay = isMoment(step) || step.kind === "wait";
    for (const { title, index, isFailure } of partsOf(step)) {
      const name = `${row.ownerId}.${step.name}.${index}`;
      const view = new PayloadView({ name, label: title });
      this.detail.append(view.element);
      view.say("Loading …");
      this.guard(this.store.event(row.ownerId, index), [view], (event) => {
        const body = event[kindOf(event)];
        if (isFailure && body.failureDetails) {
          view.element.replaceWith(
            el(
              "section",
              { class: "pv" },
              el("h3", { class: "pv-title" }, title),
              failureView(body.failureDetails),
            ),
          );
        } else {
          const text = payloadOf(body);
          if (text === null) view.say(`There is no ${title.toLowerCase()}.`);
          else this.showText(view, text);
        }
      });
    }
    if (step.end !== null || isOneWay) return;
    const waiting = new PayloadView({ name: "output", label: "Output" });
    waiting.say("It has not ended yet.");
    this.detail.append(waiting.element);
  }

  /** What lies in the payload store is asked for. @param {PayloadView} view @param {string} text */
  showText(view, text) {
    if (!isToken(text)) view.show(text);
    else {
      this.guard(this.store.payload(text), [view], (found) => {
        view.show(found.content ?? text, found);
      });
    }
  }

  /**
   * @template Result
   * @param {Promise<Result>} asked
   * @param {PayloadView[]} views told when it fails
   * @param {(result: Result) => void} then
   */
  guard(asked, views, then) {
    asked.then(then, (error) => {
      if (!(error instanceof ApiError)) throw error;
      for (const view of views) view.say(error.message);
      this.drawn = ""; // asked again when it is next chosen
    });
  }
}
