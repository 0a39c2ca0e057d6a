// @ts-check
/** The instance's page: its tabs over what the store has loaded, kept up to date. */

import { ApiError } from "../api.js";
import { poll } from "../poll.js";
import { part } from "./element.js";
import { FailurePanel } from "./failure.js";
import { History } from "./history.js";
import { Store, isFinished } from "./loader.js";
import { Payloads } from "./payloads.js";
import { SequencePanel } from "./sequence.js";
import { Tabs } from "./tabs.js";
import { Timeline } from "./timeline.js";
import { Tooltip } from "./tooltip.js";

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
    message.textContent = store.root.error;
    tabs.setFailed(store.root.status.endsWith("FAILED"));
  }
  drawSoon();
});

/** How many rounds an ended instance is left alone between two looks at it. */
const RESTING_ROUNDS = 5;
let round = 0;

/** @param {AbortSignal} signal */
async function look(signal) {
  round += 1;
  // It may be restarted or rewound from elsewhere, so it is looked at now and then.
  if (isFinished(store.root.status) && store.root.isComplete && round % RESTING_ROUNDS !== 0) return;
  try {
    await store.look(signal);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (store.root.model === null || error.status === 404) {
      message.hidden = false;
      message.textContent = error.message;
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

// The shell's head is told of changes first when somebody acts on this page.
const head = document.getElementById("head")?.parentElement;
if (head) {
  new MutationObserver(() => {
    const now = document.getElementById("head")?.dataset;
    const { status: known, executionId } = store.root;
    if (!now || !store.root.model || (now.status === known && now.executionId === executionId)) return;
    round = -1;
    polling.now();
  }).observe(head, { childList: true, subtree: true, attributes: true, attributeFilter: ["data-status"] });
}
