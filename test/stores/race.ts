import type { Store } from '../../src/engine/index.ts'
import { claimOf } from '../support/claim.ts'

/** How a race of several stores on one ledger ended. */
export interface Raced {
  readonly claims: number
  readonly keys: number
  /** Keys that not exactly one claim has won, or whose losers were shown another record than the winner's; none is right. */
  readonly wrong: readonly string[]
  /** What the ledger counts at the end, by state. */
  readonly states: Readonly<Record<string, number>>
}

const LASTING = { tenant: 'race', leaseMs: 600_000 }

/** Every store claims every key at the same moment as the others, `atOnce` keys at a time: one claim per key may win. */
export async function race(stores: readonly Store[], claims: number, atOnce: number): Promise<Raced> {
  const keys = Math.floor(claims / stores.length)
  const wrong: string[] = []
  for (let from = 0; from < keys; from += atOnce) {
    const some = Array.from({ length: Math.min(atOnce, keys - from) }, (_, n) => `key ${from + n}`)
    const answers = await Promise.all(
      some.map((key) =>
        Promise.all(stores.map((store, who) => store.write(claimOf(key, `${key} by ${who}`, LASTING)))),
      ),
    )
    for (const [n, all] of answers.entries()) {
      const winners = all.flatMap(({ applied }, who) => (applied ? [`${some[n]} by ${who}`] : []))
      const seen = new Set(all.map(({ record }) => record?.writeId))
      if (winners.length !== 1 || seen.size !== 1 || !seen.has(winners[0]))
        wrong.push(`won by ${winners.join(', ')}; shown ${[...seen].join(', ')}`)
    }
  }
  const { states } = (await stores[0]?.stats('race')) ?? { states: {} }
  return { claims: keys * stores.length, keys, wrong, states }
}
