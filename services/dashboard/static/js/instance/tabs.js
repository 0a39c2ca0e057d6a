// @ts-check
/** The tabs of an instance, kept in the address so that Back works. */

const NAMES = ["failure", "timeline", "history", "sequence", "io"];

/**
 * @typedef {object} View
 * @property {() => void} show drawn from now on
 * @property {() => void} hide not looked at: nothing of it should move
 */

export class Tabs {
  /**
   * @param {HTMLElement} section
   * @param {Record<string, View>} views by the tab's name
   */
  constructor(section, views) {
    this.views = views;
    this.tabs = [...section.querySelectorAll("[role=tab]")].filter(
      (tab) => tab instanceof HTMLElement,
    );
    this.current = "";
    this.isFailed = false;
    section.querySelector("[role=tablist]")?.addEventListener("keydown", (event) => {
      if (event instanceof KeyboardEvent) this.onKey(event);
    });
    for (const tab of this.tabs) tab.addEventListener("click", () => this.go(nameOf(tab)));
    window.addEventListener("popstate", () => this.show(this.asked()));
  }

  /** What the address asks for, or what there is first. */
  asked() {
    const name = new URLSearchParams(location.search).get("tab") ?? "";
    const isThere = NAMES.includes(name) && (name !== "failure" || this.isFailed);
    return isThere ? name : this.isFailed ? "failure" : "timeline";
  }

  /** @param {boolean} isFailed whether there is a failure to show */
  setFailed(isFailed) {
    this.isFailed = isFailed;
    const tab = this.tabs.find((each) => nameOf(each) === "failure");
    if (tab) tab.hidden = !isFailed;
    if (!isFailed && this.current === "failure") this.show("timeline");
  }

  /**
   * Goes to a tab as the reader does: a step of the browser's history.
   *
   * @param {string} name
   */
  go(name) {
    if (name === this.current) return;
    const url = new URL(location.href);
    url.searchParams.set("tab", name);
    history.pushState(null, "", url);
    this.show(name);
  }

  /** @param {string} name */
  show(name) {
    if (name === this.current) return;
    this.views[this.current]?.hide();
    this.current = name;
    for (const tab of this.tabs) {
      const isShown = nameOf(tab) === name;
      tab.setAttribute("aria-selected", String(isShown));
      tab.tabIndex = isShown ? 0 : -1;
      const panel = document.getElementById(tab.getAttribute("aria-controls") ?? "");
      if (panel) panel.hidden = !isShown;
    }
    this.views[name]?.show();
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const there = this.tabs.filter((tab) => !tab.hidden);
    const at = there.findIndex((tab) => nameOf(tab) === this.current);
    const to = {
      ArrowRight: (at + 1) % there.length,
      ArrowLeft: (at + there.length - 1) % there.length,
      Home: 0,
      End: there.length - 1,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.go(nameOf(there[to]));
    there[to].focus();
  }
}

/** @param {HTMLElement} tab */
function nameOf(tab) {
  return tab.dataset.tab ?? "";
}
