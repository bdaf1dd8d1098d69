import { knownOptions, type NamesOf } from '../../contract/index.ts'
import type { Store } from '../../engine/index.ts'
import { OnefoldError } from '../../error/index.ts'
import { createBlobs } from './blobs.ts'
import { listening, type DynamoClient, type TableDescription } from './client.ts'
import { createContext } from './context.ts'
import { examine } from './doctor.ts'
import { createHistories } from './history.ts'
import { createListings } from './listing.ts'
import { createMeta } from './meta.ts'
import { partitionOf } from './record-item.ts'
import { createRecords } from './records.ts'
import { serviceClock } from './service-clock.ts'
import { checkRegion, checkTable, regionOf } from './table.ts'
import { createWatchers } from './watchers.ts'

export interface DynamodbOptions {
  /** `new DynamoDB({ region })` of `@aws-sdk/client-dynamodb` 3; yours, and never closed by the store. */
  readonly client: DynamoClient
  /** The ledger's table, in the client's region and account; see {@link tableDefinition}. */
  readonly table: string
  /** For a global table: the one region that writes. @default the region that the ledger was first opened in */
  readonly home?: string
  /** How long one step may take before it rejects with `STORE_UNAVAILABLE`, in milliseconds. @default 1500 */
  readonly deadlineMs?: number
}

const NAMES: NamesOf<DynamodbOptions> = { client: true, table: true, home: true, deadlineMs: 'number' }

const DEFAULT_DEADLINE_MS = 1500
/** https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html */
const TABLE_NAME = /^[a-zA-Z0-9_.-]{3,255}$/u

/**
 * A ledger in one DynamoDB table, for any number of processes in one region. Every write of a record is one conditional
 * write on its revision; an acknowledged one survives. Store time is the service's own, as its answers show it, and no
 * condition looks at a time: a record is there until the ledger deletes it.
 *
 * `open` rejects with `STORE_UNSAFE` for a table that is not a ledger, has a newer layout, or is a global table whose last
 * writer wins outside its home region, and with `STORE_UNAVAILABLE` for one that is missing or cannot be reached.
 * @throws OnefoldError CONFIG_INVALID for a client that has no methods for commands, or for a name that no table can have
 */
export function dynamodbStore(options: DynamodbOptions): Store {
  const { client, table, home, deadlineMs = DEFAULT_DEADLINE_MS } = knownOptions('dynamodbStore', options, NAMES)
  if (typeof client.updateItem !== 'function') {
    throw new OnefoldError(
      'CONFIG_INVALID',
      "dynamodbStore takes the client whose commands are its methods: new DynamoDB({ region }) from '@aws-sdk/client-dynamodb', not DynamoDBClient. Nothing was opened.",
    )
  }
  if (!TABLE_NAME.test(table)) {
    throw new OnefoldError(
      'CONFIG_INVALID',
      `${JSON.stringify(table)} is no name of a DynamoDB table: 3 to 255 letters, digits, '_', '-' and '.'. Nothing was opened.`,
    )
  }
  const clock = serviceClock()
  const heard = listening(client, clock.heard)
  const context = createContext(heard, table, clock, deadlineMs)
  const meta = createMeta(context)
  const records = createRecords(context, meta)
  const histories = createHistories(context)
  const listings = createListings(context, records)
  const blobs = createBlobs(context)
  const watchers = createWatchers(context)
  const calls = new Set<Promise<unknown>>()
  let opening: Promise<void> | undefined
  let isOpen = false

  async function describe(): Promise<TableDescription> {
    const { Table } = await context.step('describe the table', (options) =>
      heard.describeTable({ TableName: table }, options),
    )
    return Table ?? {}
  }

  async function start(): Promise<void> {
    const description = await describe()
    checkTable(description, table)
    checkRegion(description, table, home)
    checkRegion(description, table, await meta.open(home ?? regionOf(description)))
    isOpen = true
  }

  /** A call on an open store, which closing waits for. */
  async function whileOpen<T>(call: () => Promise<T>): Promise<T> {
    if (!isOpen) throw notOpen(table)
    const running = call()
    calls.add(running)
    try {
      return await running
    } finally {
      calls.delete(running)
    }
  }

  async function close(): Promise<void> {
    const was = opening
    opening = undefined
    watchers.stop()
    await was?.catch(() => undefined)
    if (!isOpen) return
    isOpen = false
    await Promise.allSettled(calls)
    await meta.rememberTime()
  }

  return {
    name: 'dynamodb',
    guarantees: { durability: 'power-loss', transactions: false, shared: true },
    open() {
      opening ??= start().catch((error: unknown) => {
        opening = undefined
        throw error
      })
      return opening
    },
    read: (key, tenant) =>
      whileOpen(async () => {
        const record = await records.read(key, tenant)
        watchers.place(key, partitionOf(key, tenant), record?.revision ?? 0)
        return { record, now: clock.now() }
      }),
    write: (write) =>
      whileOpen(async () => {
        const answer = await records.write(write)
        watchers.place(write.key, partitionOf(write.key, write.tenant), answer.record?.revision ?? 0)
        if (answer.applied) watchers.tell(write.key)
        return answer
      }),
    note: (key, tenant, event) => whileOpen(() => histories.note(key, tenant, event)),
    history: (key, tenant) => whileOpen(() => histories.read(key, tenant)),
    list: (query) => whileOpen(() => listings.list(query)),
    due: (limit, after) => whileOpen(() => listings.due(limit, after)),
    closed: (limit, after) => whileOpen(() => listings.closed(limit, after)),
    stats: (tenant, after) => whileOpen(() => listings.stats(tenant, after)),
    watch: (key, listener) => watchers.watch(key, listener),
    epoch: () => whileOpen(() => meta.epoch()),
    markAmnesia: (mark) => whileOpen(() => meta.markAmnesia(mark)),
    putBlob: (owner, sha256, bytes) => whileOpen(() => blobs.put(owner, sha256, bytes)),
    getBlob: (owner, sha256) => whileOpen(() => blobs.get(owner, sha256)),
    doctor: () => whileOpen(async () => await examine(context, meta, await describe())),
    close,
  }
}

const notOpen = (table: string): OnefoldError =>
  new OnefoldError(
    'STORE_UNAVAILABLE',
    `The ledger in DynamoDB table ${table} is not open. Nothing was done: call open() first.`,
    { retryable: true },
  )
