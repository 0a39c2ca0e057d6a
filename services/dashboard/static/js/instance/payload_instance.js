// @ts-check
/** What went into the instance and came out of it, and its custom status: kept up to date. */

import { ApiError } from "../api.js";
import { el } from "./element.js";
import { isFinished } from "./loader.js";
import { isToken } from "./payload.js";
import { PayloadView } from "./payload_view.js";

/**
 * @typedef {import("./loader.js").Store} Store
 * @typedef {import("./payload.js").Stored} Stored
 */

export class InstancePayloads {
  /**
   * @param {HTMLElement} place
   * @param {Store} store
   * @param {() => HTMLElement} headOf what stands above them, which tells the status
   */
  constructor(place, store, headOf) {
    this.store = store;
    this.headOf = headOf;
    this.head = el("header", {});
    const { rootId } = store;
    this.input = new PayloadView({ name: `${rootId}.input`, label: "Input" });
    this.output = new PayloadView({ name: `${rootId}.output`, label: "Output" });
    this.custom = new PayloadView({ name: `${rootId}.custom-status`, label: "Custom status" });
    /** The status that the head tells. */
    this.status = "";
    /** The token of the custom status that was asked for last. */
    this.wanted = "";
    /** For which state input and output were asked. */
    this.asked = "";
    /** @type {Map<PayloadView, string>} what each says, so that only what changes is drawn anew */
    this.said = new Map();
    const views = [this.input, this.output, this.custom];
    for (const view of views) view.say("Loading …");
    place.replaceChildren(this.head, ...views.map(({ element }) => element));
    this.update();
  }

  update() {
    const { status, instance } = this.store.root;
    if (status !== this.status) {
      this.status = status;
      const head = this.headOf();
      this.head.replaceWith(head);
      this.head = head;
    }
    if (instance) this.putCustom(instance.customStatus);
    // Neither can change but by the end, and both may be large.
    const asked = isFinished(status) ? "ended" : "running";
    if (asked === this.asked) return;
    this.asked = asked;
    void this.ask(asked);
  }

  /** @param {string} asked */
  async ask(asked) {
    const { store } = this;
    try {
      const { input, output, stored } = await store.payloads(store.rootId);
      if (asked !== this.asked) return;
      this.put(this.input, input, "It was started without an input.", stored?.input);
      this.putOutput(output, stored?.output);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      for (const view of [this.input, this.output]) {
        if (!this.said.has(view)) view.say(error.message);
      }
      this.asked = ""; // asked again with the next change
    }
  }

  /** What lies in the payload store is asked for. @param {string | null} text */
  putCustom(text) {
    if (text !== null && isToken(text)) void this.askFor(text);
    else this.put(this.custom, text, "None was set.");
  }

  /** @param {string} token */
  async askFor(token) {
    if (this.wanted === token) return;
    this.wanted = token;
    try {
      const found = await this.store.payload(token);
      if (this.store.root.instance?.customStatus !== token) return;
      this.put(this.custom, found.content ?? token, "", found);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.custom.say(error.message);
      this.wanted = ""; // asked again with the next change
    }
  }

  /** @param {string | null} output @param {Stored} [stored] */
  putOutput(output, stored) {
    const { status, instance, model } = this.store.root;
    const failure = instance?.failureDetails ?? model?.failure;
    if (failure && isFinished(status)) {
      const line = (failure.errorMessage ?? "").split("\n", 1)[0];
      this.said.delete(this.output);
      this.output.say("It failed: ", el("strong", {}, line));
    } else {
      const why = isFinished(status) ? "It returned nothing." : "It has not ended yet.";
      this.put(this.output, output, why, stored);
    }
  }

  /**
   * @param {PayloadView} view
   * @param {string | null} text
   * @param {string} none
   * @param {Stored} [stored] where it lies, if not in the task hub
   */
  put(view, text, none, stored) {
    const said = text === null ? none : `=${text}`;
    if (this.said.get(view) === said) return;
    this.said.set(view, said);
    if (text === null) view.say(none);
    else view.show(text, stored ?? null);
  }
}
