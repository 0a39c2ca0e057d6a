// @ts-check
/** The head of an instance's page: kept up to date, and its actions. */
import { ApiError, segment, sendJson } from "./api.js";
import { ask } from "./dialogs.js";
import { FORMS } from "./forms.js";
import { fragment, html, icon } from "./html.js";
import { morph } from "./morph.js";
import { fetchPart, forgetPart } from "./part.js";
import { poll } from "./poll.js";
import { showTimes } from "./times.js";
import { toast, toastLater } from "./toasts.js";

/** @type {number | null} */
let retries = null;

function head() {
  return /** @type {HTMLElement} */ (document.getElementById("head"));
}

function listAddress() {
  const stored = sessionStorage.getItem(`list:${document.body.dataset.hub}`);
  return stored ?? `/hubs/${document.body.dataset.hub}/orchestrations`;
}

/** The way back keeps the filters that were on. */
function finish() {
  document.getElementById("to-list")?.setAttribute("href", listAddress());
  const place = document.getElementById("retries");
  if (place && retries !== null) place.textContent = String(retries);
  showTimes(head());
}

/** What a dialog is about stays as it is below it. */
const isAsking = () => document.querySelector("dialog[open]") !== null;

/**
 * There is no such instance any more: nothing can be done with it, and nothing changes.
 *
 * @param {ApiError} error
 */
function showGone(error) {
  if (error.status !== 404) return;
  polling.stop();
  const reason = "This orchestration was purged.";
  for (const button of head().querySelectorAll("[data-action]")) {
    button.setAttribute("aria-disabled", "true");
    button.setAttribute("title", reason);
  }
  for (const growing of head().querySelectorAll("[data-since]")) growing.removeAttribute("data-since");
  const notice = html`<p class="notice" id="gone" role="status">${icon("warning")}${reason}</p>`;
  head().after(fragment(notice));
}

const polling = poll(async (signal) => {
  if (isAsking()) return false;
  const page = await fetchPart(location.href, signal).catch((error) => {
    if (error instanceof ApiError) showGone(error);
    throw error;
  });
  const fresh = page?.getElementById("head");
  if (!fresh) return true;
  if (isAsking()) {
    forgetPart(); // opened meanwhile: what was not shown has to come again
    return true;
  }
  morph(head(), fresh);
  finish();
  const { status, executionId, updated } = head().dataset;
  const detail = { status, executionId, lastUpdatedAt: updated };
  document.dispatchEvent(new CustomEvent("instance:changed", { detail }));
  return true;
});

/**
 * @param {string} key
 * @param {string} id
 */
async function perform(key, id) {
  const form = FORMS[key];
  /** @param {import("./dialogs.js").Values} values */
  const run = async (values) => {
    const { method, path, body } = form.one(values);
    return (await sendJson(method, `/orchestrations/${segment(id)}${path}`, body)).body;
  };
  const question = {
    title: `${form.label}: ${id}`,
    says: form.says,
    fields: form.fields,
    confirm: form.label,
    danger: form.danger,
  };
  const result = form.atOnce ? await run({}) : await ask(question, run);
  if (result === null) return;
  if (key === "purge") {
    toastLater(`Purged ${result.purged === 1 ? id : `${id}, ${result.purged} instances in all`}`);
    location.assign(listAddress());
  } else if (key === "restart" && result.instanceId !== id) {
    toastLater(`Restarted as ${result.instanceId}`);
    location.assign(segment(result.instanceId));
  } else {
    toast(form.done);
    polling.now();
  }
}

document.addEventListener("click", async (event) => {
  const button = /** @type {Element} */ (event.target).closest("#head [data-action]");
  const key = button instanceof HTMLElement ? button.dataset.action : undefined;
  if (!button || !key) return;
  if (button.getAttribute("aria-disabled") === "true") {
    toast(button.getAttribute("title") ?? "");
    return;
  }
  const id = head().dataset.instanceId ?? "";
  try {
    if (key === "startLike") await (await import("./start.js")).startLike(id);
    else await perform(key, id);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    toast(error.message, { bad: true });
    polling.now(); // what is shown may be what was
  }
});
document.addEventListener("instance:retries", (event) => {
  retries = /** @type {CustomEvent} */ (event).detail.retries;
  finish();
});
finish();
