import assert from 'node:assert/strict'
import { OPEN_STATES, STATES, type ListQuery, type OperationRecord } from '../../engine/index.ts'
import { WHO, assertSame, everyPage, listed, counted, type Bench } from './bench.ts'
import { group, type Case } from './case.ts'

const keysOf = (records: readonly OperationRecord[]): readonly string[] => records.map((record) => record.key)

const listAll = (bench: Bench, query: Partial<ListQuery> = {}): Promise<OperationRecord[]> =>
  everyPage((after) => listed(bench, { tenant: bench.tenant, ...query, ...(after === undefined ? {} : { after }) }))

/** The bench's own records among all tenants'. */
const own = (bench: Bench, records: readonly OperationRecord[]): readonly OperationRecord[] =>
  records.filter((record) => record.tenant === bench.tenant)

const dueNow = async (bench: Bench): Promise<readonly OperationRecord[]> =>
  own(bench, await everyPage((after) => bench.store.due(50, after)))

const closedNow = async (bench: Bench, limit = 50): Promise<readonly OperationRecord[]> =>
  own(bench, await everyPage((after) => bench.store.closed(limit, after)))

async function reachAll(bench: Bench): Promise<OperationRecord[]> {
  const records: OperationRecord[] = []
  for (const state of STATES) records.push(await bench.reach(state))
  return records
}

const lists: readonly Omit<Case, 'group'>[] = [
  {
    name: 'a listing has every record as it is, in order of recording',
    async run(bench) {
      const records = await reachAll(bench)
      assertSame(await listAll(bench), records)
    },
  },
  ...STATES.map((state) => ({
    name: `a listing by state finds ${state}`,
    async run(bench: Bench) {
      const records = await reachAll(bench)
      assertSame(
        await listAll(bench, { states: [state] }),
        records.filter((record) => record.state === state),
      )
    },
  })),
  {
    name: 'a listing by several states finds each, and by none finds nothing',
    async run(bench) {
      const records = await reachAll(bench)
      const states = ['in-doubt', 'recovering', 'committed'] as const
      assert.deepEqual(
        keysOf(await listAll(bench, { states })).toSorted(),
        keysOf(records.filter((r) => states.some((s) => s === r.state))).toSorted(),
      )
      assert.deepEqual(await listAll(bench, { states: [] }), [])
    },
  },
  ...[1, 2, 3, 7, 100].map((limit) => ({
    name: `pages of ${limit} hold each record once, and no more than that many`,
    async run(bench: Bench) {
      const records = await reachAll(bench)
      const first = await listed(bench, { tenant: bench.tenant, limit })
      assert.ok(first.records.length <= limit)
      assert.equal(first.next === undefined, limit >= records.length)
      assert.deepEqual(keysOf(await listAll(bench, { limit })), keysOf(records))
      assert.deepEqual(keysOf(await listAll(bench, { limit, states: OPEN_STATES })).length, OPEN_STATES.length)
    },
  })),
  {
    name: 'a page has 100 records when no limit is given',
    async run(bench) {
      await Promise.all(Array.from({ length: 105 }, () => bench.claim(bench.key())))
      const { records, next } = await listed(bench, { tenant: bench.tenant })
      assert.equal(records.length, 100)
      assert.ok(next !== undefined)
      assert.equal((await listAll(bench)).length, 105)
    },
  },
  {
    name: 'records that come while pages are turned are not shown twice, and none is passed over',
    async run(bench) {
      const before: string[] = []
      for (let n = 0; n < 6; n += 1) before.push((await bench.claim(bench.key())).key)
      const seen: string[] = []
      let after: string | undefined
      do {
        const page = await listed(bench, {
          tenant: bench.tenant,
          limit: 2,
          ...(after === undefined ? {} : { after }),
        })
        seen.push(...keysOf(page.records))
        if (seen.length <= 6) await bench.claim(bench.key())
        after = page.next
      } while (after !== undefined)
      assert.equal(new Set(seen).size, seen.length)
      assert.deepEqual(seen.slice(0, 6), before)
    },
  },
  {
    name: 'a listing by tool and by run',
    async run(bench) {
      const refund = await bench.reach('committed', bench.key(), { tool: 'refund', run: 'run 1' })
      const mail = await bench.reach('in-doubt', bench.key(), { tool: 'mail', run: 'run 1' })
      const other = await bench.reach('in-doubt', bench.key(), { tool: 'mail', run: 'run 2' })
      assert.deepEqual(keysOf(await listAll(bench, { tool: 'mail' })), [mail.key, other.key])
      assert.deepEqual(keysOf(await listAll(bench, { run: 'run 1' })), [refund.key, mail.key])
      assert.deepEqual(keysOf(await listAll(bench, { run: 'run 1', tool: 'mail' })), [mail.key])
      assert.deepEqual(keysOf(await listAll(bench, { run: 'run 1', states: ['in-doubt'] })), [mail.key])
      assert.deepEqual(keysOf(await listAll(bench, { run: 'run 1', limit: 1 })), [refund.key, mail.key])
      assert.deepEqual(await listAll(bench, { run: 'run 3' }), [])
      assert.deepEqual(await listAll(bench, { tool: 'refun' }), [])
    },
  },
  {
    name: 'a listing by the beginning of a key',
    async run(bench) {
      const keys = Array.from({ length: 30 }, () => bench.key())
      for (const key of keys) await bench.claim(key)
      await bench.claim('of1_text that is no digest')
      await bench.claim('other')
      const all = [...keys, 'of1_text that is no digest', 'other']
      const prefixes = [
        '',
        'o',
        'of1',
        'of1_',
        'of1_t',
        'of1_text',
        'other',
        'x',
        'of1_!',
        ...keys.flatMap((key) => [5, 6, 9, 20, 46, 47].map((n) => key.slice(0, n))),
      ]
      for (const keyPrefix of prefixes) {
        assert.deepEqual(
          keysOf(await listAll(bench, { keyPrefix })),
          all.filter((key) => key.startsWith(keyPrefix)),
          `prefix ${keyPrefix}`,
        )
      }
      assert.deepEqual(await listAll(bench, { keyPrefix: `${keys[0]}A` }), [])
    },
  },
  {
    name: 'a listing by the time of the last change',
    async run(bench) {
      const record = await bench.claim(bench.key())
      assert.deepEqual(keysOf(await listAll(bench, { updatedBefore: record.updatedAt })), [record.key])
      assert.deepEqual(await listAll(bench, { updatedBefore: record.updatedAt - 1 }), [])
    },
  },
  {
    name: 'a listing over all tenants has every tenant’s',
    async run(bench) {
      const other = bench.on(bench.store, `${bench.tenant} other`)
      const keys = [(await bench.claim(bench.key())).key, (await other.claim(bench.key())).key]
      const all = await everyPage((after) =>
        listed(bench, { tenant: undefined, ...(after === undefined ? {} : { after }) }),
      )
      assert.deepEqual(keysOf(all.filter((record) => keys.includes(record.key))), keys)
    },
  },
  {
    name: 'a deleted record is in no listing',
    async run(bench) {
      const record = await bench.reach('released')
      await bench.apply(record.key, { type: 'expire', who: WHO })
      assert.deepEqual(await listAll(bench), [])
      assert.deepEqual([...(await closedNow(bench))], [])
      assert.deepEqual((await counted(bench, bench.tenant)).states, {})
    },
  },
  {
    name: 'counts have every state',
    async run(bench) {
      await reachAll(bench)
      await bench.reach('committed')
      const { states } = await counted(bench, bench.tenant)
      for (const state of STATES) assert.equal(states[state], state === 'committed' ? 2 : 1, state)
      const all = (await counted(bench, undefined)).states
      for (const state of STATES) assert.ok((all[state] ?? 0) >= (states[state] ?? 0))
    },
  },
]

const due: readonly Omit<Case, 'group'>[] = [
  ...STATES.map((state) => {
    const always = state === 'in-doubt' || state === 'accepted'
    const lapsed = OPEN_STATES.includes(state)
    return {
      name: `${state}: ${always ? 'due at once' : lapsed ? 'due when the lease is over, not before' : 'never due'}`,
      async run(bench: Bench) {
        const record = await bench.reach(state)
        assert.deepEqual(keysOf(await dueNow(bench)), always ? [record.key] : [])
        const write = bench.touch(record)
        await bench.store.write({ ...write, draft: write.draft && { ...write.draft, leaseMs: 0 } })
        assert.deepEqual(keysOf(await dueNow(bench)), lapsed ? [record.key] : [])
      },
    }
  }),
  {
    name: 'a lease that ends by itself makes a record due',
    async run(bench) {
      const record = await bench.claim(bench.key(), { leaseMs: 20 })
      for (let n = 0; (await dueNow(bench)).length === 0; n += 1) {
        assert.ok(n < 200, 'the record does not become due')
        await new Promise((resolve) => {
          setTimeout(resolve, 5)
        })
      }
      assert.ok((await bench.read(record.key)).now >= record.leaseUntil)
    },
  },
  {
    name: 'what is due comes oldest first, and page by page behind what is stuck',
    async run(bench) {
      const keys: string[] = []
      for (let n = 0; n < 7; n += 1) keys.push((await bench.reach('in-doubt')).key)
      assert.deepEqual(keysOf(await dueNow(bench)), keys)
      const pages = own(bench, await everyPage((after) => bench.store.due(2, after)))
      assert.deepEqual(keysOf(pages), keys)
      assert.ok((await bench.store.due(2)).records.length <= 2)
    },
  },
  {
    name: 'what is due is shown as it is',
    async run(bench) {
      const record = await bench.reach('in-doubt')
      assertSame(await dueNow(bench), [record])
    },
  },
  {
    name: 'closed records are those that are not open, each once',
    async run(bench) {
      const closed = (await reachAll(bench)).filter((record) => !OPEN_STATES.includes(record.state))
      for (const limit of [1, 3, 50]) {
        assert.deepEqual(keysOf(await closedNow(bench, limit)).toSorted(), keysOf(closed).toSorted())
      }
    },
  },
  {
    name: 'closed records that are deleted while pages are turned do not end the turning',
    async run(bench) {
      const keys = new Set<string>()
      for (let n = 0; n < 6; n += 1) keys.add((await bench.reach('released')).key)
      let after: string | undefined
      do {
        const page = await bench.store.closed(2, after)
        for (const record of own(bench, page.records)) {
          keys.delete(record.key)
          await bench.apply(record.key, { type: 'expire', who: WHO })
        }
        after = page.next
      } while (after !== undefined)
      assert.equal(keys.size, 0)
    },
  },
]

/** Listings, the sweeper's work list, retention's pages. */
export const listings: readonly Case[] = [...group('listings', lists), ...group('due and closed', due)]
