// A box drawn by hand around a face that was missed, by pointer or by keyboard.
import { $, say, t } from "./dom.js";
import { ask, address } from "./api.js";

let photo = null;
let box = null; // in photo pixels: x, y, width, height

const stage = () => $("box-stage").getBoundingClientRect();

function show() {
  const shape = $("box-shape");
  const [x, y, width, height] = box;
  shape.style.left = `${(x / photo.width) * 100}%`;
  shape.style.top = `${(y / photo.height) * 100}%`;
  shape.style.width = `${(width / photo.width) * 100}%`;
  shape.style.height = `${(height / photo.height) * 100}%`;
  const [a, b, c, d] = box.map(Math.round);
  say($("box-place"), t("box.place", { x: a, y: b, width: c, height: d }));
}

function set(x0, y0, x1, y1) {
  const clip = (value, most) => Math.min(Math.max(value, 0), most);
  const [left, right] = [clip(Math.min(x0, x1), photo.width), clip(Math.max(x0, x1), photo.width)];
  const [top, bottom] = [clip(Math.min(y0, y1), photo.height), clip(Math.max(y0, y1), photo.height)];
  box = [left, top, right - left, bottom - top];
  show();
}

function pointOf(event) {
  const area = stage();
  return [((event.clientX - area.left) / area.width) * photo.width, ((event.clientY - area.top) / area.height) * photo.height];
}

function onKey(event) {
  const step = Math.max(photo.width, photo.height) / 50;
  const move = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key];
  if (!move) return;
  event.preventDefault();
  let [x, y, width, height] = box;
  if (event.shiftKey) [width, height] = [Math.max(step, width + move[0]), Math.max(step, height + move[1])];
  else {
    x = Math.min(Math.max(0, x + move[0]), photo.width - width);
    y = Math.min(Math.max(0, y + move[1]), photo.height - height);
  }
  set(x, y, x + width, y + height);
}

/** Open the dialog for `which` photo. */
export function drawBox(which) {
  photo = which;
  const side = Math.min(photo.width, photo.height) / 3;
  $("box-picture").src = address(`/api/photos/${photo.id}/view`);
  $("box-stage").style.aspectRatio = `${photo.width} / ${photo.height}`;
  $("box-stage").style.maxWidth = `calc(68vh * ${photo.width / photo.height})`;
  $("box-dialog").showModal();
  set((photo.width - side) / 2, (photo.height - side) / 2, (photo.width + side) / 2, (photo.height + side) / 2);
  $("box-stage").focus();
}

/** Wire the dialog up. */
export function prepareBox() {
  let from = null;
  $("box-stage").addEventListener("pointerdown", (event) => {
    event.preventDefault();
    $("box-stage").focus();
    $("box-stage").setPointerCapture(event.pointerId);
    from = pointOf(event);
  });
  $("box-stage").addEventListener("pointermove", (event) => {
    if (from) set(...from, ...pointOf(event));
  });
  $("box-stage").addEventListener("pointerup", () => {
    from = null;
  });
  $("box-stage").addEventListener("keydown", onKey);
  $("box-close").addEventListener("click", () => $("box-dialog").close());
  $("box-add").addEventListener("click", async () => {
    try {
      const answer = await ask("POST", `/api/photos/${photo.id}/boxes`, { json: box });
      $("box-dialog").close();
      say($("notice"), t(answer.same ? "box.same" : "box.added"));
    } catch (error) {
      say($("box-place"), error.message);
    }
  });
}
