/** A connection to one server of the deployment. */
export interface Node {
  command(args: readonly string[]): Promise<unknown>
}

/** What the store needs of a client, whichever it is. */
export interface Driver {
  readonly cluster: boolean
  /** Connects where the client has not yet. */
  connect(): Promise<void>
  /** One command, sent to the server that has the slot of `key`. */
  command(key: string, args: readonly string[]): Promise<unknown>
  /**
   * Like `command`, then `WAIT` on the same connection: what was answered, and how many replicas have it. A connection
   * that broke in between makes it reject, since a new one would wait for nothing. Not for clusters.
   */
  commandAndWait(args: readonly string[], replicas: number, timeoutMs: number): Promise<readonly [unknown, number]>
  /** Every server that takes writes. */
  masters(): Promise<readonly Node[]>
  /** A connection that only listens. */
  listen(heard: (channel: string) => void, again: () => void): Listener
  /** What last went wrong with a connection, for messages. */
  trouble(): string | undefined
  /** Stops listening to the client's events. The client itself stays open: it is the caller's. */
  release(): void
}

/**
 * What a command came to. A client that its application has in the middle of a transaction (MULTI) answers every command
 * by that word, and the command runs at EXEC, or never: taken for an answer of ours it would pass for a loss of records.
 */
export function answerOf(answer: unknown): unknown {
  if (answer === 'QUEUED')
    throw new Error(
      'its client is in the middle of a transaction, MULTI: give redisStore a client that nobody else uses so',
    )
  return answer
}

export interface Listener {
  /** Resolves once it is connected: never, while there is no server. */
  readonly begun: Promise<unknown>
  subscribe(channel: string): Promise<void>
  unsubscribe(channel: string): Promise<void>
  /** At any time, also before it has begun. */
  close(): void
}
