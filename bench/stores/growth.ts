import { rate, percentile, times } from '../lib.ts'
import { claimOf, commitOf, freshKey } from '../operation.ts'
import type { OpenStore, Place, StoreName } from './contender.ts'

/** Claims on a ledger that grows. */
export interface Growth {
  readonly store: StoreName
  readonly name: string
  /** Records, and the median of one claim after the other at that size, in microseconds. */
  readonly points: readonly { readonly records: number; readonly p50: number }[]
}

const SAMPLES = 400
const AT_ONCE = 128

/** Fills a ledger with committed operations and measures claims at each size. */
export async function measureGrowth(
  store: StoreName,
  name: string,
  open: (place: Place) => Promise<OpenStore>,
  place: Place,
  sizes: readonly number[],
): Promise<Growth> {
  const opened = await open({ ...place, prefix: `${place.prefix}grow` })
  const ledger = opened.store
  await ledger.open()
  const points: { records: number; p50: number }[] = []
  let records = 0
  for (const size of sizes) {
    await rate(Math.max(0, size - records), AT_ONCE, async () => {
      const claimed = await ledger.write(claimOf(freshKey()))
      if (claimed.record === undefined) throw new Error('a claim of a fresh key was refused')
      await ledger.write(commitOf(claimed.record, claimed.now))
    })
    records = Math.max(records, size)
    const samples = await times(SAMPLES, async () => void (await ledger.write(claimOf(freshKey()))))
    records += SAMPLES
    points.push({ records: size, p50: percentile(samples, 0.5) * 1000 })
  }
  await ledger.close()
  await opened.end()
  return { store, name, points }
}
