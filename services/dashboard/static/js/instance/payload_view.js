// @ts-check
/** One payload: pretty or raw, coloured, searched, copied, downloaded, and cut where it is long. */

import { copyText } from "../clipboard.js";
import { button, el, icon } from "./element.js";
import { saveAs } from "./files.js";
import {
  COLOURED_CHARS_MAX,
  MATCHES_MAX,
  cut,
  pieces,
  placeOf,
  pretty,
  search,
  sizeOf,
  tokens,
} from "./payload.js";

/** @typedef {import("./payload.js").Stored} Stored */

const SAID_MS = 1500;
const TYPING_MS = 150;

export class PayloadView {
  /**
   * @param {{name: string, label: string}} options name: of the file; label: what it is, in words
   */
  constructor({ name, label }) {
    this.name = name;
    this.text = "";
    /** @type {string | null} */
    this.prettyText = null;
    this.isRaw = false;
    this.isWhole = false;
    this.match = 0;
    this.search = el("input", {
      type: "search",
      placeholder: "Search",
      "aria-label": `Search in ${label}`,
    });
    this.count = el("span", { class: "muted pv-count", role: "status" });
    this.size = el("span", { class: "muted pv-size" });
    this.raw = button("Raw", () => this.toggleRaw(), { title: "As it was sent" });
    this.copyButton = button("Copy", () => void this.copy(), { icon: "copy" });
    this.tools = el(
      "div",
      { class: "pv-tools" },
      el("h3", {}, label),
      this.size,
      el(
        "span",
        { class: "to-end" },
        this.count,
        el("label", { class: "find" }, icon("search"), this.search),
        this.raw,
        this.copyButton,
        button("Download", () => this.save(), { icon: "download", text: "", className: "square" }),
      ),
    );
    this.place = el("div", { class: "pv-place muted", hidden: true });
    this.code = el("pre", { class: "pv-code", tabindex: 0, role: "region", "aria-label": label });
    this.more = el("div", { class: "pv-more", hidden: true });
    this.message = el("div", { class: "pv-message muted", hidden: true });
    this.element = el(
      "section",
      { class: "pv" },
      this.tools,
      this.place,
      this.message,
      this.code,
      this.more,
    );
    this.listen();
  }

  listen() {
    let timer = 0;
    this.search.addEventListener("input", () => {
      clearTimeout(timer);
      timer = window.setTimeout(() => {
        this.match = 0;
        this.draw(true);
      }, TYPING_MS);
    });
    this.search.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      this.match += event.shiftKey ? -1 : 1;
      this.draw(true);
    });
  }

  /** Something else than a payload. @param {string} text @param {Node} [action] */
  say(text, action) {
    this.message.replaceChildren(text, ...(action ? [" ", action] : []));
    this.message.hidden = false;
    this.place.hidden = true;
    this.code.hidden = true;
    this.more.hidden = true;
    this.tools.classList.add("is-empty");
  }

  /**
   * Returns how many lines there are.
   *
   * @param {string} text
   * @param {Stored | null} [stored] where it lies, if not in the task hub
   */
  show(text, stored = null) {
    this.place.hidden = stored === null;
    if (stored !== null) this.place.textContent = placeOf(stored);
    this.text = text;
    this.prettyText = pretty(text);
    this.isWhole = false;
    this.message.hidden = true;
    this.code.hidden = false;
    this.tools.classList.remove("is-empty");
    this.size.textContent = this.prettyText === null ? `${sizeOf(text)}, not JSON` : sizeOf(text);
    this.raw.hidden = this.prettyText === null;
    this.draw(false);
    return this.shownText().split("\n").length;
  }

  shownText() {
    return this.isRaw || this.prettyText === null ? this.text : this.prettyText;
  }

  toggleRaw() {
    this.isRaw = !this.isRaw;
    this.raw.setAttribute("aria-pressed", String(this.isRaw));
    this.draw(false);
  }

  /** @param {boolean} seek whether to scroll to the match */
  draw(seek) {
    const whole = this.shownText();
    const query = this.search.value;
    const text = this.isWhole ? whole : cut(whole);
    const isJson = this.prettyText !== null && text.length <= COLOURED_CHARS_MAX;
    const matches = search(text, query);
    if (matches.length > 0) this.match = (this.match + matches.length) % matches.length;
    /** @type {HTMLElement | null} */
    let current = null;
    const nodes = pieces(text, isJson ? tokens(text) : [], matches).map((piece) => {
      const kind = piece.kind === null ? "" : `js-${piece.kind}`;
      if (piece.match === null) {
        return kind === ""
          ? document.createTextNode(piece.text)
          : el("span", { class: kind }, piece.text);
      }
      const isCurrent = piece.match === this.match;
      const mark = el(
        "mark",
        { class: `${kind}${isCurrent ? " is-current" : ""}`.trim() },
        piece.text,
      );
      if (isCurrent) current ??= mark;
      return mark;
    });
    this.code.replaceChildren(...nodes);
    this.tellMatches(query, matches.length, whole.length > text.length);
    this.tellCut(text.length, whole.length);
    if (seek && current !== null) this.reveal(current);
  }

  /** Scrolls the payload alone, not the page. @param {HTMLElement} mark */
  reveal(mark) {
    const box = this.code.getBoundingClientRect();
    const place = mark.getBoundingClientRect();
    if (place.top < box.top || place.bottom > box.bottom) {
      this.code.scrollTop += place.top - box.top - box.height / 3;
    }
    if (place.right > box.right) this.code.scrollLeft += place.right - box.right + 40;
    if (place.left < box.left) this.code.scrollLeft -= box.left - place.left + 40;
  }

  /** @param {string} query @param {number} found @param {boolean} isCut */
  tellMatches(query, found, isCut) {
    const many =
      found >= MATCHES_MAX ? `${MATCHES_MAX.toLocaleString("en")}+` : found.toLocaleString("en");
    const where = isCut ? " in what is shown" : "";
    const text = found === 0 ? `none${where}` : `${this.match + 1} of ${many}${where}`;
    this.count.textContent = query === "" ? "" : text;
  }

  /** @param {number} shown @param {number} all */
  tellCut(shown, all) {
    this.more.hidden = shown >= all;
    if (this.more.hidden) return;
    const percent = Math.max(1, Math.round((shown / all) * 100));
    const showAll = button("Show all of it", () => {
      this.isWhole = true;
      this.draw(false);
      this.code.focus();
    });
    this.more.replaceChildren(
      el("span", { class: "muted" }, `The first ${percent} % is shown.`),
      showAll,
      button("Download", () => this.save(), { icon: "download" }),
    );
  }

  async copy() {
    const worked = await copyText(this.shownText());
    const word = /** @type {Text} */ (this.copyButton.lastChild);
    word.data = worked ? "Copied" : "Not allowed";
    setTimeout(() => {
      word.data = "Copy";
    }, SAID_MS);
  }

  save() {
    const type = this.prettyText === null ? "text/plain" : "application/json";
    const end = this.prettyText === null ? "txt" : "json";
    saveAs(new Blob([this.text], { type }), `${this.name}.${end}`);
  }
}
