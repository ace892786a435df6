// Before and after, one over the other with a line to move, or what has changed.
import { el, t } from "./dom.js";
import { address } from "./api.js";

/** Show `part` of the pictures in `folder` (as the server names them) inside `holder`. */
export function showCompare(holder, folder, part, name) {
  const url = (what) => address(`/api/pictures/${folder}/${part}-${what}.png`);
  const before = el("img", { src: url("before"), alt: t("compare.alt.before", { name }) });
  const after = el("img", { src: url("after"), alt: t("compare.alt.after", { name }), class: "top" });
  const difference = el("img", { src: url("difference"), alt: t("compare.alt.difference", { name }), hidden: true });
  const line = el("div", { class: "line" });
  const slider = el("input", { type: "range", min: 0, max: 100, value: 50, "aria-label": t("compare.slider") });
  const toggle = el("input", { type: "checkbox" });
  const tags = [el("span", { class: "tag left" }, t("compare.before")), el("span", { class: "tag right" }, t("compare.after"))];
  const move = () => {
    after.style.clipPath = `inset(0 0 0 ${slider.value}%)`;
    line.style.left = `${slider.value}%`;
  };
  toggle.addEventListener("change", () => {
    difference.hidden = !toggle.checked;
    for (const other of [before, after, line, slider, ...tags]) other.hidden = toggle.checked;
  });
  slider.addEventListener("input", move);
  const stack = el("div", { class: "stack" }, before, after, difference, line, ...tags);
  const drag = (event) => {
    if (toggle.checked || (event.type === "pointermove" && !event.buttons)) return;
    const area = stack.getBoundingClientRect();
    slider.value = Math.round(((event.clientX - area.left) / area.width) * 100);
    move();
  };
  stack.addEventListener("pointerdown", drag);
  stack.addEventListener("pointermove", drag);
  move();
  holder.replaceChildren(
    el("div", { class: "compare" }, stack, slider, el("label", { class: "check" }, toggle, t("compare.difference"))),
  );
}
