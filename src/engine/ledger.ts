import { knownOptions, type Contract, type NamesOf } from '../contract/index.ts'
import { OnefoldError } from '../error/index.ts'
import { isOperationKey } from '../key/index.ts'
import type { Core } from './core.ts'
import { fullPage } from './full-page.ts'
import { ticketOf } from './operation.ts'
import { seal } from './outcome.ts'
import { purgeClosed, type Purged, type PurgeOptions } from './purge.ts'
import { reconcileWith, type DownstreamItem, type Reconciliation, type ReconcileOptions } from './reconcile.ts'
import { quarantineEnd, type HistoryEvent, type OperationRecord } from './record.ts'
import type { AmnesiaMark, Finding, ListPage, ListQuery, StoreStats } from './store.ts'
import { assertWhole } from './unreadable.ts'

/** Everything that is known about one operation. */
export interface Forensics {
  readonly record: OperationRecord
  /** Oldest first. */
  readonly history: readonly HistoryEvent[]
}

/** A person's word on a doubt (T16). */
export interface Verdict {
  /** `committed`: it happened; `released`: it did not, and nothing can still land; `abandoned`: nobody will ever know. */
  readonly verdict: 'committed' | 'released' | 'abandoned'
  /** Who says so. Authentication is the caller's: never expose this to an agent. */
  readonly who: string
  readonly note: string
  /** The result to replay; only with `committed`. */
  readonly value?: unknown
  /**
   * The `generation` of the record that was looked at: a word on it is none on an attempt that was begun since.
   * @default whatever is in doubt by now
   */
  readonly generation?: number
}

const VERDICT: NamesOf<Verdict> = { verdict: true, who: true, note: true, value: true, generation: 'number' }
const VERDICTS: Readonly<Record<Verdict['verdict'], true>> = { committed: true, released: true, abandoned: true }

const QUERY: NamesOf<ListQuery> = {
  tenant: true,
  states: true,
  tool: true,
  run: true,
  keyPrefix: true,
  updatedBefore: 'number',
  limit: 'number',
  after: true,
}

/** Each alone would wait for its own way to the backend and back. Few enough for one that has a few connections. */
const HISTORIES_AT_ONCE = 16

/** Looking into the ledger, and settling what only a person can. */
export interface Ledger {
  /**
   * A page of operations; its `next` goes on. What a newer version wrote is left out, and named in `unreadable`.
   * @throws OnefoldError CONFIG_INVALID for a field that there is not
   */
  list(query?: Partial<ListQuery>): Promise<ListPage>
  /** By key, ticket, or any unique beginning of a key. @throws OnefoldError KEY_INVALID when there is none, or several */
  show(keyOrTicket: string, tenant?: string): Promise<Forensics>
  /** @throws OnefoldError KEY_INVALID, HELD (quarantine not over, not in doubt, or begun anew since it was looked at) */
  resolve(keyOrTicket: string, verdict: Verdict, tenant?: string): Promise<OperationRecord>
  /** Every operation with its history, oldest first, as it is read. @throws OnefoldError STORE_UNSAFE for one that cannot be */
  export(query?: Partial<ListQuery>): AsyncIterable<Forensics>
  /** Compares the operations of one tool with its downstream's own list, and lists where they differ. Changes nothing. */
  reconcile(
    items: Iterable<DownstreamItem> | AsyncIterable<DownstreamItem>,
    options: ReconcileOptions,
  ): Promise<Reconciliation>
  /** Retention (T17) for everything that is past it, now: never what is open, in doubt, or may still be asked for again. */
  purge(options?: PurgeOptions): Promise<Purged>
  /** How many operations are in which state, and how large the ledger is. */
  stats(tenant?: string): Promise<StoreStats>
  /** What is found of the store's settings, good and bad. */
  doctor(): Promise<readonly Finding[]>
  /** The mark that stands since the store was seen to have lost records; undefined when none does. */
  amnesia(): Promise<AmnesiaMark | undefined>
  /**
   * An operator's word that this ledger lost records, where nothing could notice it: the amnesia mark, for every engine on
   * this store. Resolves to the mark.
   * @throws OnefoldError INPUT_INVALID without a reason
   */
  markAmnesia(why: string): Promise<AmnesiaMark>
  /**
   * An operator's word that "absent" is evidence again, for every engine on this store. Resolves to the mark that was
   * lifted. Whatever was done and then lost, and is asked for again from now on, happens a second time.
   * @throws OnefoldError HELD when no mark stands
   */
  liftAmnesia(): Promise<AmnesiaMark>
}

/** Whoever calls from plain JavaScript may have written anything. */
function assertVerdict(verdict: Verdict): void {
  knownOptions('A verdict', verdict, VERDICT)
  const { who, note }: { readonly who?: unknown; readonly note?: unknown } = verdict
  if (typeof who !== 'string' || typeof note !== 'string' || who.trim() === '' || note.trim() === '') {
    throw new OnefoldError(
      'INPUT_INVALID',
      'A doubt is settled under a name and with a reason: give both who and note. Nothing was changed.',
    )
  }
  if (!Object.hasOwn(VERDICTS, verdict.verdict)) {
    throw new OnefoldError(
      'INPUT_INVALID',
      `A verdict is one of ${Object.keys(VERDICTS).join(', ')}. Nothing was changed.`,
    )
  }
}

/** `all: true` looks across tenants: for operators of the whole ledger only. */
export function createLedger(core: Core, options: { readonly tenant: string; readonly all?: boolean }): Ledger {
  const tenantOf = (tenant: string | undefined): string | undefined =>
    tenant ?? (options.all === true ? undefined : options.tenant)
  const { store, withDeadline } = core.journal

  /** Each within the deadline, however many it takes. */
  const listOnce = (query: ListQuery): Promise<ListPage> => withDeadline(store.list(query))

  async function list(query: Partial<ListQuery> = {}): Promise<ListPage> {
    knownOptions('A query of the ledger', query, QUERY as NamesOf<Partial<ListQuery>>)
    return await fullPage(listOnce, { ...query, tenant: tenantOf(query.tenant) })
  }

  async function stats(tenant: string | undefined): Promise<StoreStats> {
    const states: Record<string, number> = {}
    for (let after: string | undefined; ;) {
      const part: StoreStats = await withDeadline(store.stats(tenant, after))
      for (const [state, count] of Object.entries(part.states)) states[state] = (states[state] ?? 0) + count
      if (part.next === undefined) return { states, sizeBytes: part.sizeBytes }
      after = part.next
    }
  }

  async function find(keyOrTicket: string, tenant: string | undefined): Promise<OperationRecord> {
    const keyPrefix = keyOrTicket.startsWith('of1_') ? keyOrTicket : `of1_${keyOrTicket}`
    // What every key begins with, as a variable that is not set gives it, would name the only operation there is.
    if (keyPrefix.trim() === 'of1_')
      throw new OnefoldError('KEY_INVALID', 'An empty text names no operation. Nothing was changed.')
    const where = tenantOf(tenant)
    if (isOperationKey(keyPrefix) && where !== undefined) {
      const { record } = await core.journal.read(keyPrefix, where)
      if (record !== undefined) return record
    }
    const page = await fullPage(listOnce, { tenant: where, keyPrefix, limit: 2 })
    assertWhole(page)
    const [record, second] = page.records
    if (record === undefined)
      throw new OnefoldError('KEY_INVALID', `No operation ${keyOrTicket} is in this ledger. Nothing was changed.`)
    if (second !== undefined)
      throw new OnefoldError(
        'KEY_INVALID',
        `Several operations begin with ${keyOrTicket}; give more of the key. Nothing was changed.`,
      )
    return record
  }

  const forensics = async (record: OperationRecord): Promise<Forensics> => ({
    record,
    history: await withDeadline(store.history(record.key, record.tenant)),
  })

  async function resolve(keyOrTicket: string, verdict: Verdict, tenant?: string): Promise<OperationRecord> {
    assertVerdict(verdict)
    const record = await find(keyOrTicket, tenant)
    const outcome =
      verdict.verdict === 'committed' && 'value' in verdict
        ? await seal('value', verdict.value, record, core.journal, core.settings.inlineResultBytes)
        : undefined
    const reading = await core.journal.read(record.key, record.tenant)
    const resolved = await core.journal.apply(record.key, record.tenant, reading, {
      type: 'resolve',
      who: verdict.who,
      why: verdict.note,
      verdict: verdict.verdict,
      note: verdict.note,
      quarantineMs: core.settings.quarantineMs,
      ...(outcome === undefined ? {} : { outcome }),
      ...(verdict.generation === undefined ? {} : { generation: verdict.generation }),
    })
    if (resolved.applied) return resolved.record as OperationRecord
    throw notResolved(resolved.record ?? record, resolved.refusal, core, resolved.now)
  }

  async function* exportAll(query: Partial<ListQuery> = {}): AsyncIterable<Forensics> {
    let after: string | undefined
    do {
      const page = await list({ ...query, ...(after === undefined ? {} : { after }) })
      assertWhole(page)
      for (let at = 0; at < page.records.length; at += HISTORIES_AT_ONCE) {
        yield* await Promise.all(page.records.slice(at, at + HISTORIES_AT_ONCE).map(forensics))
      }
      after = page.next
    } while (after !== undefined)
  }

  return {
    list,
    show: async (keyOrTicket, tenant) => await forensics(await find(keyOrTicket, tenant)),
    resolve,
    export: exportAll,
    reconcile: (items, reconcileOptions) => reconcileWith(core.journal, list, items, reconcileOptions),
    purge: (purgeOptions = {}) => purgeClosed(core, tenantOf(undefined), purgeOptions),
    stats: (tenant) => stats(tenantOf(tenant)),
    doctor: () => store.doctor(),
    amnesia: async () => (await withDeadline(store.epoch())).amnesia,
    markAmnesia: async (why: unknown) => {
      if (typeof why !== 'string' || why.trim() === '')
        throw new OnefoldError('INPUT_INVALID', 'A loss is marked with a reason. Nothing was changed.')
      // Its moment is compared with those of the records, so it is the store's.
      const mark = { at: (await withDeadline(store.due(1))).now, lossFrom: 0, why }
      await withDeadline(store.markAmnesia(mark))
      return mark
    },
    liftAmnesia: async () => {
      const { amnesia } = await withDeadline(store.epoch())
      if (amnesia === undefined) {
        throw new OnefoldError('HELD', 'No amnesia mark stands on this ledger. Nothing was changed.')
      }
      await withDeadline(store.markAmnesia(undefined))
      return amnesia
    },
  }
}

/** Every method waits for the store to be open. */
export function opened(ledger: Ledger, open: () => Promise<void>): Ledger {
  return {
    list: (query) => open().then(() => ledger.list(query)),
    show: (key, tenant) => open().then(() => ledger.show(key, tenant)),
    resolve: (key, verdict, tenant) => open().then(() => ledger.resolve(key, verdict, tenant)),
    export: async function* (query) {
      await open()
      yield* ledger.export(query)
    },
    reconcile: (items, options) => open().then(() => ledger.reconcile(items, options)),
    purge: (options) => open().then(() => ledger.purge(options)),
    stats: (tenant) => open().then(() => ledger.stats(tenant)),
    doctor: () => open().then(() => ledger.doctor()),
    amnesia: () => open().then(() => ledger.amnesia()),
    markAmnesia: (why) => open().then(() => ledger.markAmnesia(why)),
    liftAmnesia: () => open().then(() => ledger.liftAmnesia()),
  }
}

function notResolved(record: OperationRecord, refusal: string, core: Core, now: number): OnefoldError {
  const about = { key: record.key, ticket: ticketOf(record.key), details: { state: record.state, refusal } }
  if (refusal === 'quarantine') {
    const waitMs = quarantineEnd(record, core.settings.quarantineMs) - now
    return new OnefoldError(
      'HELD',
      `A request of this attempt could still land for ${Math.ceil(waitMs / 1000)} s. Nothing was changed; say "not done" after that.`,
      { ...about, effect: 'unknown', retryable: true, retryAfterMs: waitMs },
    )
  }
  if (refusal === 'fence') {
    const message = 'This operation has been begun anew since it was looked at. Nothing was changed; look again.'
    return new OnefoldError('HELD', message, { ...about, effect: 'unknown' })
  }
  return new OnefoldError('HELD', `This operation is ${record.state}, not in doubt. Nothing was changed.`, about)
}

/** Refuses a contract whose class this store cannot keep. @throws OnefoldError STORE_UNSAFE */
export function assertStoreKeeps(core: Core, contract: Contract): void {
  const { store } = core.journal
  if (contract.recovery.class === 'transactional' && !store.guarantees.transactions) {
    throw new OnefoldError(
      'STORE_UNSAFE',
      `${contract.name} declares transactional recovery, which needs a store that can hold the effect and the record in one transaction; ${store.name} cannot. Use the Postgres store, or declare another recovery.`,
    )
  }
  const why = contract.effect === 'read' ? undefined : store.refuses?.(contract.recovery.class)
  if (why !== undefined) {
    throw new OnefoldError(
      'STORE_UNSAFE',
      `${contract.name} has ${contract.recovery.class} recovery, which the ${store.name} ledger cannot keep as it is set up: ${why}. No effect started.`,
    )
  }
}
