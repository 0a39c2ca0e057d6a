// @ts-check
/** Dialogs that ask: a title, what will happen, fields, and one button that does it. */
import { ApiError } from "./api.js";
import { fragment, html } from "./html.js";
import { pretty } from "./instance/payload.js";

/**
 * @typedef {object} Field
 * @property {string} name
 * @property {string} label
 * @property {"text" | "json" | "lines" | "time" | "check"} [kind]
 * @property {string | boolean} [value]
 * @property {string} [hint]
 * @property {boolean} [required]
 * @property {string[]} [suggestions]
 * @property {boolean} [tall] a large box, with a button that formats it
 * @property {boolean} [asIs] what is no JSON is as good; nothing is taken off
 *
 * @typedef {Record<string, string | boolean>} Values of a field "check" a boolean, else a text
 *
 * @typedef {object} Question
 * @property {string} title
 * @property {string[]} [says] one paragraph each
 * @property {Field[]} [fields]
 * @property {string} confirm the label of the button
 * @property {boolean} [danger]
 */

/** @param {Field} field */
function control(field) {
  const hint = field.hint ? `hint-${field.name}` : undefined;
  const rest = html`id="field-${field.name}" name="${field.name}"`;
  const described = hint && html` aria-describedby="${hint}"`;
  const required = field.required && html` required`;
  switch (field.kind) {
    case "json":
    case "lines":
      return html`<textarea class="${field.kind === "lines" && "short"}"${field.tall && html` rows="14"`} ${rest}${described}${required} spellcheck="false">${field.value}</textarea>`;
    case "time":
      return html`<input type="datetime-local" step="1" ${rest}${described} value="${field.value}">`;
    default:
      return html`<input ${rest}${described}${required} value="${field.value}" autocomplete="off"
        spellcheck="false"${field.suggestions && html` list="list-${field.name}"`}>`;
  }
}

/** @param {Field} field */
function row(field) {
  const hint = field.hint && html`<span class="caption" id="hint-${field.name}">${field.hint}</span>`;
  if (field.kind === "check") {
    return html`<div class="field"><label class="check"><input type="checkbox" name="${field.name}"
      ${field.value && html`checked`}> ${field.label}</label>${hint}</div>`;
  }
  return html`<div class="field">
    <label for="field-${field.name}">${field.label}${!field.required && html` <span class="muted">(optional)</span>`}</label>
    ${control(field)}${hint}
    ${field.tall && html`<button type="button" class="button format" data-format="field-${field.name}">Format</button>`}
    ${field.suggestions && html`<datalist id="list-${field.name}">
      ${field.suggestions.map((one) => html`<option value="${one}"></option>`)}</datalist>`}
  </div>`;
}

/**
 * Indents what stands in a field, if it is JSON.
 *
 * @param {Event} event
 */
function onFormat(event) {
  const id = /** @type {HTMLElement} */ (event.target).dataset.format;
  const area = id && /** @type {HTMLTextAreaElement} */ (document.getElementById(id));
  if (area) area.value = pretty(area.value) ?? area.value;
}

/** @param {Question} question */
function build(question) {
  const danger = question.danger && "danger";
  const made = fragment(html`<dialog aria-labelledby="dialog-title"><form method="dialog" novalidate>
    <h2 id="dialog-title">${question.title}</h2>
    ${question.says?.map((text) => html`<p>${text}</p>`)}
    ${question.fields?.map(row)}
    <p class="error" role="alert" hidden></p>
    <div class="buttons">
      <button type="button" class="button" data-cancel>Cancel</button>
      <button class="button primary ${danger}" data-confirm>${question.confirm}</button>
    </div>
  </form></dialog>`);
  return /** @type {HTMLDialogElement} */ (made.firstElementChild);
}

/**
 * The values, or what is wrong with them.
 *
 * @param {HTMLFormElement} form
 * @param {Field[]} fields
 * @returns {{values: Values, problem: {field: Field, text: string} | null}}
 */
function read(form, fields) {
  /** @type {Values} */
  const values = {};
  for (const field of fields) {
    const input = /** @type {HTMLInputElement} */ (form.elements.namedItem(field.name));
    const text = field.asIs ? input.value : input.value.trim();
    const value = field.kind === "check" ? input.checked : text;
    values[field.name] = value;
    if (field.required && value === "") return { values, problem: { field, text: "is needed" } };
    if (field.kind !== "json" || field.asIs || value === "") continue;
    try {
      JSON.parse(String(value));
    } catch (error) {
      const text = `is no JSON: ${/** @type {Error} */ (error).message}`;
      return { values, problem: { field, text } };
    }
  }
  return { values, problem: null };
}

/**
 * What the fields hold, as the browser has it: a line's end may be another than in what was given.
 *
 * @param {HTMLFormElement} form
 */
function textsOf(form) {
  return new Map([...new FormData(form)].map(([name, text]) => [name, String(text)]));
}

/**
 * @param {HTMLFormElement} form
 * @param {string} text
 * @param {Field} [field]
 */
function showError(form, text, field) {
  for (const invalid of form.querySelectorAll("[aria-invalid]")) invalid.removeAttribute("aria-invalid");
  const place = /** @type {HTMLElement} */ (form.querySelector(".error"));
  place.hidden = false;
  place.textContent = text;
  const input = field && form.querySelector(`[name="${field.name}"]`);
  if (!(input instanceof HTMLElement)) return;
  input.setAttribute("aria-invalid", "true");
  input.focus();
}

/**
 * Shows the question. `run` does it: while it runs nothing can be pressed, and when it raises an
 * `ApiError` the dialog stays and says so.
 *
 * @template T
 * @param {Question} question
 * @param {(values: Values, edited: Set<string>) => Promise<T> | T} run `edited`: the names of the
 *   fields that are not as they were given
 * @returns {Promise<T | null>} null: the reader has thought better of it
 */
export function ask(question, run) {
  const dialog = build(question);
  const form = /** @type {HTMLFormElement} */ (dialog.querySelector("form"));
  const confirm = /** @type {HTMLButtonElement} */ (dialog.querySelector("[data-confirm]"));
  const cancel = /** @type {HTMLButtonElement} */ (dialog.querySelector("[data-cancel]"));
  document.body.append(dialog);
  dialog.showModal();
  dialog.addEventListener("click", onFormat);
  const given = textsOf(form);
  const first = form.querySelector("input, textarea");
  /** @type {HTMLElement} */ (question.danger ? cancel : first ?? confirm).focus();
  return new Promise((resolve) => {
    /** @type {T | null} */
    let result = null;
    /** @param {boolean} on */
    const setBusy = (on) => [confirm, cancel].forEach((button) => (button.disabled = on));
    cancel.addEventListener("click", () => dialog.close());
    // What is under way cannot be called back. Escape pressed twice closes without `cancel`, and
    // the focus may have left with the button.
    /** @param {Event} event */
    const stay = (event) => {
      const closes = !(event instanceof KeyboardEvent) || event.key === "Escape";
      if (closes && confirm.disabled) event.preventDefault();
    };
    dialog.addEventListener("cancel", stay);
    window.addEventListener("keydown", stay, true);
    dialog.addEventListener("close", () => {
      window.removeEventListener("keydown", stay, true);
      dialog.remove();
      resolve(result);
    });
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const { values, problem } = read(form, question.fields ?? []);
      if (problem) {
        showError(form, `${problem.field.label} ${problem.text}`, problem.field);
        return;
      }
      if (confirm.disabled) return;
      setBusy(true);
      try {
        const texts = textsOf(form);
        const edited = [...texts.keys()].filter((name) => texts.get(name) !== given.get(name));
        result = await run(values, new Set(edited));
        dialog.close();
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        showError(form, error.message);
      } finally {
        setBusy(false);
      }
    });
  });
}
