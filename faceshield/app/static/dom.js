// Small helpers: make elements, fill in sentences.
import { strings } from "./strings.js";

export const $ = (id) => document.getElementById(id);

/** The sentence `key` with `values` filled in; `values.n` chooses between the forms "one|many". */
export function t(key, values = {}) {
  const text = strings[key];
  if (text === undefined) throw new Error(`no string ${key}`);
  const forms = text.split("|");
  const form = forms.length > 1 && values.n !== 1 ? forms[1] : forms[0];
  return form.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

export const has = (key) => key in strings;

/** An element with properties (and "data-…"/"aria-…" attributes) and children. */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class") element.className = value;
    else if (name.includes("-") || name === "role" || name === "for") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Fill in every element that names its sentence. */
export function fillStrings(root = document) {
  for (const element of root.querySelectorAll("[data-t]")) element.textContent = t(element.dataset.t);
}

/** Set text only where it differs, so that screen readers are not told twice. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Make `list` hold the `nodes`, without moving those that are in place already. */
export function place(list, nodes) {
  nodes.forEach((node, index) => {
    if (list.children[index] !== node) list.insertBefore(node, list.children[index] ?? null);
  });
  while (list.children.length > nodes.length) list.lastChild.remove();
}

export const formatTime = (seconds) =>
  seconds < 90
    ? t("go.left.seconds", { n: Math.max(1, Math.round(seconds)) })
    : t("go.left.minutes", { n: Math.round(seconds / 60) });
