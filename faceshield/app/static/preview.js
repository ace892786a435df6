// The real preview: one face of one photo, cloaked now, at the chosen strength.
import { $, say, t } from "./dom.js";
import { ask } from "./api.js";
import { readSettings } from "./choices.js";
import { showCompare } from "./compare.js";
import { photosOf, state } from "./state.js";

const PAUSE = 250; // ms after the last change
let chosen = null; // the photo that the person asked for
let shown = ""; // what the preview shows, so that it is not made twice
let timer = 0;

const fits = (photo) => photo && photo.state === "ready" && photo.chosen.length;

function findPhoto() {
  const asked = chosen && state.photos.get(chosen);
  return fits(asked) ? asked : photosOf("album").find(fits);
}

/** Preview `photo` from now on. */
export function previewPhoto(photo) {
  chosen = photo.id;
  shown = "";
  updatePreview();
  $("preview").scrollIntoView({ block: "nearest", behavior: "smooth" });
}

/** Make the preview anew where its photo or the choices have changed. */
export function updatePreview() {
  clearTimeout(timer);
  timer = setTimeout(make, PAUSE);
}

async function make() {
  const photo = findPhoto();
  if (!photo) {
    say($("preview-note"), t("preview.empty"));
    $("preview-pictures").replaceChildren();
    shown = "";
    return;
  }
  if (!state.ready) return;
  const { metadata, ...settings } = readSettings();
  const wanted = JSON.stringify([photo.id, photo.chosen[0], settings]);
  if (wanted === shown) return;
  shown = wanted;
  say($("preview-note"), t("preview.working"));
  $("preview").setAttribute("aria-busy", "true");
  try {
    const made = await ask("POST", "/api/preview", { json: { photo: photo.id, face: photo.chosen[0], settings } });
    if (wanted !== shown) return;
    const note = t("preview.done", { name: photo.name, seconds: made.seconds.toFixed(1) });
    say($("preview-note"), made.stands_in ? `${note} ${t("preview.stands_in")}` : note);
    showCompare($("preview-pictures"), made.folder, made.part, photo.name);
  } catch (error) {
    if (error.code !== "superseded" && wanted === shown) {
      say($("preview-note"), t("preview.failed", { why: error.message }));
      $("preview-pictures").replaceChildren();
    }
  } finally {
    if (wanted === shown) $("preview").setAttribute("aria-busy", "false");
  }
}
