// What the server knows, kept up to date by asking for news.
import { ask } from "./api.js";

export const state = { version: 0, ready: false, photos: new Map(), identities: [], job: null, check: null, gone: false };

const listeners = [];

/** Call `listener` after each change. */
export function onChange(listener) {
  listeners.push(listener);
}

function tell() {
  for (const listener of listeners) listener(state);
}

function merge(news) {
  if (news.version < state.version) state.photos.clear();
  for (const photo of news.photos) state.photos.set(photo.id, photo);
  for (const id of news.removed) state.photos.delete(id);
  Object.assign(state, {
    version: news.version,
    ready: news.ready,
    identities: news.identities,
    job: news.job,
    check: news.check,
  });
}

export const photosOf = (role) => [...state.photos.values()].filter((photo) => photo.role === role);

/** Ask for news for ever; between two answers the estimate of the time left is asked for every second. */
export async function follow() {
  for (;;) {
    const running = state.job?.state === "running";
    try {
      merge(await ask("GET", `/api/state?since=${state.version}${running ? "" : "&wait"}`));
      state.gone = false;
    } catch (error) {
      state.gone = true;
    }
    tell();
    const pause = state.gone ? 2000 : running ? 400 : 50;
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}
