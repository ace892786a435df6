// The page: puts the parts together.
import { $, el, fillStrings, has, say, t } from "./dom.js";
import { ask } from "./api.js";
import { drawBox, prepareBox } from "./box.js";
import { prepareCheck, showCheck } from "./check.js";
import { prepareChoices, showChoices } from "./choices.js";
import { prepareJob, showJob } from "./job.js";
import { requests, showPhotos } from "./photos.js";
import { previewPhoto, updatePreview } from "./preview.js";
import { compare, prepareResults, showResults } from "./results.js";
import { follow, onChange, state } from "./state.js";
import { takeFiles } from "./uploads.js";

let ended = false;

function show() {
  if (ended) return;
  if (state.gone) say($("notice"), t("gone"));
  else if ([t("gone"), t("loading")].includes($("notice").textContent) && state.ready) say($("notice"), "");
  showChoices();
  showPhotos(actions);
  showJob();
  showResults();
  showCheck();
  updatePreview();
}

const tell = (work) => async (...values) => {
  try {
    return await work(...values);
  } catch (error) {
    say($("notice"), error.message);
  }
};

const actions = {
  choose: tell(requests.choose),
  remove: tell(requests.remove),
  preview: previewPhoto,
  box: drawBox,
  compare,
};

fillStrings();
for (let n = 1; has(`limits.${n}`); n += 1) $("limits").append(el("li", {}, t(`limits.${n}`)));
say($("notice"), t("loading"));
takeFiles($("drop"), [$("pick-files"), $("pick-folder")], "album");
takeFiles($("check-drop"), [$("check-files")], "clean");
// a photo that misses the area must not open in place of the page
for (const name of ["dragover", "drop"]) addEventListener(name, (event) => event.preventDefault());
prepareChoices(() => {
  showJob();
  updatePreview();
});
prepareBox();
prepareCheck();
prepareJob();
prepareResults();
$("quit").addEventListener(
  "click",
  tell(async () => {
    if (!confirm(t("quit.ask"))) return;
    await ask("POST", "/api/quit");
    ended = true;
    $("main").replaceChildren(el("p", { class: "big" }, t("quit.done")));
    $("quit").hidden = true;
  }),
);
onChange(show);
follow();
