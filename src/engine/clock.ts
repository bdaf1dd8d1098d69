/** Time as the engine uses it, injected so that tests and the simulator own it. */
export interface Clock {
  /** Wall clock, milliseconds. For telling people only; never for safety. */
  wallMs(): number
  /** Grows also while the machine sleeps; what deadlines and quarantines are measured on. */
  bootMs(): number
  /**
   * Calls back once after `ms`; the returned function cancels. A `background` timer (housekeeping) does not keep the
   * process alive; one that a caller waits for does.
   */
  after(ms: number, callback: () => void, background?: boolean): () => void
}

/** Random names. */
export interface Ids {
  /** Name of an attempt or a write; 96 bits or more of randomness. */
  nonce(): string
  /** UUIDv7 of a run (RFC 9562). */
  runId(): string
}

/** What the engine can know about processes. */
export interface Processes {
  /** Names this process for others: `host/boot/pid/start`. */
  readonly self: string
  /**
   * True only when the process of that name has provably ended.
   * @param isLocal the ledger is on this machine's disk, so that no other machine's process can be its owner
   */
  isDead(owner: string, isLocal: boolean): boolean
}

/** Resolves after `ms`, or at once when `signal` aborts. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal, background?: boolean): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve()
    const cancel = clock.after(ms, done, background)
    signal?.addEventListener('abort', done)
    function done(): void {
      cancel()
      signal?.removeEventListener('abort', done)
      resolve()
    }
  })
}
