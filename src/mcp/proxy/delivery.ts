/** An answer whose delivery is not yet proven. */
interface Answered {
  readonly key: string
  readonly tenant: string
  /** Key of the first occurrence: what an identical call has in common with this one. */
  readonly first: string
  /** JSON-RPC id of the call, normalised. */
  readonly id: string
  flushed: boolean
  /** True when the client may have given up silently before the answer came. */
  late: boolean
}

export interface DeliveryOptions {
  readonly deliver: (key: string, tenant: string) => Promise<void>
  readonly nowMs: () => number
  /** How long clients wait at most before they give up without a word. */
  readonly clientTimeoutMs: number
}

/**
 * Evidence that the client went on with an answer (protocol.md section 8, undeclared tools): a later message on the
 * same connection, after the answer was flushed. A cancellation of the call itself is the opposite of evidence; and an
 * identical call is none for an answer that came so late that it may be the retry of a client that had given up.
 */
export interface Delivery {
  /** Call when the answer is handed to the connection; call what it returns when it was flushed. */
  answered(
    answer: { readonly key: string; readonly tenant: string; readonly first: string; readonly id: string },
    calledAt: number,
  ): () => void
  /** A message of the client arrived. `first`: it is a call of that operation. */
  heard(first?: string): void
  /** The client took the call back. */
  cancelled(id: string): void
  /** Settles when all evidence about this operation is in the ledger. */
  recorded(first: string): Promise<void>
}

const KEPT = 10_000

export function createDelivery(options: DeliveryOptions): Delivery {
  const open = new Set<Answered>()
  const recording = new Map<string, Promise<void>>()

  function record(entry: Answered): void {
    open.delete(entry)
    const before = recording.get(entry.first)
    // What cannot be recorded is not evidence: the repeat is then answered with the earlier result.
    const work = Promise.all([before, options.deliver(entry.key, entry.tenant).catch(() => undefined)]).then(() => {
      if (recording.get(entry.first) === work) recording.delete(entry.first)
    })
    recording.set(entry.first, work)
  }

  return {
    answered(answer, calledAt) {
      const entry: Answered = { ...answer, flushed: false, late: false }
      open.add(entry)
      if (open.size > KEPT) open.delete(open.values().next().value as Answered)
      return () => {
        entry.flushed = true
        entry.late = options.nowMs() - calledAt > options.clientTimeoutMs
      }
    },
    heard(first) {
      for (const entry of open) {
        if (entry.flushed && !(entry.late && entry.first === first)) record(entry)
      }
    },
    cancelled(id) {
      for (const entry of open) if (entry.id === id) open.delete(entry)
    },
    recorded: async (first) => await recording.get(first),
  }
}
