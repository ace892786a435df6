// What became of the photos: before and after of one, in words as well, and the whole album.
import { $, el, say, t } from "./dom.js";
import { ask, address } from "./api.js";
import { showCompare } from "./compare.js";
import { photosOf, state } from "./state.js";

const notesOf = (texts) => texts.map((text) => el("li", {}, text));

/** What there is to say of one cloaked photo. */
function describe(photo) {
  const { result } = photo;
  const told = [];
  const lossy = result.lossless ? "" : t("compare.lossy", { resaved: round(result.resaved_linf_255) });
  told.push(t("compare.largest", { change: round(result.written_linf_255), lossy }));
  if (result.faces.length) told.push(t("compare.similar", { ssim: result.faces[0].ssim_face.toFixed(3) }));
  const others = result.faces_seen - result.faces.length;
  if (result.frames === null && others > 0) told.push(t("compare.uncloaked", { n: others }));
  if (result.still_matched.length) told.push(t("compare.still", { n: result.still_matched.length }));
  const what = result.stripped.join(", ");
  told.push(what ? t("compare.stripped", { what }) : t("compare.notstripped"));
  told.push(...result.notices.map((notice) => t("compare.notice", { what: notice })));
  told.push(...result.changes.map((change) => t("compare.change", { what: change })));
  return told;
}

const round = (value) => Math.round(value * 10) / 10;

/** Open the comparison of `photo`. */
export async function compare(photo) {
  const dialog = $("compare-dialog");
  say($("compare-title"), t("compare.title", { name: photo.name }));
  $("compare-pictures").replaceChildren();
  $("compare-notes").replaceChildren(...notesOf(describe(photo)));
  $("compare-download").href = address(`/api/photos/${photo.id}/result`);
  $("compare-download").download = photo.result.name;
  dialog.showModal();
  try {
    const { folder, parts } = await ask("POST", `/api/photos/${photo.id}/compare`);
    const select = $("compare-part");
    const name = (part, index) => (part === "whole" ? t("compare.whole") : t("compare.face", { number: index }));
    select.replaceChildren(...parts.map((value, index) => el("option", { value }, name(value, index))));
    select.value = parts[1] ?? parts[0];
    select.onchange = () => showCompare($("compare-pictures"), folder, select.value, photo.name);
    select.onchange();
  } catch (error) {
    $("compare-pictures").replaceChildren(el("p", {}, error.message));
  }
}

/** Wire the dialog up. */
export function prepareResults() {
  $("compare-close").addEventListener("click", () => $("compare-dialog").close());
  $("zip").href = address("/api/zip");
}

function count(photos, word) {
  const counts = new Map();
  for (const photo of photos) for (const text of photo.result[word]) counts.set(text, (counts.get(text) ?? 0) + 1);
  return counts;
}

let told = []; // what the last run had to say; a check is a job too, and must not hide it

/** Show the album's result. */
export function showResults() {
  const album = photosOf("album");
  const of = (status) => album.filter((photo) => photo.result?.status === status);
  const cloaked = of("cloaked");
  const any = album.some((photo) => photo.result);
  $("done-section").hidden = !any;
  $("check-section").hidden = !cloaked.length;
  if (!any) return;
  const numbers = { cloaked: cloaked.length, unprotected: of("unprotected").length, failed: of("failed").length };
  say($("done-summary"), t("done.summary", numbers));
  const left = album.filter((photo) => photo.state === "ready" && !photo.choice && !photo.result).length;
  const notes = left ? [t("done.left", { n: left })] : [];
  for (const [what, n] of count(cloaked, "stripped")) notes.push(t("done.stripped", { what, n }));
  for (const [what, n] of count(cloaked, "notices")) notes.push(t("done.note", { what, n }));
  if (state.job?.kind === "cloak" && state.job.result) told = state.job.result.notices;
  notes.push(...told);
  const list = $("done-notes");
  if (list.dataset.shown !== notes.join("\n")) {
    list.dataset.shown = notes.join("\n");
    list.replaceChildren(...notesOf(notes));
  }
  $("zip").hidden = !cloaked.length;
}
