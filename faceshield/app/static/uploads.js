// Photos from the disk to the server: dropped or chosen, files or folders, a few at a time.
import { $, say, t } from "./dom.js";
import { ask } from "./api.js";

const PICTURES = /\.(jpe?g|jpe|jfif|png|webp|tiff?|bmp|dib|gif|heic|heif|hif|avif|mpo)$/i;
const AT_ONCE = 3;

/** Files of a drop, folders opened, as {file, place}. */
async function listDropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files].map((file) => ({ file, place: file.name }));
  const found = [];
  const walk = async (entry, inFolder) => {
    if (entry.isFile) {
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
      if (!inFolder || isPhoto(file.name)) found.push({ file, place: entry.fullPath.replace(/^\//, "") });
    } else {
      const reader = entry.createReader();
      for (;;) {
        const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
        if (!some.length) break;
        for (const one of some) await walk(one, true);
      }
    }
  };
  for (const entry of entries) await walk(entry, false);
  return found;
}

const isPhoto = (name) => PICTURES.test(name) && !name.startsWith(".");

/** Files of an input; of a folder only the pictures. */
const listPicked = (input) =>
  [...input.files]
    .map((file) => ({ file, place: file.webkitRelativePath || file.name }))
    .filter(({ file, place }) => !place.includes("/") || isPhoto(file.name));

/** Send `files` for `role`; what went wrong is said in `element`. */
async function send(files, role, element) {
  const waiting = [...files].sort((a, b) => (a.place < b.place ? -1 : 1));
  const all = waiting.length;
  let done = 0;
  let known = 0;
  const faults = [];
  const work = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      try {
        const query = new URLSearchParams({ role, name: next.place });
        const answer = await ask("POST", `/api/photos?${query}`, { body: next.file });
        if (!answer.new) known += 1;
      } catch (error) {
        faults.push(t("photos.failed", { name: next.file.name, why: error.message }));
      }
      done += 1;
      if (done < all) say(element, t("photos.uploading", { done, n: all }));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  const told = faults.length > 3 ? [...faults.slice(0, 3), "…"] : faults;
  say(element, [...told, ...(known ? [t("photos.known", { n: known })] : [])].join(" "));
}

/** Let `area` take dropped files, and each of `inputs` chosen ones, for `role`. */
export function takeFiles(area, inputs, role) {
  const notice = $("notice");
  for (const input of inputs) {
    input.addEventListener("change", async () => {
      const files = listPicked(input);
      await send(files, role, notice);
      input.value = "";
    });
  }
  area.addEventListener("dragover", (event) => {
    event.preventDefault();
    area.classList.add("over");
  });
  area.addEventListener("dragleave", () => area.classList.remove("over"));
  area.addEventListener("drop", async (event) => {
    event.preventDefault();
    event.stopPropagation();
    area.classList.remove("over");
    await send(await listDropped(event.dataTransfer), role, notice);
  });
}
