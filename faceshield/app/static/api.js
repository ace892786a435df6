// Requests to the server, each with the token that the page was opened with.
import { t, has } from "./dom.js";

const token = new URLSearchParams(location.search).get("token") ?? "";

export class Refused extends Error {}

/** Why a request was refused, as a sentence. */
function explain(body) {
  const key = `error.${body.error}`;
  const mb = body.most === undefined ? 0 : Math.floor(body.most / 2 ** 20);
  return has(key) ? t(key, { ...body, mb }) : String(body.error);
}

/** Send a request; gives the JSON of the answer. Throws Refused with a sentence. */
export async function ask(method, path, { json, body, signal } = {}) {
  let response;
  try {
    response = await fetch(path, {
      method,
      signal,
      headers: { "X-Faceshield-Token": token },
      body: json === undefined ? body : JSON.stringify(json),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    const refused = new Refused(t("error.gone"));
    refused.code = "gone";
    throw refused;
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) {
    const refused = new Refused(explain({ error: response.status, ...answer }));
    refused.code = answer.error;
    throw refused;
  }
  return answer;
}

/** The address of a picture or a download, for elements that cannot send headers. */
export const address = (path) => `${path}${path.includes("?") ? "&" : "?"}token=${encodeURIComponent(token)}`;
