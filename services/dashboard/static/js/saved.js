// @ts-check
/** Saved views: named addresses of the list, kept in this browser for each task hub. */
import { html, icon, render } from "./html.js";

/** @typedef {{name: string, query: string}} View */

const KEY = `views:${document.body.dataset.hub}`;

/** @returns {View[]} */
function load() {
  try {
    const views = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(views) ? views : [];
  } catch {
    return []; // somebody else's, or broken: the next save replaces it
  }
}

/** @param {View[]} views */
function store(views) {
  localStorage.setItem(KEY, JSON.stringify(views));
}

/** What this address asks, without its place in the pages. */
function currentQuery() {
  const query = new URLSearchParams(location.search);
  for (const name of ["cursor", "page"]) query.delete(name);
  return query.toString();
}

/** @param {View} view */
function row({ name, query }) {
  const isHere = query === currentQuery();
  return html`<li><a class="grow" href="${location.pathname}${query && `?${query}`}"
    ${isHere && html`aria-current="true"`}>${name}</a>
    <button class="button square plain" data-forget="${name}" aria-label="Forget ${name}"
      title="Forget this view">${icon("close")}</button></li>`;
}

/** Draws the menu of saved views anew. */
export function showViews() {
  const sheet = document.getElementById("saved-views");
  if (!sheet) return;
  const views = load();
  render(sheet, html`
    ${views.length === 0 && html`<p class="item caption">None yet. Set filters, then name them here.</p>`}
    <ul>${views.map(row)}</ul>
    <form><input name="view" class="grow" aria-label="Name of this view" placeholder="Name of this view"
      maxlength="60" required autocomplete="off"><button class="button primary">Save</button></form>`);
  const form = sheet.querySelector("form");
  form?.addEventListener("submit", (event) => {
    event.preventDefault();
    const name = String(new FormData(form).get("view")).trim();
    if (name === "") return;
    const others = load().filter((view) => view.name !== name);
    store([...others, { name, query: currentQuery() }]);
    showViews();
  });
  for (const button of sheet.querySelectorAll("[data-forget]")) {
    button.addEventListener("click", (event) => {
      event.stopPropagation(); // the button leaves the menu, which would take the click for one outside
      store(load().filter((view) => view.name !== button.getAttribute("data-forget")));
      showViews();
      sheet.querySelector("input")?.focus();
    });
  }
}
