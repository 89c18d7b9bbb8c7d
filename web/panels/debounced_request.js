const DELAY = 150; // ms: a drag over a slider sends a few requests per second, not one per pixel

/**
 * Sends a request a moment after the last change. Only the response to the newest request is used.
 *
 * @template Body, Result
 */
export class DebouncedRequest {
  /**
   * @param {(body: Body) => Promise<Result>} send
   * @param {(result: Result) => void} onResult
   * @param {(message: string) => void} onError
   */
  constructor(send, onResult, onError) {
    this.send = send;
    this.onResult = onResult;
    this.onError = onError;
    this.newest = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
  }

  /** @param {Body} body */
  schedule(body) {
    this.cancel();
    const number = this.newest;
    this.timer = setTimeout(async () => {
      const report = await this.send(body).then(
        (result) => () => this.onResult(result),
        (error) => () => this.onError(error.message),
      );
      if (number === this.newest) report();
    }, DELAY);
  }

  /** Drops a request that waits, and the response to one that was sent. */
  cancel() {
    this.newest += 1;
    clearTimeout(this.timer);
  }
}
