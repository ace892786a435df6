// The choices of a run, kept in this tab so that a reload does not lose them.
import { $, el, place, say, t } from "./dom.js";
import { state } from "./state.js";

const LEVELS = [4, 6, 8, 12, 16];
const KEPT = "faceshield-choices";
const NEW = "";
const USUAL = "me";
const selects = {
  against: ["training", "search", "both"],
  metadata: ["keep", "no-location", "none"],
  format: ["same", "png", "jpeg", "webp"],
};

const currentName = () => $("identity").value || $("identity-name").value.trim() || USUAL;
const known = () => state.identities.find((one) => one.name === currentName());

/** The choices as the server takes them. */
export function readSettings() {
  const identity = known();
  const made = identity && !identity.damaged;
  return {
    identity: currentName(),
    levels: made && needsNoise() ? nearest(identity.levels) : LEVELS[$("levels").value],
    ready: !made && $("time").value === "0",
    against: $("against").value,
    metadata: $("metadata").value,
    format: $("format").value,
  };
}

const needsNoise = () => $("against").value !== "search";
const nearest = (levels) => LEVELS.reduce((a, b) => (Math.abs(b - levels) < Math.abs(a - levels) ? b : a));

/** Make the lists, take back what was chosen before a reload, and call `onChoice` after each change. */
export function prepareChoices(onChoice) {
  for (const [name, values] of Object.entries(selects)) {
    $(name).append(...values.map((value) => el("option", { value }, t(`${name}.${value}`))));
  }
  $("identity").append(el("option", { value: NEW }, t("identity.new")));
  $("identity-name").value = USUAL;
  restore();
  $("choices").addEventListener("submit", (event) => event.preventDefault());
  $("choices").addEventListener("input", () => {
    keep();
    showChoices();
    onChoice();
  });
}

let wanted = USUAL; // an identity that is chosen as soon as the server has told of it

function keep() {
  const values = { more: $("more").open };
  for (const name of ["identity", "identity-name", "levels", "time", ...Object.keys(selects)]) values[name] = $(name).value;
  wanted = values.identity;
  sessionStorage.setItem(KEPT, JSON.stringify(values));
}

function restore() {
  const values = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
  if (!values) return;
  for (const [name, value] of Object.entries(values)) if (name !== "more") $(name).value = value;
  $("more").open = values.more;
  wanted = values.identity;
}

/** Choose `name` once it is in the list: after a run that has made it. */
export function chooseIdentity(name) {
  wanted = name;
}

/** Show the identities and what each choice means. */
export function showChoices() {
  const select = $("identity");
  const options = [...select.options];
  const option = (one) => {
    const kind = one.damaged ? "damaged" : one.kind;
    const text = t(`identity.${kind}`, { name: one.name });
    const made = options.find((other) => other.value === one.name) ?? el("option", { value: one.name });
    say(made, text);
    return made;
  };
  const fresh = options.find((one) => one.value === NEW);
  place(select, [...state.identities.map(option), fresh]);
  if (wanted !== null && [...select.options].some((one) => one.value === wanted)) {
    select.value = wanted;
    wanted = null;
    keep();
  }
  const identity = known();
  $("identity-new").hidden = select.value !== NEW;
  say($("identity-hint"), describeIdentity(identity));
  const fixed = Boolean(identity) && !identity.damaged && needsNoise();
  $("levels").disabled = fixed;
  if (fixed) $("levels").value = LEVELS.indexOf(nearest(identity.levels));
  const levels = LEVELS[$("levels").value];
  const meaning = t(`levels.${levels}`);
  $("levels").setAttribute("aria-valuetext", meaning);
  say($("levels-hint"), fixed ? `${meaning} ${t("levels.fixed", { levels: identity.levels })}` : meaning);
  showTime(fixed);
  for (const name of ["against", "metadata", "format"]) say($(`${name}-hint`), t(`${name}.hint.${$(name).value}`));
}

function showTime(fixed) {
  const masks = $("against").value !== "training";
  const time = $("time");
  time.disabled = fixed || !needsNoise();
  const noise = !needsNoise() ? "" : fixed ? t("time.fixed") : t(`time.${time.value}`);
  const meaning = [noise, masks ? t("time.masks") : ""].filter(Boolean).join(" ");
  time.setAttribute("aria-valuetext", meaning);
  say($("time-hint"), meaning);
}

function describeIdentity(identity) {
  if (!identity) return t("identity.hint.new");
  if (identity.damaged) return t("identity.hint.damaged", { why: identity.damaged });
  const made = new Date(identity.made).toLocaleDateString();
  return t(`identity.hint.${identity.kind}`, { photos: identity.photos, made });
}
