import { keepNewest } from '../engine/index.ts'
import { fingerprintText } from '../key/index.ts'
import type { BodyTrace } from './lines.ts'

/** The requests of one `METHOD /path`, as they were first sent under their ordinals. */
interface Known {
  /** Ordinals of requests that cannot be told apart, in their order. */
  readonly of: Map<string, number[]>
  readonly owned: Set<number>
}

/** Operations whose requests are remembered. Of what is forgotten, and after a crash, the order alone decides. */
const MOST = 2_000
/** Requests of one `METHOD /path` that are remembered. */
const MOST_OF_LINE = 10_000

const operations = new Map<string, Map<string, Known>>()

/**
 * Gives ordinals to the requests of one attempt. One that sends side by side does so in another order every time: by
 * order alone its re-run would send one request under the key of another, and do again what that one has done.
 * @param lineage what attempts under the same keys share in this process
 */
export function createOrdinals(lineage: string, operation: string): (search: string, body: BodyTrace) => number {
  const lines = operations.get(lineage) ?? new Map<string, Known>()
  keepNewest(operations, lineage, lines, MOST)
  const known = lines.get(operation) ?? { of: new Map<string, number[]>(), owned: new Set<number>() }
  lines.set(operation, known)
  const taken = new Set<number>()
  const used = new Map<string, number>()
  let next = 0
  return (search, body) => {
    const same = sameText(search, body)
    const own = known.of.get(same) ?? []
    const nth = used.get(same) ?? 0
    used.set(same, nth + 1)
    // Its own also where another request has taken that meanwhile: two under one key are answered as one, never done anew.
    let ordinal = own[nth]
    if (ordinal === undefined) {
      // Not a new one: a body may hold what every attempt makes anew.
      while (taken.has(next)) next += 1
      ordinal = next
      if (!known.owned.has(ordinal) && known.owned.size < MOST_OF_LINE) {
        known.owned.add(ordinal)
        known.of.set(same, [...own, ordinal])
      }
    }
    taken.add(ordinal)
    return ordinal
  }
}

const sameText = (search: string, body: BodyTrace): string =>
  `${search}\n${typeof body === 'number' ? body : fingerprintText(textOf(body))}`

const textOf = (body: string | Uint8Array | undefined): string =>
  typeof body === 'string' ? body : Buffer.from(body ?? []).toString('latin1')
