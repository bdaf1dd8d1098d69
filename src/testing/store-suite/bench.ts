import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import {
  decide,
  fullPage,
  type Command,
  type Descriptor,
  type HistoryEvent,
  type ListPage,
  type ListQuery,
  type OperationRecord,
  type State,
  type Store,
  type StoredOutcome,
  type StoreStats,
  type Write,
  type WriteAnswer,
} from '../../engine/index.ts'
import type { StoreUnderTest } from './case.ts'

/** Process that acts in the cases. */
export const WHO = 'host/boot/4711/1'

export const OUTCOME: StoredOutcome = { kind: 'value', text: '{"id":"re_1"}', sha256: 'a'.repeat(64), size: 13 }

/** What a case works with: a store, a tenant and keys of its own. */
export interface Bench {
  readonly under: StoreUnderTest
  readonly store: Store
  readonly tenant: string
  /** A fresh operation key. */
  key(): string
  /** A fresh name for an attempt or a write. */
  name(): string
  descriptor(change?: Partial<Descriptor>): Descriptor
  /** The same case on another store, or for another tenant. */
  on(store: Store, tenant?: string): Bench
  /** The store after a restart. Needs `another`. */
  reopened(): Promise<Store>
  read(key: string): Promise<{ readonly record: OperationRecord | undefined; readonly now: number }>
  /** The record; fails when there is none. */
  record(key: string): Promise<OperationRecord>
  /** The write that the state machine makes of a command on what is there now. */
  plan(key: string, command: Command): Promise<Write>
  /** Plans and writes; fails unless it is applied. */
  apply(key: string, command: Command): Promise<WriteAnswer>
  claim(key: string, change?: Partial<Extract<Command, { type: 'claim' }>>): Promise<OperationRecord>
  /** Brings a fresh record into a state, by the state machine. */
  reach(state: State, key?: string, change?: Partial<Descriptor>): Promise<OperationRecord>
  /** A write that leaves everything but names as it is, on the record's revision. */
  touch(record: OperationRecord): Write
}

type Step = (record: OperationRecord, bench: Bench) => Command

const own = ({ fence, nonce }: OperationRecord): { fence: number; nonce: string; who: string } => ({
  fence,
  nonce,
  who: WHO,
})
const LEASE_MS = 60_000

const ask: Step = (record) => ({ type: 'ask', ...own(record) })
const accept: Step = (record) => ({ type: 'accept', ...own(record), outcome: OUTCOME, leaseMs: LEASE_MS })
const doubt: Step = (record) => ({
  type: 'doubt',
  who: WHO,
  fence: record.fence,
  reason: 'timeout',
  evidence: 'no answer',
})
const recover: Step = (_, bench) => ({
  type: 'recover',
  who: WHO,
  nonce: bench.name(),
  leaseMs: LEASE_MS,
  backoffMs: 0,
})
const commit: Step = (record) => ({ type: 'commit', ...own(record), outcome: OUTCOME })
const reject: Step = (record) => ({ type: 'reject', ...own(record), error: { name: 'Refused', message: 'no money' } })
const unsent: Step = (record) => ({ type: 'unsent', ...own(record) })
const compensate: Step = (_, bench) => ({ type: 'compensate', who: WHO, nonce: bench.name(), leaseMs: LEASE_MS })
const compensated: Step = () => ({ type: 'compensated', who: WHO })
const abandon: Step = () => ({
  type: 'resolve',
  who: 'eve',
  verdict: 'abandoned',
  note: 'nobody knows',
  quarantineMs: 0,
})
const expire: Step = () => ({ type: 'expire', who: WHO })

/** From `executing` (but for the first two) to each state. */
const PATHS: Readonly<Record<State, readonly Step[]>> = {
  claimed: [],
  superseded: [],
  executing: [],
  'awaiting-input': [ask],
  accepted: [accept],
  'in-doubt': [doubt],
  recovering: [doubt, recover],
  committed: [commit],
  rejected: [reject],
  released: [unsent],
  compensating: [commit, compensate],
  compensated: [commit, compensate, compensated],
  abandoned: [doubt, abandon],
  expired: [commit, expire],
}

let cases = 0

/** A bench with a tenant that no other case has. */
export function benchFor(under: StoreUnderTest): Bench {
  cases += 1
  return benchOn(under, under.store, `tenant ${cases}`, { count: 0 })
}

function benchOn(under: StoreUnderTest, store: Store, tenant: string, names: { count: number }): Bench {
  const fresh = (): string => {
    names.count += 1
    return `${tenant} ${names.count}`
  }

  const bench: Bench = {
    under,
    store,
    tenant,
    key: () => `of1_${createHash('sha256').update(fresh()).digest('base64url')}`,
    name: () => createHash('sha256').update(fresh()).digest('base64url').slice(0, 22),
    on: (other, otherTenant = tenant) => benchOn(under, other, otherTenant, names),
    descriptor: (change = {}) => ({
      tenant,
      tool: 'refund_return',
      major: 1,
      recovery: 'keyed',
      fingerprint: 'f'.repeat(43),
      occurrence: 1,
      run: undefined,
      session: undefined,
      call: undefined,
      parent: undefined,
      retentionMs: 0,
      retryHorizonMs: 0,
      amount: undefined,
      unanchored: false,
      checked: true,
      ...change,
    }),
    async reopened() {
      await store.close()
      const next = await under.another?.()
      assert.ok(next !== undefined, 'a case that restarts the store needs `another`')
      return next
    },
    read: async (key) => await store.read(key, tenant),
    async record(key) {
      const { record } = await bench.read(key)
      assert.ok(record !== undefined, `no record under ${key}`)
      return record
    },
    async plan(key, command) {
      const { record, now } = await bench.read(key)
      const decision = decide(key, record, command, now)
      assert.ok(decision.ok, `${command.type} is refused: ${decision.ok ? '' : decision.refusal}`)
      const draft = decision.draft === undefined ? undefined : { ...decision.draft, writeId: bench.name() }
      return { key, tenant, expect: record?.revision ?? 0, draft, event: decision.event }
    },
    async apply(key, command) {
      const answer = await store.write(await bench.plan(key, command))
      assert.equal(answer.applied, true, `${command.type} was not applied`)
      return answer
    },
    async claim(key, change = {}) {
      const { record } = await bench.apply(key, {
        type: 'claim',
        who: WHO,
        nonce: bench.name(),
        leaseMs: LEASE_MS,
        descriptor: bench.descriptor(),
        input: '{"amount":1}',
        mark: false,
        ...change,
      })
      assert.ok(record !== undefined)
      return record
    },
    async reach(state, key = bench.key(), change = {}) {
      const descriptor = bench.descriptor(change)
      if (state === 'superseded') {
        await bench.apply(key, { type: 'supersede', who: WHO, by: bench.key(), descriptor })
      } else {
        await bench.claim(key, { mark: state !== 'claimed', descriptor })
      }
      for (const step of PATHS[state]) await bench.apply(key, step(await bench.record(key), bench))
      const record = await bench.record(key)
      assert.equal(record.state, state)
      return record
    },
    touch(record) {
      const { revision, leaseUntil: _lease, updatedAt: _updated, ...rest } = record
      return {
        key: record.key,
        tenant,
        expect: revision,
        draft: { ...rest, leaseMs: undefined, writeId: bench.name() },
        event: {
          transition: 'evidence',
          from: record.state,
          to: record.state,
          fence: record.fence,
          nonce: record.nonce,
          who: WHO,
          openSends: record.openSends,
        },
      }
    },
  }
  return bench
}

/** Equal, where a member that is undefined is as good as none. */
export function assertSame(actual: unknown, expected: unknown, message?: string): void {
  const [is, should] = [withoutUndefined(actual), withoutUndefined(expected)]
  if (message === undefined) assert.deepEqual(is, should)
  else assert.deepEqual(is, should, message)
}

function withoutUndefined(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutUndefined)
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value
  const members = Object.entries(value).filter(([, member]) => member !== undefined)
  return Object.fromEntries(members.map(([name, member]) => [name, withoutUndefined(member)]))
}

/** The state that a history leads to; fails where an event does not begin where the one before it ended. */
export function fold(history: readonly HistoryEvent[]): HistoryEvent['to'] | 'absent' {
  let state: HistoryEvent['to'] | 'absent' = 'absent'
  for (const event of history) {
    assert.equal(event.from, state, `${event.transition} begins at ${event.from}, the history is at ${state}`)
    state = event.to
  }
  return state
}

/** Every record of a listing, page by page. */
export async function everyPage(
  page: (
    after: string | undefined,
  ) => Promise<{ readonly records: readonly OperationRecord[]; readonly next: string | undefined }>,
): Promise<OperationRecord[]> {
  const records: OperationRecord[] = []
  let after: string | undefined
  do {
    const { records: found, next } = await page(after)
    records.push(...found)
    after = next
  } while (after !== undefined)
  return records
}

/** A page as it was asked for, also of a backend that answers with what it has found in time. */
export const listed = ({ store }: Bench, query: ListQuery): Promise<ListPage> =>
  fullPage((part) => store.list(part), query)

/** All counts of a store that counts a part at a time. */
export async function counted({ store }: Bench, tenant: string | undefined): Promise<StoreStats> {
  const states: Record<string, number> = {}
  let after: string | undefined
  do {
    const part: StoreStats = await store.stats(tenant, after)
    for (const [state, count] of Object.entries(part.states)) states[state] = (states[state] ?? 0) + count
    after = part.next
  } while (after !== undefined)
  return { states, sizeBytes: undefined }
}
