import type { StoreStats } from '../../engine/index.ts'
import { nameOf } from './columns.ts'
import { openCounts } from './listing.ts'
import { COUNTS } from './meta.lua.ts'
import { toWord } from './names.ts'
import type { Partitions } from './partitions.ts'
import { script } from './script.ts'

const countsScript = script(COUNTS)

/** Records by state. Closed ones are counted as they close; open ones, which are few, when somebody asks. */
export async function statsOf(partitions: Partitions, tenant: string | undefined): Promise<StoreStats> {
  const states: Record<string, number> = {}
  const wanted = tenant === undefined ? undefined : toWord(tenant)
  const add = (name: string, count: number): void => {
    const [number = '', of] = name.split(' ')
    if (wanted !== undefined && of !== wanted) return
    const state = nameOf(number)
    states[state] = (states[state] ?? 0) + count
  }
  for (const partition of partitions.all()) {
    const closed = (await partitions.run(partition, countsScript, ['c'], [])) as string[]
    for (let n = 0; n < closed.length; n += 2) add(closed[n] as string, Number(closed[n + 1]))
    for await (const [name, count] of openCounts(partitions, partition)) add(name, count)
  }
  return { states, sizeBytes: undefined }
}
