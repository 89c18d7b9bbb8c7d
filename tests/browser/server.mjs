// The server of the running ComfyUI, without its page.

export class Server {
  /** @param {string} url */
  constructor(url) {
    this.url = url;
  }

  async get(route) {
    const answer = await fetch(this.url + route);
    if (!answer.ok) throw new Error(`GET ${route}: ${answer.status}`);
    return answer;
  }

  async post(route, body) {
    const answer = await fetch(this.url + route, { method: "POST", body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`POST ${route}: ${answer.status}`);
  }

  /** Ends what a failed case has left running, so that the next one does not wait for it. */
  async stopRuns() {
    await this.post("/queue", { clear: true });
    await this.post("/interrupt", {});
  }

  /** Changes settings. Pages that are opened afterwards have them. */
  async changeSettings(settings) {
    for (const [id, value] of Object.entries(settings)) await this.post(`/api/settings/${id}`, value);
  }
}
