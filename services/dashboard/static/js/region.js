// @ts-check
/** A page with one changing region, `#region`: entities, an entity, workers. */
import { morph } from "./morph.js";
import { fetchPart, forgetPart } from "./part.js";
import { poll } from "./poll.js";
import { showTimes } from "./times.js";

/** What a dialog is about stays as it is below it. */
const isAsking = () => document.querySelector("dialog[open]") !== null;

export const polling = poll(async (signal) => {
  if (isAsking()) return false;
  const fresh = (await fetchPart(location.href, signal))?.getElementById("region");
  const shown = document.getElementById("region");
  if (!fresh || !shown) return true;
  if (isAsking()) {
    forgetPart(); // opened meanwhile: what was not shown has to come again
    return true;
  }
  morph(shown, fresh);
  showTimes(shown);
  return true;
});
