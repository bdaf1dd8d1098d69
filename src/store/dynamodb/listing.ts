import type { OnefoldError } from '../../error/index.ts'
import {
  leftOut,
  OPEN_STATES,
  readableLater,
  type ListPage,
  type ListQuery,
  type OperationRecord,
  type StoreStats,
} from '../../engine/index.ts'
import { number, numberOf, text, type Item } from './client.ts'
import type { Context, StepOptions } from './context.ts'
import type { Records } from './records.ts'
import { OPEN, RECORDED, SHARDS } from './table.ts'

const DEFAULT_LIMIT = 100
/** What BatchGetItem takes. */
const BATCH = 100
/** Items of one partition that one request of a long search looks at; about as many as fit into its 1 MB. */
const WIDEST = 2_000

/** Which items of an index are worth reading, and which records are then wanted. */
interface Search {
  readonly index: typeof RECORDED | typeof OPEN
  readonly filter?: { readonly expression: string; readonly values: Item }
  readonly likely: (item: Item) => boolean
  readonly wanted: (record: OperationRecord) => boolean
}

interface Hit {
  /** The record's number: its place in the order of recording. */
  readonly id: number
  readonly record: OperationRecord
}

export interface Listings {
  list(query: ListQuery): Promise<ListPage>
  due(limit: number, after: string | undefined): Promise<ListPage>
  closed(limit: number, after: string | undefined): Promise<ListPage>
  stats(tenant: string | undefined, after: string | undefined): Promise<StoreStats>
}

/**
 * Pages in order of recording. An index says where records are and may lag a moment behind; the records themselves are
 * then read consistently, and what has changed meanwhile is judged by what it is now.
 */
export function createListings(context: Context, records: Records): Listings {
  const { client, table, clock } = context

  /** The next `width` items of one partition of an index, without the unlikely ones, and how far that is. */
  async function partitionPage(
    search: Search,
    shard: number,
    after: number,
    width: number,
    options: StepOptions,
  ): Promise<{ readonly items: readonly Item[]; readonly upTo: number }> {
    const page = await client.query(
      {
        TableName: table,
        IndexName: search.index,
        KeyConditionExpression: `${search.index === OPEN ? 'o' : 'a'} = :shard AND i > :after`,
        ExpressionAttributeValues: {
          ':shard': text(String(shard)),
          ':after': number(after),
          ...search.filter?.values,
        },
        Limit: width,
        ...(search.filter === undefined ? {} : { FilterExpression: search.filter.expression }),
      },
      options,
    )
    return {
      items: (page.Items ?? []).filter(search.likely),
      upTo: page.LastEvaluatedKey === undefined ? Infinity : numberOf(page.LastEvaluatedKey['i']),
    }
  }

  /**
   * The records that items of an index stand for, as they are now; without those that are gone. Large ones take requests
   * of their own, so it is as many as are read in time, one at least, and `upTo` is the number of the last that was.
   */
  async function recordsOf(
    found: readonly Item[],
    options: StepOptions,
    unreadable: OnefoldError[],
  ): Promise<{ readonly hits: readonly Hit[]; readonly upTo: number }> {
    const hits: Hit[] = []
    const mayGoOn = inTime()
    for (let n = 0; n < found.length; n += BATCH) {
      const items = new Map<number, Item>()
      const batch = found.slice(n, n + BATCH)
      let keys = batch.map((item): Item => ({ p: item['p'] as never, s: item['s'] as never }))
      while (keys.length > 0) {
        const { Responses, UnprocessedKeys } = await client.batchGetItem(
          { RequestItems: { [table]: { Keys: keys, ConsistentRead: true } } },
          options,
        )
        for (const item of Responses?.[table] ?? []) items.set(numberOf(item['i']), item)
        keys = UnprocessedKeys?.[table]?.Keys ?? []
      }
      for (const { i } of batch) {
        const id = numberOf(i)
        const item = items.get(id)
        if (item === undefined) continue
        const record = await readableLater(records.parse(item, options), unreadable)
        if (record !== undefined) await records.finish(item, options)
        if (record !== undefined) hits.push({ id, record })
        if (!mayGoOn()) return { hits, upTo: id }
      }
    }
    return { hits, upTo: Infinity }
  }

  /** At most `limit` hits behind `after`, and where to go on; undefined at the end. */
  async function hitsBehind(
    search: Search,
    after: number,
    width: number,
    limit: number,
    options: StepOptions,
    unreadable: OnefoldError[],
  ): Promise<{ readonly hits: readonly Hit[]; readonly next: number | undefined }> {
    const shards = await Promise.all(
      Array.from({ length: SHARDS }, (_, shard) => partitionPage(search, shard, after, width, options)),
    )
    // Up to here every partition has told what it has; beyond, one that stopped early may have more.
    const end = Math.min(...shards.map(({ upTo }) => upTo))
    const likely = shards
      .flatMap((shard) => shard.items)
      .filter((item) => numberOf(item['i']) <= end)
      .toSorted((one, other) => numberOf(one['i']) - numberOf(other['i']))
    const items = likely.slice(0, limit)
    const read = await recordsOf(items, options, unreadable)
    const hits = read.hits.filter(({ record }) => search.wanted(record))
    const last = numberOf(items.at(-1)?.['i'])
    if (read.upTo < last) return { hits, next: read.upTo }
    if (items.length < likely.length) return { hits, next: last }
    return { hits, next: end === Infinity ? undefined : end }
  }

  /** What is found in time, and where to go on: a search through a large ledger comes to its end over several calls. */
  async function page(search: Search, limit: number, after: string | undefined): Promise<ListPage> {
    const hits: Hit[] = []
    const unreadable: OnefoldError[] = []
    const most = Math.max(BATCH, limit + 1)
    let width = most
    let from: number | undefined = Number(after ?? 0)
    const mayGoOn = inTime()
    // One more than asked for, to know whether there is a next page.
    while (from !== undefined && hits.length <= limit) {
      const behind: number = from
      const wide = width
      const began = performance.now()
      const found = await context.step('list records', (options) =>
        hitsBehind(search, behind, wide, most, options, unreadable),
      )
      hits.push(...found.hits)
      from = found.next
      // Four times as much then still takes no more than half of the deadline.
      if ((performance.now() - began) * 8 < context.deadlineMs) width = Math.min(WIDEST, width * 4)
      if (!mayGoOn()) break
    }
    const shown = hits.slice(0, limit)
    const next = hits.length > limit ? shown.at(-1)?.id : from
    return {
      records: shown.map((hit) => hit.record),
      next: next === undefined ? undefined : String(next),
      now: clock.now(),
      ...leftOut(unreadable),
    }
  }

  /** True while another step, which may take its whole deadline, still fits into what a caller waits for. */
  function inTime(): () => boolean {
    const until = performance.now() + context.deadlineMs / 4
    return () => performance.now() < until
  }

  return {
    async list({ tenant, states, tool, run, keyPrefix, updatedBefore, limit = DEFAULT_LIMIT, after }) {
      if (states?.length === 0) return { records: [], next: undefined, now: clock.now() }
      const onlyOpen = states !== undefined && states.every((state) => OPEN_STATES.includes(state))
      const has = (item: Item, name: string, value: string | undefined): boolean =>
        value === undefined || item[name]?.S === JSON.stringify(value)
      return await page(
        {
          index: onlyOpen ? OPEN : RECORDED,
          likely: (item) =>
            onlyOpen ||
            (has(item, 'y', tenant) &&
              has(item, 'tl', tool) &&
              has(item, 'rn', run) &&
              (keyPrefix === undefined || (JSON.parse(item['k']?.S ?? '""') as string).startsWith(keyPrefix))),
          wanted: (record) =>
            (tenant === undefined || record.tenant === tenant) &&
            (states === undefined || states.includes(record.state)) &&
            (tool === undefined || record.tool === tool) &&
            (run === undefined || record.run === run) &&
            (keyPrefix === undefined || record.key.startsWith(keyPrefix)) &&
            (updatedBefore === undefined || record.updatedAt <= updatedBefore),
        },
        limit,
        after,
      )
    },
    due(limit, after) {
      const now = clock.now()
      return page(
        {
          index: OPEN,
          filter: {
            expression: 'l <= :now OR t = :doubt OR t = :accepted',
            values: { ':now': number(now), ':doubt': text('in-doubt'), ':accepted': text('accepted') },
          },
          likely: () => true,
          wanted: (record) =>
            OPEN_STATES.includes(record.state) &&
            (record.leaseUntil <= now || record.state === 'in-doubt' || record.state === 'accepted'),
        },
        limit,
        after,
      )
    },
    closed: (limit, after) =>
      page(
        { index: RECORDED, likely: () => true, wanted: (record) => !OPEN_STATES.includes(record.state) },
        limit,
        after,
      ),
    async stats(tenant, after) {
      const states: Record<string, number> = {}
      const mayGoOn = inTime()
      let from = after === undefined ? undefined : keyOfCursor(after)
      do {
        const start: Item | undefined = from
        const found = await context.step('count records', (options) =>
          client.scan(
            {
              TableName: table,
              ProjectionExpression: 't',
              FilterExpression: tenant === undefined ? 'attribute_exists(i)' : 'attribute_exists(i) AND y = :tenant',
              ...(tenant === undefined
                ? {}
                : { ExpressionAttributeValues: { ':tenant': text(JSON.stringify(tenant)) } }),
              ...(start === undefined ? {} : { ExclusiveStartKey: start }),
            },
            options,
          ),
        )
        for (const item of found.Items ?? []) {
          const state = item['t']?.S ?? ''
          states[state] = (states[state] ?? 0) + 1
        }
        from = found.LastEvaluatedKey
      } while (from !== undefined && mayGoOn())
      return { states, sizeBytes: undefined, ...(from === undefined ? {} : { next: cursorOf(from) }) }
    },
  }
}

/** An item's key as one word: its partition in base64, which has no blank, and what stands behind it. */
const cursorOf = (key: Item): string => `${Buffer.from(key['p']?.B ?? []).toString('base64')} ${key['s']?.S ?? ''}`

function keyOfCursor(cursor: string): Item {
  const blank = cursor.indexOf(' ')
  return { p: { B: Buffer.from(cursor.slice(0, blank), 'base64') }, s: text(cursor.slice(blank + 1)) }
}
