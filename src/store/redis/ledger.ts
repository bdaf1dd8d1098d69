import { randomUUID } from 'node:crypto'
import { OnefoldError } from '../../error/index.ts'
import type { Driver } from './driver.ts'
import { unsafe } from './failure.ts'
import { FOUND } from './meta.lua.ts'
import { baseOf } from './names.ts'
import { runScript, script } from './script.ts'

/** Grows with the layout of keys; a ledger of another version is refused. */
export const SCHEMA = '2'
/** A cluster spreads what is in different partitions; each is one slot. */
const PARTITIONS_OF_A_CLUSTER = 16
const MOST_PARTITIONS = 1024

export interface FoundLedger {
  readonly name: string
  readonly partitions: number
  /** True when a part of it was gone and has been made anew, with nothing in it. */
  readonly lost: boolean
}

const found = script(FOUND)

interface Look {
  readonly kind: string
  readonly schema: string
  readonly ledger: string
  readonly partitions: number
  readonly holdsRecords: boolean
}

/** Why a partition that is gone means a loss. Plain text: it goes into JSON as it is. */
export const GONE = 'a part of the ledger was not there any more'

/**
 * Finds the ledger under a prefix, or makes it. Partition 0 is made last, so that where it is every other one has been:
 * one that is missing then was lost, and is made anew under the amnesia mark. So is partition 0 where others hold records.
 * @param known the ledger that is known to have been there
 * @param asItIs refuses where partition 0 was not known and is not there, and makes none
 * @throws OnefoldError STORE_UNSAFE for another program's keys and for a ledger of another version, STORE_UNAVAILABLE for
 * none
 */
export async function findLedger(
  driver: Driver,
  prefix: string,
  wanted: number | undefined,
  known: FoundLedger | undefined,
  asItIs: boolean,
): Promise<FoundLedger> {
  const first = await look(driver, prefix, 0, false)
  if (asItIs && first === undefined && known === undefined) throw absent(prefix)
  const usual = wanted ?? (driver.cluster ? PARTITIONS_OF_A_CLUSTER : 1)
  const left = first === undefined && known === undefined ? await remainder(driver, prefix, usual) : undefined
  const existed = first !== undefined || known !== undefined || left !== undefined
  const name = first?.ledger ?? known?.name ?? left?.ledger ?? randomUUID()
  const partitions = first?.partitions ?? known?.partitions ?? left?.partitions ?? usual
  if (!Number.isInteger(partitions) || partitions < 1 || partitions > MOST_PARTITIONS)
    throw unsafe(`A ledger has 1 to ${MOST_PARTITIONS} partitions, not ${partitions}.`)
  const others = Array.from({ length: partitions - 1 }, (_, n) => n + 1)
  const made = await Promise.all(
    others.map(async (partition) => {
      const part = await look(driver, prefix, partition, true, { name, partitions, why: existed ? GONE : '' })
      return part?.kind === 'made'
    }),
  )
  let isGone = first?.kind !== 'found'
  if (first === undefined) {
    const root = await look(driver, prefix, 0, true, { name, partitions, why: existed ? GONE : '' })
    // Somebody else was quicker: theirs counts.
    if (root !== undefined && (root.ledger !== name || root.partitions !== partitions))
      return await findLedger(driver, prefix, wanted, known, asItIs)
    // Or made all of it between our looks, and has recorded something already.
    if (left !== undefined) isGone = root?.kind === 'made'
  }
  return { name, partitions, lost: existed && (isGone || made.includes(true)) }
}

/** A partition that holds records, of a ledger whose first one is gone. */
async function remainder(driver: Driver, prefix: string, partitions: number): Promise<Look | undefined> {
  const others = Array.from({ length: Math.min(partitions, MOST_PARTITIONS) - 1 }, (_, n) => n + 1)
  const found = await Promise.all(others.map((partition) => look(driver, prefix, partition, false)))
  return found.find((part) => part?.holdsRecords === true)
}

const absent = (prefix: string): OnefoldError =>
  new OnefoldError(
    'STORE_UNAVAILABLE',
    `There is no ledger under the prefix ${prefix}. Nothing was created. Check the prefix and the database; the first program that serves a ledger makes it.`,
    { effect: 'none', details: { applied: 'no' } },
  )

async function look(
  driver: Driver,
  prefix: string,
  partition: number,
  make: boolean,
  as: { readonly name: string; readonly partitions: number; readonly why: string } = {
    name: '',
    partitions: 0,
    why: '',
  },
): Promise<Look | undefined> {
  const meta = `${baseOf(prefix, partition)}m`
  const answer = await runScript(
    (args) => driver.command(meta, args),
    found,
    [meta, `${baseOf(prefix, partition)}a`],
    [SCHEMA, as.name, String(as.partitions), as.why, make ? '1' : '0'],
  )
  const parts = (answer as string[]).map(String)
  const [kind, schema, ledger, partitions, holds] = parts as [string, string, string, string, string]
  if (kind === 'absent') return undefined
  if (kind === 'foreign')
    throw unsafe(
      `The key ${meta} is another program's (a ${schema}), so there is no ledger under the prefix ${prefix}: choose another prefix.`,
    )
  if (schema !== SCHEMA)
    throw unsafe(
      `The ledger under the prefix ${prefix} has schema version ${schema}; this version of onefold knows ${SCHEMA}: use the version that made it, or another prefix.`,
    )
  return { kind, schema, ledger, partitions: Number(partitions), holdsRecords: holds === '1' }
}
