// The button that starts a job, and where the job stands.
import { $, formatTime, has, say, t } from "./dom.js";
import { ask } from "./api.js";
import { chooseIdentity, readSettings } from "./choices.js";
import { photosOf, state } from "./state.js";

/** How many photos a job with the present choices would cloak. */
function countDue() {
  const settings = readSettings();
  return photosOf("album").filter((photo) => {
    if (photo.state !== "ready" || !photo.choice) return false;
    if (photo.result?.status !== "cloaked") return true;
    const { face, ...made } = photo.result.made;
    return face !== photo.choice || Object.entries(made).some(([name, value]) => settings[name] !== value);
  }).length;
}

let ended = null; // the job whose end has been told

/** Show the button, and the progress of what runs. */
export function showJob() {
  const { job } = state;
  const running = job?.state === "running";
  const n = countDue();
  const go = $("go");
  go.disabled = running || !n;
  const idle = n ? t("go.start", { n }) : photosOf("album").some((photo) => photo.result) ? t("go.done") : t("go.nothing");
  say(go, running ? t("go.running") : idle);
  $("cancel").hidden = !running;
  $("progress").hidden = !job;
  if (!job) return;
  const bar = $("bar");
  bar.hidden = !running;
  if (running && job.total) bar.value = job.done / job.total;
  else bar.removeAttribute("value");
  say($("progress-text"), describe(job));
  if (!running && job.kind === "cloak" && ended !== job.photos.join() + job.state) {
    ended = job.photos.join() + job.state;
    if (job.result?.identity) chooseIdentity(job.result.identity.name);
  }
}

function describe(job) {
  if (job.state === "running") {
    const key = `go.stage.${job.stage}`;
    const text = job.stage && has(key) ? t(key, { done: job.done, total: job.total }) : t("go.starting");
    return t("go.left", { text, time: formatTime(job.left) });
  }
  if (job.state === "done") return t("go.finished");
  if (job.state === "cancelled") return t("go.cancelled");
  return t("go.failed", { why: job.message || t("error.crash") });
}

/** Wire the buttons up. */
export function prepareJob() {
  const tell = (work) => async () => {
    try {
      await work();
    } catch (error) {
      say($("notice"), error.message);
    }
  };
  $("go").addEventListener("click", tell(() => ask("POST", "/api/job", { json: readSettings() })));
  $("cancel").addEventListener("click", tell(() => ask("DELETE", "/api/job")));
}
