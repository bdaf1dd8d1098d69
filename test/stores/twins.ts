import type { HistoryEvent, OperationRecord, Store, Write } from '../../src/engine/index.ts'
import { BLOB_TWINS, type Twin } from './blob-twins.ts'

const everyRecord = (inner: Store, change: (record: OperationRecord) => OperationRecord): Partial<Store> => {
  const of = (record: OperationRecord | undefined): OperationRecord | undefined => record && change(record)
  return {
    read: async (key, tenant) => {
      const { record, now } = await inner.read(key, tenant)
      return { record: of(record), now }
    },
    write: async (write) => {
      const answer = await inner.write(write)
      return { ...answer, record: of(answer.record) }
    },
  }
}

const everyKey = (inner: Store, change: (key: string) => string): Partial<Store> => ({
  read: (key, tenant) => inner.read(change(key), tenant),
  write: (write) => inner.write({ ...write, key: change(write.key) }),
  history: (key, tenant) => inner.history(change(key), tenant),
})

const withDraft = (write: Write, change: Partial<NonNullable<Write['draft']>>): Write => ({
  ...write,
  draft: write.draft && { ...write.draft, ...change },
})

const pause = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve)
  })

/** Broken twins, each with the group that has to notice. */
export const TWINS: readonly Twin[] = [
  ...BLOB_TWINS,
  [
    'writes whatever was expected',
    'compare-and-set',
    (inner) => ({
      write: async (write) =>
        inner.write({ ...write, expect: (await inner.read(write.key, write.tenant)).record?.revision ?? 0 }),
    }),
  ],
  [
    'takes an insert over a record',
    'compare-and-set',
    (inner) => ({
      write: async (write) => {
        const { record } = await inner.read(write.key, write.tenant)
        return inner.write(write.expect === 0 ? { ...write, expect: record?.revision ?? 0 } : write)
      },
    }),
  ],
  [
    'takes any older revision',
    'compare-and-set',
    (inner) => ({
      write: async (write) => {
        const { record } = await inner.read(write.key, write.tenant)
        const older = write.expect !== 0 && write.expect < (record?.revision ?? 0)
        return inner.write(older ? { ...write, expect: record?.revision ?? 0 } : write)
      },
    }),
  ],
  [
    'shows nothing with a conflict',
    'compare-and-set',
    (inner) => ({
      write: async (write) => {
        const answer = await inner.write(write)
        return answer.applied ? answer : { ...answer, record: undefined }
      },
    }),
  ],
  [
    'drops a member of the record',
    'compare-and-set',
    (inner) => everyRecord(inner, (record) => ({ ...record, generation: 0, round: 0, owner: '' })),
  ],
  [
    'begins revisions anew after a deletion',
    'compare-and-set',
    (inner) => {
      const base = new Map<string, number>()
      const shift = (record: OperationRecord | undefined): OperationRecord | undefined =>
        record && { ...record, revision: record.revision - (base.get(record.tenant + record.key) ?? 0) }
      return {
        read: async (key, tenant) => {
          const { record, now } = await inner.read(key, tenant)
          return { record: shift(record), now }
        },
        write: async (write) => {
          const place = write.tenant + write.key
          const answer = await inner.write({
            ...write,
            expect: write.expect === 0 ? 0 : write.expect + (base.get(place) ?? 0),
          })
          if (answer.applied && write.expect === 0) base.set(place, (answer.record?.revision ?? 1) - 1)
          return { ...answer, record: shift(answer.record) }
        },
      }
    },
  ],
  [
    'keeps the history of a deleted record',
    'compare-and-set',
    (inner) => {
      const kept = new Map<string, readonly HistoryEvent[]>()
      return {
        write: async (write) => {
          const before = await inner.history(write.key, write.tenant)
          const answer = await inner.write(write)
          if (write.draft === undefined && answer.applied) kept.set(write.key, before)
          return answer
        },
        history: async (key, tenant) => [...(kept.get(key) ?? []), ...(await inner.history(key, tenant))],
      }
    },
  ],
  [
    'forgets why',
    'transitions',
    (inner) => ({ write: (write) => inner.write({ ...write, event: { ...write.event, why: 'x' } }) }),
  ],
  [
    'forgets children',
    'transitions',
    (inner) => ({ write: (write) => inner.write(withDraft(write, { children: [] })) }),
  ],
  [
    'forgets who closed it',
    'transitions',
    (inner) => ({ write: (write) => inner.write(withDraft(write, { closedBy: undefined })) }),
  ],
  [
    'compares, then writes, with a pause between',
    'races',
    (inner) => ({
      write: async (write) => {
        const { record } = await inner.read(write.key, write.tenant)
        if ((record?.revision ?? 0) !== write.expect) return inner.write(write)
        await pause()
        return inner.write({ ...write, expect: (await inner.read(write.key, write.tenant)).record?.revision ?? 0 })
      },
    }),
  ],
  [
    'takes the same write twice',
    'lost acknowledgements',
    (inner) => ({
      write: async (write) => {
        const { record } = await inner.read(write.key, write.tenant)
        const again = record?.writeId === write.draft?.writeId
        return inner.write(again ? { ...write, expect: record?.revision ?? 0 } : write)
      },
    }),
  ],
  [
    'gives every record the fence 1',
    'fences',
    (inner) => ({ write: (write) => inner.write(write.draft?.fence === 0 ? withDraft(write, { fence: 1 }) : write) }),
  ],
  [
    'keeps its sequence still',
    'fences',
    (inner) => ({ write: async (write) => ({ ...(await inner.write(write)), sequence: 1 }) }),
  ],
  [
    'leaves unknown fences of events at 0',
    'fences',
    (inner) => ({
      history: async (key, tenant) => (await inner.history(key, tenant)).map((event) => ({ ...event, fence: 0 })),
    }),
  ],
  [
    'drops the lease that is to stay',
    'leases',
    (inner) => ({
      write: (write) => inner.write(write.draft?.leaseMs === undefined ? withDraft(write, { leaseMs: 0 }) : write),
    }),
  ],
  [
    'adds leases to the one before',
    'leases',
    (inner) => ({
      write: (write) =>
        inner.write(
          write.draft?.leaseMs === undefined ? write : withDraft(write, { leaseMs: write.draft.leaseMs + 1 }),
        ),
    }),
  ],
  [
    'stamps a moment before its answer',
    'store clock',
    (inner) => ({
      write: async (write) => {
        const answer = await inner.write(write)
        return { ...answer, now: answer.now + 1 }
      },
    }),
  ],
  [
    'has a clock that goes back',
    'store clock',
    (inner) => {
      let calls = 0
      return { read: async (key, tenant) => ({ ...(await inner.read(key, tenant)), now: 1_000_000 - (calls += 1) }) }
    },
  ],
  ['cuts keys at a NUL', 'odd text', (inner) => everyKey(inner, (key) => key.split('\0')[0] ?? '')],
  ['cuts keys at 255', 'odd text', (inner) => everyKey(inner, (key) => key.slice(0, 255))],
  ['trims keys', 'odd text', (inner) => everyKey(inner, (key) => key.trim())],
  ['ignores case', 'odd text', (inner) => everyKey(inner, (key) => key.toLowerCase())],
  ['normalises keys', 'odd text', (inner) => everyKey(inner, (key) => key.normalize())],
  ['keeps keys as UTF-8', 'odd text', (inner) => everyKey(inner, (key) => key.toWellFormed())],
  [
    'keeps text as UTF-8',
    'odd text',
    (inner) => everyRecord(inner, (record) => ({ ...record, nonce: record.nonce.toWellFormed() })),
  ],
  [
    'joins tenant and key',
    'odd text',
    (inner) => ({
      read: (key, tenant) => inner.read(`${tenant}${key}`, ''),
      write: (write) => inner.write({ ...write, key: `${write.tenant}${write.key}`, tenant: '' }),
    }),
  ],
  [
    'cuts outcomes',
    'sizes',
    (inner) =>
      everyRecord(inner, (record) =>
        record.outcome === undefined
          ? record
          : { ...record, outcome: { ...record.outcome, text: record.outcome.text?.slice(0, 65_535) ?? '' } },
      ),
  ],
  [
    'has one room for all tenants',
    'tenants',
    (inner) => ({ read: (key) => inner.read(key, ''), write: (write) => inner.write({ ...write, tenant: '' }) }),
  ],
  ['lists all tenants', 'tenants', (inner) => ({ list: (query) => inner.list({ ...query, tenant: undefined }) })],
  ['counts all tenants', 'tenants', (inner) => ({ stats: () => inner.stats(undefined) })],
  ['loses notes', 'history', () => ({ note: async () => undefined })],
  [
    'tells the history backwards',
    'history',
    (inner) => ({ history: async (key, tenant) => (await inner.history(key, tenant)).toReversed() }),
  ],
  [
    'keeps the last 256 events',
    'history',
    (inner) => ({ history: async (key, tenant) => (await inner.history(key, tenant)).slice(-256) }),
  ],
  [
    'lists one too many',
    'listings',
    (inner) => ({ list: (query) => inner.list({ ...query, limit: (query.limit ?? 100) + 1 }) }),
  ],
  [
    'ignores the beginning of keys',
    'listings',
    (inner) => ({ list: ({ keyPrefix: _prefix, ...query }) => inner.list(query) }),
  ],
  [
    'ignores the time of the last change',
    'listings',
    (inner) => ({ list: ({ updatedBefore: _before, ...query }) => inner.list(query) }),
  ],
  [
    'loses the last of each page',
    'listings',
    (inner) => ({
      list: async (query) => {
        const page = await inner.list(query)
        return { ...page, records: page.next === undefined ? page.records : page.records.slice(0, -1) }
      },
    }),
  ],
  [
    'does not show doubts as due',
    'due and closed',
    (inner) => ({
      due: async (limit, after) => {
        const page = await inner.due(limit, after)
        return { ...page, records: page.records.filter((record) => record.state !== 'in-doubt') }
      },
    }),
  ],
  [
    'shows live leases as due',
    'due and closed',
    (inner) => ({
      due: async (limit, after) =>
        inner.list({
          tenant: undefined,
          limit,
          states: ['claimed', 'executing', 'in-doubt', 'accepted'],
          ...(after === undefined ? {} : { after }),
        }),
    }),
  ],
  [
    'shows only the first that are due',
    'due and closed',
    (inner) => ({ due: async (limit) => ({ ...(await inner.due(limit)), next: undefined }) }),
  ],
  [
    'shows open records as closed',
    'due and closed',
    (inner) => ({
      closed: (limit, after) => inner.list({ tenant: undefined, limit, ...(after === undefined ? {} : { after }) }),
    }),
  ],
  ['tells no watcher', 'watching', () => ({ watch: () => () => undefined })],
  [
    'tells those that ended',
    'watching',
    (inner) => ({
      watch: (key, listener) => {
        inner.watch(key, listener)
        return () => undefined
      },
    }),
  ],
  ['forgets the amnesia mark', 'epoch', () => ({ markAmnesia: async () => undefined })],
  [
    'keeps the amnesia mark from writes',
    'epoch',
    (inner) => ({ write: async (write) => ({ ...(await inner.write(write)), amnesiaAt: 0 }) }),
  ],
  ['serves after it was closed', 'life', () => ({ close: async () => undefined })],
  [
    'acknowledges what it did not write',
    'linearizability',
    (inner) => {
      let writes = 0
      return {
        write: async (write) => {
          writes += 1
          if (writes % 10 !== 0) return inner.write(write)
          const { record, now } = await inner.read(write.key, write.tenant)
          if ((record?.revision ?? 0) !== write.expect) return inner.write(write)
          const claimed = { ...record, ...write.draft } as unknown as OperationRecord
          return { applied: true, record: write.draft && claimed, now, sequence: 1 }
        },
      }
    },
  ],
  [
    'reads from a replica',
    'linearizability',
    (inner) => {
      const old = new Map<string, OperationRecord | undefined>()
      return {
        read: async (key, tenant) => {
          const { record, now } = await inner.read(key, tenant)
          const stale = old.get(key)
          old.set(key, record)
          return { record: stale, now }
        },
      }
    },
  ],
]
