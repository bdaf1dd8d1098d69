import { resolve } from 'node:path'
import { leftOut, readable, stamp, type HistoryEvent, type OperationRecord, type State } from '../../engine/index.ts'
import type {
  AmnesiaMark,
  Epoch,
  Finding,
  ListPage,
  Reading,
  Store,
  StoreStats,
  Write,
  WriteAnswer,
} from '../../engine/index.ts'
import { knownOptions, type NamesOf } from '../../contract/index.ts'
import { OnefoldError } from '../../error/index.ts'
import { statSync } from 'node:fs'
import { filledIn, recordOf, toDraftColumns, type Row } from './columns.ts'
import { startCourier, type Courier } from './courier.ts'
import { createDirect, type Direct } from './direct.ts'
import { openLedger } from './ledger.ts'
import { openReader, type Reader } from './reader.ts'
import { assertNoLogGone, goneOf, hold, letGo, type FileId } from './same-file.ts'
import { nameOf, numberOf } from './states.ts'
import { steadyClock } from './steady-clock.ts'
import { fromColumn, toColumn } from './text.ts'
import { createWatchers } from './watchers.ts'
import type { EventColumns, Scan, ScanReply, Step, WriteReply, WriteStep } from './wire.ts'

export interface SqliteOptions {
  /** The ledger's file; created with mode 0600, its directories with 0700. A local disk, never a network file system. */
  readonly path: string
  /** How long a write waits for another process's lock before it rejects with `STORE_UNAVAILABLE`. @default 1500 */
  readonly busyMs?: number
  /**
   * True lets a write run on the caller's thread while writes are few and the disk commits within 2 ms, which saves two
   * changes of threads. The caller's event loop stands still for that commit, so it is for programs whose loop has
   * nothing better to do, such as a proxy. @default false
   */
  readonly onCallersThread?: boolean
  /**
   * True opens a ledger as it is: it is neither made nor brought to a newer schema, which programs of an older version
   * would refuse from then on. `open` rejects where either would be needed. @default false
   */
  readonly asItIs?: boolean
  /** For tests: one number over a SharedArrayBuffer, added to the wall clock in milliseconds. @default none */
  readonly clockSkewMs?: Float64Array
}

const NAMES: NamesOf<SqliteOptions> = {
  path: true,
  busyMs: 'number',
  onCallersThread: true,
  asItIs: true,
  clockSkewMs: true,
}
const DEFAULT_BUSY_MS = 1500
const DEFAULT_LIMIT = 100

/** What stands in a configuration, where `sqlite:` is a URL; no drive of Windows. */
const LOOKS_LIKE_A_URL = /^(?:[a-z][a-z0-9+.-]+:\/\/|(?:sqlite|file|memory):)/i

/**
 * A ledger in one SQLite file, for one host and any number of its processes. An acknowledged write survives a power cut
 * (WAL, synchronous=FULL); concurrent writes share a transaction. Writes run in a worker thread, so neither a sync nor
 * another process's lock holds up the caller's event loop; reads are synchronous, on a read-only connection.
 *
 * The store's clock is the machine's wall clock, but never goes backwards within the file. `open` rejects with
 * `STORE_UNSAFE` for a file that is not a ledger, is damaged, has a newer schema or does not take the settings, and with
 * `STORE_UNAVAILABLE` for one that cannot be reached or written. A worker that dies rejects what was under way and is
 * started anew by the next call.
 */
export function sqliteStore(where: string | SqliteOptions): Store {
  const options = typeof where === 'string' ? { path: where } : knownOptions('sqliteStore', where, NAMES)
  if (typeof options.path !== 'string' || options.path === '' || options.path === ':memory:') {
    throw new OnefoldError(
      'CONFIG_INVALID',
      "sqliteStore needs a file, as sqliteStore('effects.db'), since several connections share it. For tests use memoryStore() from onefold/memory.",
    )
  }
  if (LOOKS_LIKE_A_URL.test(options.path)) {
    // A file of that name would be a ledger of this machine alone, where another one is looked into.
    throw new OnefoldError(
      'CONFIG_INVALID',
      `sqliteStore takes a path, as sqliteStore('effects.db'), and was given a URL (${/^[^:]*:/.exec(options.path)?.[0] ?? ''}). Write the path alone; for a ledger on a server use postgresStore, redisStore or dynamodbStore. Nothing was opened.`,
    )
  }
  const path = resolve(options.path)
  const { busyMs = DEFAULT_BUSY_MS, asItIs = false, clockSkewMs } = options
  const wall = (): number => Math.round(Date.now() + (clockSkewMs?.[0] ?? 0))
  const clock = steadyClock(wall)
  let courier: Courier | undefined
  let reader: Reader | undefined
  let file: FileId | undefined
  let direct: Direct | undefined
  let leaving: Promise<void> | undefined
  let opening: Promise<Courier> | undefined
  let wanted = false

  const watchers = createWatchers(() => reader?.sequence())

  const startWorker = (): Promise<Courier> =>
    startCourier(
      { path, clockSkewMs, busyMs, asItIs },
      () => clock.now(),
      (seen) => clock.raise(seen),
    )

  async function start(): Promise<Courier> {
    assertNoLogGone(path)
    letGo(file)
    reader?.close()
    reader = undefined
    const started = await startWorker()
    try {
      reader = openReader(path, clock)
      hold(path, started.file)
    } catch {
      // Reads then go through the worker, which says what is wrong if anything is.
    }
    courier = started
    file = started.file
    direct?.close()
    direct = undefined
    return started
  }

  const inWorker: Direct = { send: carry, close: () => undefined }

  /** With the first write, so that who only reads opens nothing; after the worker, which has looked through the file. */
  function writer(): Direct {
    if (options.onCallersThread !== true || courier === undefined) return inWorker
    return (direct ??= openDirect())
  }

  /** The worker alone where anything is wrong with the file: it says what. */
  function openDirect(): Direct {
    try {
      return createDirect({
        ledger: openLedger({ path, wall, hurried: true, asItIs }),
        now: () => clock.now(),
        toWorker: (step) => carry(step),
        // Whatever it met, the worker is to look at the file anew too.
        broke() {
          direct = undefined
          const old = courier
          courier = undefined
          leaving = old?.close().catch(() => undefined)
        },
      })
    } catch {
      return inWorker
    }
  }

  /** The courier, started anew if its worker has died. */
  function ready(): Courier | Promise<Courier> {
    if (courier !== undefined && !courier.broken) return courier
    if (!wanted) return Promise.reject(notOpen(path))
    opening ??= start().finally(() => {
      opening = undefined
    })
    return opening
  }

  function send<T>(...[verb, ...rest]: Parts): Promise<T> {
    return carry<T>((id) => [id, verb, ...rest] as never)
  }

  function carry<T>(step: (id: number) => Step): Promise<T> {
    const to = ready()
    return to instanceof Promise ? to.then((started) => started.send<T>(step)) : to.send<T>(step)
  }

  function answerOf(write: Write, reply: WriteReply): WriteAnswer {
    const [applied, now, sequence, , amnesiaAt] = reply
    clock.raise(now)
    if (applied === 0) {
      const record = reply[3] === null ? undefined : recordOf(reply[3], filledIn)
      return { applied: false, record, now, sequence, amnesiaAt }
    }
    watchers.tell(write.key)
    if (write.draft === undefined) return { applied: true, record: undefined, now, sequence, amnesiaAt }
    const current = write.expect === 0 ? undefined : { revision: write.expect, leaseUntil: reply[3] }
    return { applied: true, record: stamp(write.draft, current, now, sequence), now, sequence, amnesiaAt }
  }

  /** Steps of a scan until the page is full or the ledger ends. */
  async function page(
    scan: Omit<Scan, 'after' | 'limit'>,
    limit: number,
    after: string | undefined,
  ): Promise<ListPage> {
    const records: OperationRecord[] = []
    const unreadable: OnefoldError[] = []
    let from: number | undefined = after === undefined ? 0 : Number(after)
    let now = 0
    let isFull = false
    do {
      const reply: ScanReply = await send('scan', { ...scan, after: from, limit: limit - records.length })
      for (const row of reply.rows) {
        const record = readable(() => recordOf(row, filledIn), unreadable)
        if (record !== undefined) records.push(record)
      }
      now = reply.now
      from = reply.next
      isFull = reply.isFull
    } while (from !== undefined && records.length < limit && !isFull)
    clock.raise(now)
    return { records, next: from === undefined ? undefined : String(from), now, ...leftOut(unreadable) }
  }

  return {
    name: 'sqlite',
    guarantees: { durability: 'power-loss', transactions: false, shared: true, localReads: true },

    async open() {
      wanted = true
      try {
        await ready()
      } catch (error) {
        wanted = false
        throw error
      }
    },

    read(key, tenant) {
      const reading = courier?.broken === false ? reader?.read(key, tenant) : undefined
      if (reading !== undefined) return reading
      return send<{ row: Row | null; now: number }>('read', key, tenant).then(({ row, now }): Reading => {
        clock.raise(now)
        return { record: row === null ? undefined : recordOf(row, filledIn), now }
      })
    },

    async write(write) {
      const draft = write.draft === undefined ? null : toDraftColumns(write.draft)
      const event = eventColumns(write.event)
      const step = (id: number): WriteStep => [id, 'write', write.key, write.tenant, write.expect, draft, event]
      return answerOf(write, await writer().send<WriteReply>(step))
    },

    async note(key, tenant, event) {
      await send('note', key, tenant, eventColumns(event))
    },

    async history(key, tenant) {
      const rows = await send<readonly Row[]>('history', key, tenant)
      return rows.map(eventOf)
    },

    async list(query) {
      const { tenant, states, tool, run, keyPrefix, updatedBefore, limit = DEFAULT_LIMIT, after } = query
      return page(
        { tenant, tool, run, keyPrefix, updatedBefore, states: states?.map(numberOf), kind: 'all' },
        limit,
        after,
      )
    },

    async due(limit, after) {
      return page({ ...EVERYTHING, kind: 'due' }, limit, after)
    },

    async closed(limit, after) {
      return page({ ...EVERYTHING, states: CLOSED, kind: 'all' }, limit, after)
    },

    async stats(tenant): Promise<StoreStats> {
      const states: Record<string, number> = {}
      for (let after: number | undefined = 0; after !== undefined;) {
        const reply: CountReply = await send('count', tenant, after)
        for (const [state, count] of reply.states) {
          if (count > 0) states[nameOf(state)] = (states[nameOf(state)] ?? 0) + count
        }
        after = reply.next
      }
      return { states, sizeBytes: statSync(path, { throwIfNoEntry: false })?.size }
    },

    watch: (key, listener) => watchers.watch(key, listener),

    epoch: () => send<Epoch>('epoch'),

    async markAmnesia(mark: AmnesiaMark | undefined) {
      await send('mark', mark === undefined ? null : JSON.stringify(mark))
    },

    async putBlob({ key, tenant }, sha256, bytes) {
      await send('put-blob', key, tenant, sha256, bytes)
    },

    async getBlob({ key, tenant }, sha256) {
      return (await send<Uint8Array | null>('get-blob', key, tenant, sha256)) ?? undefined
    },

    async doctor() {
      await ready()
      assertNoLogGone(path)
      // In a worker of its own: looking through a large file takes seconds, and writes must not wait for it.
      const examiner = await startWorker()
      try {
        return await examiner.send<readonly Finding[]>((id) => [id, 'doctor'])
      } finally {
        await examiner.close()
      }
    },

    async close() {
      wanted = false
      await opening?.catch(() => undefined)
      watchers.stop()
      // The writing connection has to be the last one, since only it can fold the log into the file, and remove it. Where
      // its own is gone it would remove that of others, with what is in there.
      const had = file
      const last = had !== undefined && goneOf(path, had) === 'log' ? reader : undefined
      if (last === undefined) {
        letGo(had)
        reader?.close()
      }
      reader = undefined
      direct?.close()
      direct = undefined
      const closing = courier
      courier = undefined
      await Promise.all([closing?.close(), leaving]).finally(() => {
        last?.close()
        letGo(had)
      })
    },
  }
}

type Parts = [verb: string, ...rest: unknown[]]

interface CountReply {
  readonly states: readonly (readonly [number, number])[]
  readonly next: number | undefined
}

const EVERYTHING = {
  tenant: undefined,
  tool: undefined,
  run: undefined,
  keyPrefix: undefined,
  updatedBefore: undefined,
  states: undefined,
} as const

const CLOSED_STATES: readonly State[] = [
  'committed',
  'rejected',
  'released',
  'compensated',
  'abandoned',
  'expired',
  'superseded',
]
const CLOSED = CLOSED_STATES.map(numberOf)

const eventColumns = (event: Omit<HistoryEvent, 'at'>): EventColumns => [
  event.transition,
  numberOf(event.from),
  numberOf(event.to),
  event.fence,
  toColumn(event.nonce),
  event.who,
  event.why === undefined ? null : toColumn(event.why),
  event.openSends,
]

function eventOf(row: Row): HistoryEvent {
  const why = row[7] as string | null
  return {
    at: row[0] as number,
    transition: row[1] as string,
    from: nameOf(row[2] as number) as HistoryEvent['from'],
    to: nameOf(row[3] as number) as HistoryEvent['to'],
    fence: row[4] as number,
    nonce: fromColumn(row[5] as string),
    who: row[6] as string,
    ...(why === null ? {} : { why: fromColumn(why) }),
    openSends: row[8] as number,
  }
}

const notOpen = (path: string): OnefoldError =>
  new OnefoldError('STORE_UNAVAILABLE', `The ledger ${path} is not open. Nothing was done: call open() first.`, {
    retryable: true,
  })
