// @ts-check
/* A classic script, run before the page is drawn: a chosen theme never flashes the other one. */
{
  const KEY = "theme";
  const root = document.documentElement;
  const apply = () => {
    const chosen = localStorage.getItem(KEY);
    if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
    else delete root.dataset.theme;
  };
  apply();
  window.addEventListener("storage", apply); // chosen in another tab
  document.addEventListener("themechoice", (event) => {
    localStorage.setItem(KEY, /** @type {CustomEvent} */ (event).detail);
    apply();
  });
}
