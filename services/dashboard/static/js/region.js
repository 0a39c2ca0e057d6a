// @ts-check
/** A page with one changing region, `#region`: entities, an entity, workers. */
import { morph } from "./morph.js";
import { fetchPart } from "./part.js";
import { poll } from "./poll.js";
import { showTimes } from "./times.js";

export const polling = poll(async (signal) => {
  const fresh = (await fetchPart(location.href, signal))?.getElementById("region");
  const shown = document.getElementById("region");
  // What a dialog is about stays as it is below it.
  if (!fresh || !shown || document.querySelector("dialog[open]")) return;
  morph(shown, fresh);
  showTimes(shown);
});
