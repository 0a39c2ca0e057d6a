// @ts-check
/** Actions on the selected rows: in pieces, with a bar, a result for each, and a way to stop. */
import { ApiError, segment, sendJson } from "./api.js";
import { ask } from "./dialogs.js";
import { FORMS } from "./forms.js";
import { fragment, html, icon, render } from "./html.js";
import { pickAll, picked } from "./pick.js";

const PIECE = 25;

/** @typedef {{instanceId: string, ok: boolean, message: string | null}} Outcome */

/** @param {number} count */
function instances(count) {
  return `${count} ${count === 1 ? "orchestration" : "orchestrations"}`;
}

/** @param {Outcome} outcome */
function outcomeRow({ instanceId, ok, message }) {
  const href = `/hubs/${document.body.dataset.hub}/orchestrations/${segment(instanceId)}`;
  return html`<li class="${ok ? "good" : "bad"}">
    <span class="${ok ? "done-text" : "danger-text"}">${icon(ok ? "check" : "cross")}
      <span class="only-read-out">${ok ? "Done" : "Refused"}</span></span>
    <span class="grow"><a class="mono" href="${href}">${instanceId}</a>
      ${message && html`<br><span class="muted">${message}</span>`}</span></li>`;
}

/**
 * @param {string} label
 * @param {number} total
 */
function openProgress(label, total) {
  const made = fragment(html`<dialog aria-labelledby="bulk-title"><form method="dialog">
    <h2 id="bulk-title">${label}: ${instances(total)}</h2>
    <progress max="${total}" value="0" aria-label="Progress"></progress>
    <p role="status" id="bulk-count"></p>
    <ul class="outcomes" tabindex="0" aria-label="Results"></ul>
    <div class="buttons"><button class="button" id="bulk-end">Cancel the rest</button></div>
  </form></dialog>`);
  const dialog = /** @type {HTMLDialogElement} */ (made.firstElementChild);
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/**
 * One piece; one that cannot be sent counts as refused for each of its ids.
 *
 * @param {string} action
 * @param {object} extras
 * @param {string[]} ids
 * @returns {Promise<Outcome[]>}
 */
async function sendPiece(action, extras, ids) {
  try {
    const body = { action, instanceIds: ids, ...extras };
    return (await sendJson("POST", "/orchestrations/bulk", body)).body.results;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const { message } = error;
    return ids.map((instanceId) => ({ instanceId, ok: false, message }));
  }
}

/**
 * @param {string} action
 * @param {object} extras
 * @param {string[]} ids
 */
async function run(action, extras, ids) {
  const dialog = openProgress(FORMS[action].label, ids.length);
  const bar = /** @type {HTMLProgressElement} */ (dialog.querySelector("progress"));
  const count = /** @type {HTMLElement} */ (dialog.querySelector("#bulk-count"));
  const list = /** @type {HTMLElement} */ (dialog.querySelector("ul"));
  const end = /** @type {HTMLButtonElement} */ (dialog.querySelector("#bulk-end"));
  let isStopped = false;
  let refused = 0;
  let done = 0;
  dialog.addEventListener("close", () => {
    isStopped = true;
    dialog.remove();
  });
  dialog.querySelector("form")?.addEventListener("submit", (event) => {
    if (end.dataset.over !== undefined) return;
    event.preventDefault();
    isStopped = true;
    end.disabled = true;
  });
  while (done < ids.length && !isStopped) {
    const outcomes = await sendPiece(action, extras, ids.slice(done, done + PIECE));
    done += outcomes.length;
    refused += outcomes.filter(({ ok }) => !ok).length;
    list.append(fragment(html`${outcomes.map(outcomeRow)}`));
    bar.value = done;
    count.textContent = `${done - refused} done, ${refused} refused, ${ids.length - done} left`;
  }
  end.disabled = false;
  end.dataset.over = "";
  end.textContent = "Close";
  end.focus();
}

/**
 * @param {string} action
 * @param {string[]} ids
 * @param {() => void} refresh
 */
async function perform(action, ids, refresh) {
  const form = FORMS[action];
  const question = {
    title: `${form.label} ${instances(ids.length)}?`,
    says: form.says,
    fields: form.fields,
    confirm: `${form.label} ${ids.length}`,
    danger: form.danger,
  };
  const extras = await ask(question, (values) => form.many(values));
  if (extras === null) return;
  await run(action, extras, ids);
  pickAll(false);
  refresh();
}

/**
 * Shows the bar with as many as are selected, and no bar for none.
 *
 * @param {string[]} ids
 * @param {() => void} refresh
 */
export function showBar(ids, refresh) {
  const bar = document.getElementById("bulk");
  if (!bar) return;
  bar.hidden = ids.length === 0;
  const count = bar.querySelector("b");
  if (count) {
    count.textContent = String(ids.length);
    return;
  }
  render(bar, html`<span role="status"><b>${ids.length}</b> selected</span>
    ${Object.entries(FORMS).map(([key, { label, danger }]) => html`<button
      class="button ${danger && "danger"}" data-bulk="${key}">${label}</button>`)}
    <button class="button plain" data-clear>Clear</button>`);
  bar.addEventListener("click", (event) => {
    const button = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest("button"));
    if (button?.dataset.bulk) void perform(button.dataset.bulk, picked(), refresh);
    else if (button) pickAll(false);
  });
}
