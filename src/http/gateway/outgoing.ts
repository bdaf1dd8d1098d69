import type { ServerResponse } from 'node:http'
import type { Answer } from '../exchange/index.ts'
import type { LiveSink } from './capture.ts'

/** The live side of an answer that is told while it still comes in. */
export interface Live extends LiveSink {
  /** True once the head is out: nothing else can be told on this connection any more. */
  readonly begun: boolean
  /** Ends what was begun; called when the ledger has the answer. */
  end(): void
}

/** @param ours headers of ours for an answer of this status */
export function liveTo(outgoing: ServerResponse, ours: (status: number) => Answer['headers']): Live {
  let begun = false
  return {
    get begun() {
      return begun
    },
    begin(status, headers) {
      begun = true
      if (outgoing.destroyed) return
      const flat: string[] = []
      const told = ours(status)
      // As for every other answer: headers of ours replace equal ones of the service, which may be an Onefold too.
      const services = headers.filter(([name]) => !told.some(([own]) => own === name))
      for (const [name, value] of [...services, ...told]) flat.push(name, value)
      outgoing.writeHead(status, flat)
      outgoing.flushHeaders()
    },
    // A client that has gone takes everything.
    write: (chunk) => outgoing.destroyed || outgoing.write(chunk),
    drained(go) {
      const once = (): void => {
        outgoing.off('drain', once)
        outgoing.off('close', once)
        go()
      }
      outgoing.on('drain', once)
      outgoing.on('close', once)
    },
    broken: () => outgoing.destroy(),
    end: () => outgoing.end(),
  }
}
