// @ts-check
/** Files that the page makes. */

/** Characters that some file systems refuse. */
const UNFIT = /[^A-Za-z0-9._-]+/g;

/** @param {Blob} blob @param {string} name */
export function saveAs(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name.replace(UNFIT, "_");
  link.click();
  // Firefox starts the download after the click has been dealt with.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
