const DELAY = 150; // ms: a drag over a slider asks a few times a second, not at every pixel

/**
 * Asks the server a moment after the last change, and takes the answer to the newest question only.
 *
 * @template Question, Answer
 */
export class Latest {
  /**
   * @param {(question: Question) => Promise<Answer>} ask
   * @param {(answer: Answer) => void} show
   * @param {(message: string) => void} fail
   */
  constructor(ask, show, fail) {
    this.ask = ask;
    this.show = show;
    this.fail = fail;
    this.turn = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
  }

  /** @param {Question} question */
  request(question) {
    this.cancel();
    const turn = this.turn;
    this.timer = setTimeout(async () => {
      const tell = await this.ask(question).then(
        (answer) => () => this.show(answer),
        (error) => () => this.fail(error.message),
      );
      if (turn === this.turn) tell();
    }, DELAY);
  }

  /** Forgets what was asked. */
  cancel() {
    this.turn += 1;
    clearTimeout(this.timer);
  }
}
