import { stamp, type Store, type StoreGuarantees, type Write, type WriteAnswer } from '../../engine/index.ts'
import { knownOptions, type NamesOf } from '../../contract/index.ts'
import type { OnefoldError } from '../../error/index.ts'
import { PUT_BLOB } from './blob.lua.ts'
import type { RedisClient } from './clients.ts'
import { eventsOf, eventText, itemOf, recordOf } from './columns.ts'
import { within } from './deadline.ts'
import { examine } from './doctor.ts'
import { driverFor } from './driver-for.ts'
import { readEpoch, retireWriters, saveMark } from './epoch.ts'
import { errorOf, late, notOpen } from './failure.ts'
import { findLedger, GONE, type FoundLedger } from './ledger.ts'
import { CLOSED_SCAN, DUE, page, scanOf } from './listing.ts'
import { RIGHTS } from './meta.lua.ts'
import { baseOf, checkedPrefix, memberOf, oldBlobKey } from './names.ts'
import { createNotices } from './notices.ts'
import { createNumbers } from './numbers.ts'
import { createPartitions } from './partitions.ts'
import { HISTORY, NOTE, READ } from './read.lua.ts'
import { createReplication } from './replication.ts'
import { runScript, script } from './script.ts'
import { assertServable, assertUnchanged, losesRecords, refusal, syncsAlways, type Keeping } from './servable.ts'
import { settingsOf } from './servers.ts'
import { statsOf } from './stats.ts'
import { createWriter, type Judged } from './writer.ts'

export interface RedisOptions {
  /** `new Redis(…)` or `new Cluster(…)` of ioredis or iovalkey, `createClient(…)` or `createCluster(…)` of redis. It stays the caller's. */
  readonly client: RedisClient
  /** What every key of the ledger begins with, behind a brace. 1 to 64 of `A-Z a-z 0-9 _ . : -`. @default 'onefold' */
  readonly prefix?: string
  /** How long the server may take for a batch of writes, in milliseconds; keep it below the engine's store deadline. @default 1500 */
  readonly deadlineMs?: number
  /**
   * Replicas that must have every step of a manual or probe tool before it counts. Those that are seen at any time are
   * never given up again; say it where one may be away when the process starts. @default those that are connected
   */
  readonly replicas?: number
  /** The operator's word that every server syncs each write, for servers that keep CONFIG to themselves. */
  readonly appendfsync?: 'always'
  /** True opens a ledger that is there and makes none: `open` rejects then. For who only looks. @default false */
  readonly asItIs?: boolean
  /** Slots that a new ledger is spread over. A ledger keeps the number it was made with. @default 16 in a cluster, else 1 */
  readonly partitions?: number
}

const NAMES: NamesOf<RedisOptions> = {
  client: true,
  prefix: true,
  deadlineMs: 'number',
  replicas: 'number',
  appendfsync: true,
  asItIs: true,
  partitions: 'number',
}

const DEFAULT_LIMIT = 100
const blobScript = script(PUT_BLOB)
const readScript = script(READ)
const noteScript = script(NOTE)
const historyScript = script(HISTORY)
const rightsScript = script(RIGHTS)

/**
 * A ledger in Redis (6 or later) or Valkey, for any number of processes and machines. The client is the caller's: ioredis,
 * iovalkey or redis, for one server or a cluster. The clock is the server's. Nothing in it ever expires by itself.
 *
 * What it keeps depends on how the servers are set: manual and probe tools are refused unless every write is synced, and
 * their steps wait for every replica. `open` rejects with `STORE_UNSAFE` for a server that evicts, keeps nothing on its
 * disk, is a replica, lacks a right, or has another program's keys or a ledger of another version under the prefix; with
 * `STORE_UNAVAILABLE` for one that cannot be reached or refuses the login.
 */
export function redisStore(options: RedisOptions): Store {
  knownOptions('redisStore', options, NAMES)
  const prefix = checkedPrefix(options.prefix ?? 'onefold')
  const { deadlineMs = 1500 } = options
  const driver = driverFor(options.client)
  const what = `the ledger under the prefix ${prefix}`
  const numbers = createNumbers()
  const notices = createNotices(driver, prefix)
  const replication = createReplication(driver, `${baseOf(prefix, 0)}m`, options.replicas ?? 0, deadlineMs)
  let ledger: FoundLedger = { name: '', partitions: 1, lost: false }
  let keeping: Keeping = { cluster: driver.cluster, appendfsync: options.appendfsync, servers: [] }
  let opening: Promise<void> | undefined
  let healing: Promise<void> | undefined
  let isOpen = false

  const partitions = createPartitions(
    driver,
    prefix,
    () => ledger,
    () => (healing ??= find().finally(() => (healing = undefined))),
  )
  const writer = createWriter({ driver, prefix, partitions, numbers, replication, deadlineMs })

  /** Finds the ledger, or what is left of it. */
  async function find(): Promise<void> {
    const known = ledger.name === '' ? undefined : ledger
    ledger = await findLedger(driver, prefix, options.partitions, known, options.asItIs === true)
    if (!ledger.lost) return
    const { now } = await page(partitions, numbers, DUE, 1, undefined)
    await saveMark(partitions, numbers, { at: now, lossFrom: 0, why: GONE })
  }

  /** Set while the servers may forget records: then that there is none permits nothing new. The engine looks every second. */
  let lossy: OnefoldError | undefined

  async function start(): Promise<void> {
    await driver.connect()
    const servers = await settingsOf(driver)
    assertServable(servers, what)
    keeping = { ...keeping, servers }
    replication.saw(Math.max(...servers.map(({ replicas }) => replicas)))
    const probe = `${baseOf(prefix, 0)}p${numbers.writer}`
    const answer = await runScript(
      (args) => driver.command(probe, args),
      rightsScript,
      [probe, `${probe}v`],
      [`${prefix}!`, numbers.writer],
    )
    assertUnchanged(answer, numbers.writer)
    await find()
    // What all partitions know of the clock, before one of them is asked for the time.
    await readEpoch(driver, partitions, numbers)
    isOpen = true
  }

  async function ask<T>(work: () => Promise<T>): Promise<T> {
    if (!isOpen) throw notOpen()
    try {
      return await work()
    } catch (error) {
      throw errorOf(error, what, driver.trouble())
    }
  }

  function failed(error: unknown): never {
    throw errorOf(error, what, driver.trouble())
  }

  function answerOf({ key, tenant, expect, draft }: Write, judged: Judged): WriteAnswer {
    const { now, sequence, amnesiaAt } = judged
    if (judged.stored !== undefined) {
      const record = judged.stored === '' ? undefined : recordOf(key, tenant, judged.stored)
      return { applied: false, record, now, sequence, amnesiaAt }
    }
    notices.tell(key)
    if (draft === undefined) return { applied: true, record: undefined, now, sequence, amnesiaAt }
    const current = expect === 0 ? undefined : { revision: expect, leaseUntil: judged.lease }
    return { applied: true, record: stamp(draft, current, now, judged.number), now, sequence, amnesiaAt }
  }

  return {
    name: 'redis',
    get guarantees(): StoreGuarantees {
      const durability = keeping.servers.length > 0 && syncsAlways(keeping) ? 'power-loss' : 'process'
      return { durability, transactions: false, shared: true }
    },
    refuses: (recovery) => (keeping.servers.length === 0 ? undefined : refusal(recovery, keeping)),

    async open() {
      opening ??= within(deadlineMs, start(), () => late(deadlineMs, 'no', driver.trouble())).catch(
        (error: unknown) => {
          opening = undefined
          throw errorOf(error, what, driver.trouble())
        },
      )
      await opening
    },

    read: (key, tenant) =>
      ask(async () => {
        await replication.settled()
        const member = memberOf(key, tenant)
        const answer = await partitions.run(
          partitions.of(member),
          readScript,
          ['m', `r${member}`],
          ['', '', numbers.past()],
        )
        const [now, stored] = answer as [number, string]
        numbers.sawTime(now)
        return { record: stored === '' ? undefined : recordOf(key, tenant, stored), now }
      }),

    write(write) {
      if (!isOpen) return Promise.reject(notOpen())
      if (lossy !== undefined && write.expect === 0) return Promise.reject(lossy)
      return writer.write(itemOf(write)).then((judged) => answerOf(write, judged), failed)
    },

    async note(key, tenant, event) {
      const member = memberOf(key, tenant)
      const args = [String(event.fence), eventText(event), numbers.past()]
      await ask(() => partitions.run(partitions.of(member), noteScript, ['m', `r${member}`, `h${member}`], args))
    },

    async history(key, tenant) {
      const member = memberOf(key, tenant)
      const keys = [`r${member}`, `h${member}`]
      const lines = await ask(() => partitions.run(partitions.of(member), historyScript, keys, []))
      return eventsOf(lines as string[])
    },

    list: (query) => ask(() => page(partitions, numbers, scanOf(query), query.limit ?? DEFAULT_LIMIT, query.after)),
    due: (limit, after) => ask(() => page(partitions, numbers, DUE, limit, after)),
    closed: (limit, after) => ask(() => page(partitions, numbers, CLOSED_SCAN, limit, after)),

    stats: (tenant) => ask(() => statsOf(partitions, tenant)),

    watch: (key, listener) => notices.watch(key, listener),

    epoch: () =>
      ask(async () => {
        const { replicas, servers, ...epoch } = await readEpoch(driver, partitions, numbers)
        replication.saw(replicas)
        lossy = losesRecords(servers, what)
        return epoch
      }),

    async markAmnesia(mark) {
      await ask(() => saveMark(partitions, numbers, mark, mark === undefined ? '' : numbers.writer))
      if (mark !== undefined) numbers.marked()
    },

    async putBlob({ key, tenant }, sha256, bytes) {
      const member = memberOf(key, tenant)
      const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
      const keys = [`r${member}`, `b${member}`]
      await ask(() => partitions.run(partitions.of(member), blobScript, keys, [sha256, text]))
    },

    async getBlob({ key, tenant }, sha256) {
      const member = memberOf(key, tenant)
      const own = `${partitions.base(partitions.of(member))}b${member}`
      const old = oldBlobKey(prefix, sha256)
      const text = await ask(
        async () => (await driver.command(own, ['HGET', own, sha256])) ?? (await driver.command(old, ['GET', old])),
      )
      return text === null ? undefined : new Uint8Array(Buffer.from(text as string, 'base64'))
    },

    doctor: () => ask(() => examine({ driver, prefix, partitions, numbers, replication, keeping, now: Date.now })),

    async close() {
      await opening?.catch(() => undefined)
      opening = undefined
      if (!isOpen) return
      await writer.idle()
      isOpen = false
      notices.stop()
      await within(deadlineMs, retireWriters(partitions, numbers), () => late(deadlineMs, 'no', undefined)).catch(
        () => undefined,
      )
      numbers.renew()
      driver.release()
    },
  }
}
