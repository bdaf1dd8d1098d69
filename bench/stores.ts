/**
 * `npm run bench -- stores [--quick] [--only redis,speed] [--write] [--json]`: onefold beside other libraries on the same
 * stores, as ratios to the raw client of the same store in the same run. Starts its servers on loopback, installs what it
 * measures against into bench/stores. `--only` takes names of stores (memory, sqlite, redis, postgres, dynamodb) and of
 * measures (speed, same-key, faults, growth).
 */
import { randomBytes } from 'node:crypto'
import type { Measured } from './lib.ts'
import type { BenchOptions } from './main.ts'
import { stopCounting } from './stores/commands.ts'
import type { Contender, Place, StoreName } from './stores/contender.ts'
import { stopDbos } from './stores/contenders/dbos.ts'
import { CONTENDERS } from './stores/contenders/index.ts'
import { measureFaults } from './stores/faults.ts'
import { measureGrowth, type Growth } from './stores/growth.ts'
import { installPeers, peerVersions } from './stores/peers.ts'
import { writePage } from './stores/page.ts'
import { faultRows, growthRows, sameKeyRows, speedRows, type Matrix } from './stores/rows.ts'
import { measureSameKey } from './stores/same-key.ts'
import { startServers } from './stores/servers.ts'
import { measureSpeed } from './stores/speed.ts'

const STORES: readonly StoreName[] = ['memory', 'sqlite', 'redis', 'postgres', 'dynamodb']
const MEASURES = ['speed', 'same-key', 'faults', 'growth'] as const

/** dynalite is a stand-in in JavaScript: it says nothing of DynamoDB's size, and would take hours for a million. */
const sizesOf = (store: StoreName, quick: boolean): readonly number[] => {
  if (quick) return [1_000, 3_000]
  return store === 'dynamodb' ? [1_000, 10_000] : [1_000, 100_000, 1_000_000]
}
/** Matrices that are run at once: they mostly wait for leases to end. */
const MATRICES_AT_ONCE = 3

export async function run(options: BenchOptions): Promise<Measured> {
  const unknown = options.only.filter((one) => ![...STORES, ...MEASURES].includes(one as never))
  if (unknown.length > 0)
    throw new Error(`--only takes ${[...STORES, ...MEASURES].join(', ')}, not ${unknown.join(', ')}`)
  const chosen = <T extends string>(all: readonly T[]): readonly T[] => {
    const some = all.filter((one) => options.only.includes(one))
    return some.length === 0 ? all : some
  }
  const measures = chosen(MEASURES)
  const stores = chosen(STORES)
  installPeers()
  const servers = await startServers(stores)
  const contenders = CONTENDERS.filter(({ store }) => stores.includes(store) && servers.has(store))
  const place: Place = { ...servers.place, prefix: `b${randomBytes(4).toString('hex')}`, leaseMs: 30_000 }
  const fast = contenders.filter((one) => one.faultsOnly !== true)
  try {
    const speed = measures.includes('speed') ? await measureSpeed(fast, place, options) : []
    const sameKey = measures.includes('same-key') ? await measureSameKey(fast, place, options) : []
    const growth = measures.includes('growth') ? await grow(fast, place, options.quick) : []
    if (measures.includes('faults')) {
      await servers.syncAlways()
      // A DBOS that still runs here would take over what the matrix's processes leave behind, without their downstream.
      await stopDbos()
    }
    const faults = measures.includes('faults')
      ? await matrices(
          contenders.filter((one) => one.speedOnly !== true),
          place,
        )
      : []
    const figures = { speed, sameKey, growth, faults }
    const setup = { ...servers.versions, ...peerVersions(), mode: options.quick ? 'quick' : 'full' }
    if (options.write) writePage(figures, setup)
    return {
      bench: 'stores',
      setup,
      rows: [...speedRows(speed), ...sameKeyRows(sameKey), ...growthRows(growth), ...faultRows(faults)],
    }
  } finally {
    await stopCounting()
    await stopDbos()
    await servers.close()
  }
}

async function grow(contenders: readonly Contender[], place: Place, quick: boolean): Promise<readonly Growth[]> {
  const grown: Growth[] = []
  for (const { store, name, open } of contenders) {
    if (open === undefined || store === 'memory') continue
    console.error(`growth: ${name} …`)
    grown.push(await measureGrowth(store, name, open, place, sizesOf(store, quick)))
  }
  return grown
}

async function matrices(contenders: readonly Contender[], place: Place): Promise<readonly Matrix[]> {
  const done: Matrix[] = []
  const left = [...contenders]
  await Promise.all(
    Array.from({ length: MATRICES_AT_ONCE }, async () => {
      for (let contender = left.shift(); contender !== undefined; contender = left.shift()) {
        console.error(`faults: ${contender.name} …`)
        // A place of its own, so that what it lists as unknown is its own.
        const own = { ...place, prefix: `${place.prefix}${contenders.indexOf(contender)}` }
        done.push({ contender, cells: await measureFaults(contender, own) })
      }
    }),
  )
  return done.toSorted((one, other) => contenders.indexOf(one.contender) - contenders.indexOf(other.contender))
}
