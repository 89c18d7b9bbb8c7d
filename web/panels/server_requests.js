/**
 * @typedef {{
 *   fetchApi(route: string, options?: RequestInit): Promise<Response>,
 *   clientId?: string,
 *   initialClientId?: string | null,
 * }} Api the page's api
 */

import { sayError } from "./error_texts.js";

/**
 * Posts JSON and gives the JSON of the response. An error has the server's text, in the language of the
 * page.
 *
 * @param {Api} api
 * @param {string} route
 * @param {object} body
 */
export async function postJson(api, route, body) {
  const response = await api.fetchApi(route, { method: "POST", body: JSON.stringify(body) });
  const value = await response.json();
  if (!response.ok) throw new Error(sayError(value.error));
  return value;
}

/**
 * What the server remembers of the runs of this page. An empty list if it reports an error, does not know the page yet,
 * or is gone; the page says that by itself.
 *
 * @param {Api} api
 * @param {string} route
 * @param {Record<string, string>} [more] what else is asked
 */
export async function fetchRemembered(api, route, more = {}) {
  const client = clientId(api);
  if (!client) return [];
  const query = new URLSearchParams({ client, ...more });
  return api.fetchApi(`${route}?${query}`).then((response) => (response.ok ? response.json() : [])).catch(() => []);
}

/** The id of this page, also before it is connected. @param {Api} api */
export const clientId = (api) => api.clientId ?? api.initialClientId ?? "";
