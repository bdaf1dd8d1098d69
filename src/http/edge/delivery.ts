import type { Socket } from 'node:net'

/** An answer of an undeclared write that went out on a connection. */
interface Answered {
  readonly key: string
  readonly tenant: string
  /** What an identical request has in common with this one. */
  readonly same: string
  flushed: boolean
  late: boolean
}

export interface DeliveryOptions {
  readonly deliver: (key: string, tenant: string) => Promise<void>
  readonly nowMs: () => number
  /** How long clients wait at most before they give up without a word. */
  readonly clientTimeoutMs: number
}

/**
 * Evidence that a client went on with an answer (protocol.md section 8, undeclared tools): its next request on the same
 * connection, after the answer was flushed whole. HTTP/1.1 clients close a connection whose answer they no longer want,
 * so one that is used again has read it. A connection that a proxy shares among clients is no evidence about any of them.
 */
export interface Delivery {
  /** An answer is handed to a connection; call what it returns when it was flushed whole. */
  answered(
    socket: Socket,
    answer: { readonly key: string; readonly tenant: string; readonly same: string },
    calledAt: number,
  ): () => void
  /**
   * A request arrived on a connection. Resolves when what that proves is in the ledger; undefined when it proves nothing.
   * @param same what the request is, if it is a write
   */
  heard(socket: Socket, same: string | undefined): Promise<unknown> | undefined
  /** The client took the call back whose answer this is: what it asks next on the connection proves nothing. */
  cancelled(socket: Socket, key: string): void
}

export function createDelivery(options: DeliveryOptions): Delivery {
  const last = new WeakMap<Socket, Answered>()
  return {
    answered(socket, answer, calledAt) {
      const entry: Answered = { ...answer, flushed: false, late: false }
      last.set(socket, entry)
      return () => {
        entry.flushed = true
        entry.late = options.nowMs() - calledAt > options.clientTimeoutMs
      }
    },
    heard(socket, same) {
      const entry = last.get(socket)
      if (entry === undefined) return undefined
      last.delete(socket)
      // An identical request after a late answer may be the retry of a client that had given up.
      if (!entry.flushed || (entry.late && entry.same === same)) return undefined
      // What cannot be recorded is no evidence: the repeat is then answered with the earlier result.
      return options.deliver(entry.key, entry.tenant).catch(() => undefined)
    },
    cancelled(socket, key) {
      if (last.get(socket)?.key === key) last.delete(socket)
    },
  }
}

/** What proxies add, which may say how a request came without saying from whom (Envoy's sidecars, nginx). */
const OF_PROXIES = /^(?:via|forwarded|x-forwarded-.+|x-envoy-.+|x-real-ip|cf-connecting-ip|true-client-ip)$/

/** True for a request that another proxy passed on: its connection is not its client's. */
export const isForwarded = (headers: Readonly<Record<string, unknown>>): boolean =>
  Object.keys(headers).some((name) => OF_PROXIES.test(name))
