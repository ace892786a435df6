// The photos: thumbnails with the found faces outlined, each face a button that chooses it.
import { $, el, place, say, t } from "./dom.js";
import { ask, address } from "./api.js";
import { photosOf, state } from "./state.js";

const cards = new Map();

/** What there is to say of a photo, in one sentence. */
function describe(photo) {
  if (photo.state === "waiting") return t("photo.waiting");
  if (photo.state === "failed") return photo.message === "crash" ? t("photo.crash") : photo.message;
  const job = state.job;
  if (job?.state === "running" && job.open.includes(photo.id)) return t("result.queued");
  if (photo.result) {
    const why = photo.result.reason === "crash" ? t("photo.crash") : photo.result.reason;
    if (photo.result.status === "cloaked" && photo.result.made.face !== photo.choice) return t("result.outdated");
    return t(`result.${photo.result.status}`, { why });
  }
  return describeFaces(photo);
}

function describeFaces(photo) {
  const n = photo.faces.length;
  if (!n) return photo.moving ? t("photo.moving") : t("photo.none");
  if (!photo.chosen.length) return photo.faces.some((face) => face.clear) ? t("photo.unchosen") : t("photo.doubtful");
  return n === 1 ? t("photo.faces", { n }) : t("photo.chosen", { n, chosen: photo.chosen.length });
}

/** One photo's card; the same element as long as the photo is there, so that the focus stays where it is. */
class Card {
  constructor(photo, actions) {
    this.id = photo.id;
    this.picture = el("img", { alt: t("photo.alt", { name: photo.name }), loading: "lazy" });
    this.frame = el("div", { class: "frame" }, this.picture);
    this.status = el("p", { class: "status" });
    this.faces = [];
    this.buttons = el("div", { class: "row tight" });
    this.element = el("li", { class: "card" }, this.frame, el("p", { class: "name" }, photo.name), this.status, this.buttons);
    this.actions = actions;
    this.result = "";
    this.wanted = null; // the choice that the server's news does not have yet
    this.known = 0;
    this.asked = Promise.resolve();
  }

  update(photo) {
    this.photo = photo;
    this.element.dataset.state = photo.result ? photo.result.status : photo.state;
    if (photo.state === "ready" && !this.picture.src) this.picture.src = address(`/api/photos/${this.id}/thumb`);
    this.frame.hidden = photo.state === "failed";
    this.frame.classList.toggle("waiting", photo.state === "waiting");
    while (this.faces.length < photo.faces.length) this.addFace(photo.faces[this.faces.length], this.faces.length);
    if (state.version >= this.known) this.wanted = null;
    this.press(this.wanted ?? photo.chosen);
    say(this.status, photo.role === "clean" ? describeClean(photo) : describe(photo));
    this.updateButtons(photo);
  }

  addFace(face, index) {
    const { width, height, name } = this.photo;
    const number = index + 1;
    const kind = face.drawn ? "photo.face.drawn" : face.clear ? "photo.face" : "photo.face.doubtful";
    const button = el("button", { type: "button", class: "face", "aria-label": t(kind, { number, name }) });
    button.classList.toggle("doubtful", !face.clear && !face.drawn);
    const [x0, y0, x1, y1] = face.box;
    const clip = (value, most) => Math.min(Math.max(value, 0), most);
    button.style.left = `${(clip(x0, width) / width) * 100}%`;
    button.style.top = `${(clip(y0, height) / height) * 100}%`;
    button.style.width = `${((clip(x1, width) - clip(x0, width)) / width) * 100}%`;
    button.style.height = `${((clip(y1, height) - clip(y0, height)) / height) * 100}%`;
    button.addEventListener("click", () => this.toggle(index));
    if (this.photo.role === "clean") button.disabled = true;
    this.faces.push(button);
    this.frame.append(button);
  }

  press(chosen) {
    this.faces.forEach((button, index) => button.setAttribute("aria-pressed", String(chosen.includes(index))));
  }

  /** Clicks may come faster than the server's news: each changes what the one before it has asked for. */
  async toggle(index) {
    const chosen = new Set(this.wanted ?? this.photo.chosen);
    if (!chosen.delete(index)) chosen.add(index);
    const wanted = [...chosen].sort((a, b) => a - b);
    this.wanted = wanted;
    this.known = Infinity;
    this.press(wanted);
    this.asked = this.asked.then(() => this.actions.choose(this.photo, wanted));
    const taken = await this.asked;
    if (this.wanted !== wanted) return;
    this.known = taken ? taken.version : 0; // news older than this does not have the choice
    this.update(this.photo);
  }

  updateButtons(photo) {
    const { name } = photo;
    const has = { ready: photo.state === "ready" && photo.role === "album", output: photo.result?.status === "cloaked" };
    const shown = `${has.ready} ${has.output} ${photo.result?.name} ${photo.faces.length > 0}`;
    if (shown === this.shown) return;
    this.shown = shown;
    const button = (key, action) => {
      const made = el("button", { type: "button", class: "quiet", "aria-label": t(`${key}.label`, { name }) }, t(key));
      made.addEventListener("click", () => action(this.photo));
      return made;
    };
    const { actions } = this;
    const made = [];
    if (has.output) {
      made.push(button("result.compare", actions.compare));
      made.push(makeDownload(photo));
    }
    if (has.ready && photo.faces.length && !has.output) made.push(button("photo.preview", actions.preview));
    if (has.ready) made.push(button("photo.box", actions.box));
    made.push(button("photo.remove", actions.remove));
    this.buttons.replaceChildren(...made);
  }
}

const describeClean = (photo) =>
  photo.state !== "ready" ? describe(photo) : t(photo.faces.length ? "photo.clean" : "photo.clean.none");

/** The link that saves a cloaked photo under its own name. */
export function makeDownload(photo) {
  return el(
    "a",
    {
      class: "button quiet",
      href: address(`/api/photos/${photo.id}/result`),
      download: photo.result.name,
      "aria-label": t("result.download.label", { name: photo.name }),
    },
    t("result.download"),
  );
}

/** Show the photos of both roles; `actions` are what their buttons do. */
export function showPhotos(actions) {
  for (const [role, list] of [["album", $("photos")], ["clean", $("clean-photos")]]) {
    const nodes = photosOf(role).map((photo) => {
      if (!cards.has(photo.id)) cards.set(photo.id, new Card(photo, actions));
      const card = cards.get(photo.id);
      card.update(photo);
      return card.element;
    });
    place(list, nodes);
  }
  for (const id of cards.keys()) if (!state.photos.has(id)) cards.delete(id);
  const n = photosOf("album").length;
  say($("photos-count"), n ? t("photos.count", { n }) : "");
}

/** What the buttons of a card ask of the server. */
export const requests = {
  choose: (photo, chosen) => ask("PUT", `/api/photos/${photo.id}/chosen`, { json: chosen }),
  remove: (photo) => ask("DELETE", `/api/photos/${photo.id}`),
};
