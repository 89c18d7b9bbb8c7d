/** @typedef {{fetchApi(route: string, options?: RequestInit): Promise<Response>}} Api the page's api */

/**
 * Posts JSON and gives the JSON of the response. An error has the server's own text.
 *
 * @param {Api} api
 * @param {string} route
 * @param {object} body
 */
export async function postJson(api, route, body) {
  const response = await api.fetchApi(route, { method: "POST", body: JSON.stringify(body) });
  const value = await response.json();
  if (!response.ok) throw new Error(value.error);
  return value;
}

/**
 * What the server remembers of a workflow's nodes; an empty list if it reports an error.
 *
 * @param {Api} api
 * @param {string} route
 * @param {string} workflow its id
 */
export async function fetchRemembered(api, route, workflow) {
  const response = await api.fetchApi(`${route}?${new URLSearchParams({ workflow })}`);
  return response.ok ? response.json() : [];
}
