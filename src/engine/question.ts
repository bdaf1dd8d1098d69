/**
 * What an `execute` returns whose downstream asks its caller something before it goes on (MCP `input_required`): the
 * operation awaits the next round (T19). A question is told to the caller, and never stored.
 */
export class Question {
  /** What the caller is asked, as the downstream said it. */
  readonly value: unknown
  constructor(value: unknown) {
    this.value = value
  }
}
