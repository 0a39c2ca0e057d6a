// @ts-check
/** The instance's page: its tabs over what the store has loaded, kept up to date. */

import { ApiError } from "../api.js";
import { poll } from "../poll.js";
import { part } from "./element.js";
import { FailurePanel } from "./failure.js";
import { History } from "./history.js";
import { Store } from "./loader.js";
import { Payloads } from "./payloads.js";
import { SequencePanel } from "./sequence.js";
import { Tabs } from "./tabs.js";
import { Timeline } from "./timeline.js";
import { Tooltip } from "./tooltip.js";

/** Who was here when the page was made, and is not when its history is asked for. */
const PURGED = "It is not there any more: it was purged.";

const section = part(document, "#instance");
const message = part(section, "#instance-message");
const { instanceId = "", name = "", status = "" } = section.dataset;

const store = new Store(instanceId, { name, status });
const tooltip = new Tooltip();

/** @param {string} ownerId @param {string} stepKey */
function openStep(ownerId, stepKey) {
  tooltip.hide();
  tabs.go("io");
  views.io.find(ownerId, stepKey);
}

/** @param {string} tab */
const panel = (tab) => part(section, `#panel-${tab}`);
const views = {
  failure: new FailurePanel(panel("failure"), store, openStep),
  timeline: new Timeline(panel("timeline"), store, tooltip, openStep),
  history: new History(panel("history"), store),
  sequence: new SequencePanel(panel("sequence"), store, tooltip, openStep),
  io: new Payloads(panel("io"), store),
};
const tabs = new Tabs(section, views);

/** Panels that scroll in themselves end where the window does. */
function measure() {
  const shown = section.querySelector("[role=tabpanel]:not([hidden])") ?? section;
  const top = Math.round(shown.getBoundingClientRect().top + window.scrollY);
  document.documentElement.style.setProperty("--instance-top", `${top}px`);
}

let frame = 0;
let retries = -1;

/** Draws once, however much has changed. */
function drawSoon() {
  frame ||= requestAnimationFrame(() => {
    frame = 0;
    for (const view of Object.values(views)) view.update();
    const { model, isComplete } = store.root;
    if (model === null || !isComplete || model.retries === retries) return;
    retries = model.retries;
    document.dispatchEvent(new CustomEvent("instance:retries", { detail: { retries } }));
  });
}

store.onChange((id) => {
  if (id === store.rootId) {
    message.hidden = store.root.error === null;
    message.textContent = store.root.isGone && store.root.model === null ? PURGED : store.root.error;
    // Below what is still shown nobody would see it.
    if (store.root.isGone) part(section, "[role=tablist]").after(message);
    tabs.setFailed(store.root.status.endsWith("FAILED"));
  }
  drawSoon();
});

/** Returns whether it asked. @param {AbortSignal} signal */
async function look(signal) {
  if (!store.isOpen()) return false; // `instance:changed` tells when it begins again
  try {
    await store.look(signal);
    return true;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (store.root.model === null) {
      message.hidden = false;
      message.textContent = error.status === 404 ? PURGED : error.message;
    }
    throw error;
  }
}

tabs.setFailed(status.endsWith("FAILED"));
tabs.show(tabs.asked());
measure();
new ResizeObserver(measure).observe(part(document, "main"));
window.addEventListener("resize", measure);

const polling = poll(look);
polling.now();

// The head asks too, and sees first what somebody does to an instance that has ended.
document.addEventListener("instance:changed", (event) => {
  const head = /** @type {CustomEvent} */ (event).detail;
  const known = store.root.instance;
  if (known === null) return;
  const isSame = head.executionId === known.executionId;
  // While the store asks by itself it sees the same a little sooner or later.
  if (store.isOpen() && isSame) return;
  if (isSame && head.lastUpdatedAt === known.lastUpdatedAt && head.status === known.status) return;
  store.reopen();
  polling.now();
});
