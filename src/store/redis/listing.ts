import type { OnefoldError } from '../../error/index.ts'
import {
  leftOut,
  OPEN_STATES,
  PAGE_BYTES,
  readable,
  STATES,
  type ListPage,
  type ListQuery,
  type OperationRecord,
} from '../../engine/index.ts'
import { numberOf, placeOf, recordAt } from './columns.ts'
import { runWord, toWord } from './names.ts'
import type { Numbers } from './numbers.ts'
import type { Partitions } from './partitions.ts'
import { COUNT_OPEN, SCAN } from './scan.lua.ts'
import { script } from './script.ts'

const scanScript = script(SCAN)
const countOpenScript = script(COUNT_OPEN)
/** Entries that one step looks at: about a millisecond of the server. */
const WINDOW = 500

/** Where to look and what for. `index` is what follows a partition's base. */
interface Scan {
  readonly index: string
  readonly tenant: string | undefined
  readonly states: readonly OperationRecord['state'][] | undefined
  readonly due: boolean
  /** What keys begin with, as a word. */
  readonly prefix: string
  readonly wanted: (record: OperationRecord) => boolean
}

interface Found {
  readonly place: number
  readonly partition: number
  readonly record: OperationRecord
}

const CLOSED = STATES.filter((state) => !OPEN_STATES.includes(state))
const anything = (): boolean => true

/** The index that has the fewest entries to look at. */
function indexFor({ states, run }: ListQuery): string {
  if (run !== undefined) return `u${runWord(run)}`
  return states?.every((state) => OPEN_STATES.includes(state)) === true ? 'o' : 'a'
}

export const scanOf = (query: ListQuery): Scan => ({
  index: indexFor(query),
  tenant: query.tenant,
  states: query.states,
  due: false,
  // The half of a surrogate pair at the end is another word than the pair; it is compared here.
  prefix: toWord((query.keyPrefix ?? '').replace(/[\ud800-\udbff]$/, '')),
  wanted: (record) =>
    (query.tool === undefined || record.tool === query.tool) &&
    (query.run === undefined || record.run === query.run) &&
    (query.keyPrefix === undefined || record.key.startsWith(query.keyPrefix)) &&
    (query.updatedBefore === undefined || record.updatedAt <= query.updatedBefore),
})

export const DUE: Scan = { index: 'o', tenant: undefined, states: undefined, due: true, prefix: '', wanted: anything }
export const CLOSED_SCAN: Scan = {
  index: 'a',
  tenant: undefined,
  states: CLOSED,
  due: false,
  prefix: '',
  wanted: anything,
}

/**
 * A page over all partitions, in order of recording. A cursor is the last record's place and partition: partitions are in
 * step by the clock, so that two may give out one number.
 */
export async function page(
  partitions: Partitions,
  numbers: Numbers,
  scan: Scan,
  limit: number,
  after: string | undefined,
): Promise<ListPage> {
  const [place = 0, last = -1] = (after ?? '').split('.').filter(Boolean).map(Number)
  const parts = await Promise.all(
    partitions.all().map((partition) => {
      const from = after === undefined ? '-inf' : partition <= last ? `(${place}` : String(place)
      return part(partitions, numbers, scan, partition, from, limit + 1)
    }),
  )
  const found = parts.flatMap((each) => each.found).toSorted(inOrder)
  // Behind the end of a partition that was cut short there may be more of it, which come first.
  const cuts = parts.filter(({ isCut }) => isCut).map((each) => each.found.at(-1) as Found)
  const shown = found.filter((one) => cuts.every((cut) => inOrder(one, cut) <= 0)).slice(0, limit)
  const end = shown.at(-1)
  return {
    records: shown.map(({ record }) => record),
    next:
      (found.length > shown.length || cuts.length > 0) && end !== undefined
        ? `${end.place}.${end.partition}`
        : undefined,
    now: Math.max(...parts.map(({ now }) => now)),
    ...leftOut(parts.flatMap(({ unreadable }) => unreadable)),
  }
}

const inOrder = (one: Found, other: Found): number => one.place - other.place || one.partition - other.partition

interface Part {
  readonly found: readonly Found[]
  readonly unreadable: readonly OnefoldError[]
  readonly now: number
  readonly isCut: boolean
}

async function part(
  partitions: Partitions,
  numbers: Numbers,
  scan: Scan,
  partition: number,
  from: string,
  most: number,
): Promise<Part> {
  const found: Found[] = []
  const unreadable: OnefoldError[] = []
  const tenant = scan.tenant === undefined ? '' : `${toWord(scan.tenant)} `
  const states = scan.states === undefined ? '' : `,${scan.states.map(numberOf).join()},`
  let now = 0
  let bytes = Math.ceil(PAGE_BYTES / partitions.all().length)
  let start: string | undefined = from
  while (start !== undefined && found.length < most && bytes > 0) {
    const [time, next, ...rest] = (await partitions.run(
      partition,
      scanScript,
      ['m', scan.index],
      [
        partitions.base(partition),
        start,
        numbers.past(),
        // Members that do not begin so cost no look at the record.
        String(scan.prefix === '' ? WINDOW : WINDOW * 8),
        String(most - found.length),
        tenant,
        states,
        scan.due ? '1' : '0',
        scan.prefix,
        String(bytes),
      ],
    )) as [number, string, ...string[]]
    for (let n = 0; n < rest.length; n += 2) {
      const stored = rest[n + 1] as string
      const record = readable(() => recordAt(rest[n] as string, stored), unreadable)
      if (record === undefined || !scan.wanted(record)) continue
      bytes -= stored.length
      found.push({ place: placeOf(stored), partition, record })
    }
    numbers.sawTime(time)
    now = time
    start = next === '' ? undefined : `(${next}`
  }
  return { found, unreadable, now, isCut: start !== undefined && bytes <= 0 }
}

/** Open records by state and tenant, as one word pair, and how many. */
export async function* openCounts(partitions: Partitions, partition: number): AsyncIterable<readonly [string, number]> {
  let start: string | undefined = '-inf'
  while (start !== undefined) {
    const [next, ...counts] = (await partitions.run(
      partition,
      countOpenScript,
      ['o'],
      [partitions.base(partition), start, String(WINDOW)],
    )) as [string, ...unknown[]]
    for (let n = 0; n < counts.length; n += 2) yield [String(counts[n]), Number(counts[n + 1])]
    start = next === '' ? undefined : `(${next}`
  }
}
