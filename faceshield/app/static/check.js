// The check: is the person still found among strangers, with and without the cloak?
import { $, el, formatTime, say, t } from "./dom.js";
import { ask, address } from "./api.js";
import { photosOf, state } from "./state.js";

let shown = "";

/** Wire the button up. */
export function prepareCheck() {
  $("check").addEventListener("click", async () => {
    try {
      await ask("POST", "/api/check");
    } catch (error) {
      shown = "";
      $("check-result").replaceChildren(el("p", {}, t("check.failed", { why: error.message })));
    }
  });
}

/** Show the check's result, or where it stands. */
export function showCheck() {
  const { check } = state;
  const running = state.job?.state === "running";
  $("check").disabled = running || photosOf("clean").some((photo) => photo.state === "waiting");
  if (!check) return;
  if (check.state === "running") {
    shown = "";
    say($("check-result"), t("go.left", { text: t("check.running"), time: formatTime(check.left) }));
    return;
  }
  const now = JSON.stringify([check.state, check.photos, check.result?.sentences]);
  if (now === shown) return;
  shown = now;
  const holder = $("check-result");
  if (check.state !== "done") {
    const why = check.state === "cancelled" ? t("go.cancelled") : check.message || t("error.crash");
    holder.replaceChildren(el("p", {}, t("check.failed", { why })));
    return;
  }
  const { sentences, columns, lines, open, lost } = check.result;
  const heads = [t("check.query"), ...columns].map((text) => el("th", { scope: "col" }, text));
  const rows = lines.map((line) =>
    el("tr", {}, el("th", { scope: "row" }, line.name), ...line.cells.map((cell) => el("td", {}, cell))),
  );
  const names = Object.values(lost).flat();
  holder.replaceChildren(
    el("ul", { class: "notes" }, ...sentences.map((text) => el("li", {}, text))),
    el(
      "div",
      { class: "wide", tabIndex: 0, role: "region", "aria-label": t("check.table") },
      el("table", {}, el("thead", {}, el("tr", {}, ...heads)), el("tbody", {}, ...rows)),
    ),
    ...(names.length ? [el("p", {}, t("check.lost", { names: names.join(", ") }))] : []),
    el("ul", { class: "notes hint" }, ...open.map((text) => el("li", {}, text))),
    el("a", { class: "button quiet", href: address("/api/check/report"), download: "faceshield-check.html" }, t("check.report")),
  );
}
