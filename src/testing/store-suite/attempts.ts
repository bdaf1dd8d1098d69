import assert from 'node:assert/strict'
import { WHO, assertSame, OUTCOME, type Bench } from './bench.ts'
import { group, type Case } from './case.ts'

const heartbeat = (
  bench: Bench,
  record: { fence: number; nonce: string },
  leaseMs: number,
): Parameters<Bench['plan']>[1] => ({
  type: 'heartbeat',
  fence: record.fence,
  nonce: record.nonce,
  who: WHO,
  leaseMs,
})

const lostAcknowledgements: readonly Omit<Case, 'group'>[] = [
  {
    name: 'a repeated insert is a conflict that carries the writer’s own name',
    async run(bench) {
      const write = await bench.plan(bench.key(), claimOf(bench))
      const first = await bench.store.write(write)
      const second = await bench.store.write(write)
      assert.equal(second.applied, false)
      assert.equal(second.record?.writeId, write.draft?.writeId)
      assertSame(second.record, first.record)
      assert.equal((await bench.store.history(write.key, bench.tenant)).length, 1)
    },
  },
  {
    name: 'a repeated update is a conflict that carries the writer’s own name and the attempt’s nonce',
    async run(bench) {
      const record = await bench.reach('executing')
      const write = await bench.plan(record.key, {
        type: 'commit',
        fence: record.fence,
        nonce: record.nonce,
        who: WHO,
        outcome: OUTCOME,
      })
      await bench.store.write(write)
      const second = await bench.store.write(write)
      assert.equal(second.applied, false)
      assert.equal(second.record?.writeId, write.draft?.writeId)
      assert.equal(second.record?.nonce, record.nonce)
    },
  },
  {
    name: 'another’s write is a conflict that carries another name',
    async run(bench) {
      const record = await bench.reach('executing')
      const mine = bench.touch(record)
      await bench.store.write(bench.touch(record))
      const answer = await bench.store.write(mine)
      assert.equal(answer.applied, false)
      assert.notEqual(answer.record?.writeId, mine.draft?.writeId)
    },
  },
  {
    name: 'a repeated deletion shows that nothing is there',
    async run(bench) {
      const record = await bench.reach('released')
      const write = await bench.plan(record.key, { type: 'expire', who: WHO })
      assert.equal((await bench.store.write(write)).applied, true)
      const second = await bench.store.write(write)
      assert.equal(second.applied, false)
      assert.equal(second.record, undefined)
    },
  },
  {
    name: 'the same write sent twice at once is applied once',
    async run(bench) {
      const write = await bench.plan(bench.key(), claimOf(bench))
      const answers = await Promise.all([bench.store.write(write), bench.store.write(write)])
      assert.equal(answers.filter((answer) => answer.applied).length, 1)
    },
  },
]

const fences: readonly Omit<Case, 'group'>[] = [
  {
    name: 'a first fence is the store-wide sequence',
    async run(bench) {
      const answer = await bench.apply(bench.key(), claimOf(bench))
      assert.equal(answer.record?.fence, answer.sequence)
      assert.ok((answer.record?.fence ?? 0) >= 1)
    },
  },
  {
    name: 'no two records begin at one fence',
    async run(bench) {
      const records = await Promise.all(Array.from({ length: 20 }, () => bench.claim(bench.key())))
      assert.equal(new Set(records.map((record) => record.fence)).size, 20)
    },
  },
  {
    name: 'a fence that the draft names is kept',
    async run(bench) {
      const record = await bench.reach('recovering')
      const write = bench.touch(record)
      const answer = await bench.store.write({
        ...write,
        draft: write.draft && { ...write.draft, fence: record.fence + 7 },
      })
      assert.equal(answer.record?.fence, record.fence + 7)
    },
  },
  {
    name: 'a fence grows with recovery and with a new claim',
    async run(bench) {
      const doubted = await bench.reach('in-doubt')
      const recovering = (
        await bench.apply(doubted.key, { type: 'recover', who: WHO, nonce: bench.name(), leaseMs: 1, backoffMs: 0 })
      ).record
      assert.ok(recovering !== undefined && recovering.fence > doubted.fence)
      const rejected = await bench.reach('rejected')
      const again = await bench.claim(rejected.key)
      assert.ok(again.fence > rejected.fence)
      assert.equal(again.generation, rejected.generation + 1)
    },
  },
  {
    name: 'a deleted key begins again above every fence that it had',
    async run(bench) {
      const key = bench.key()
      let highest = 0
      for (let n = 0; n < 4; n += 1) {
        const record = await bench.reach('rejected', key)
        assert.ok(record.fence > highest, `fence ${record.fence} after ${highest}`)
        highest = record.fence
        await bench.apply(key, { type: 'expire', who: WHO })
      }
    },
  },
  {
    name: 'an event of an unknown fence gets the record’s',
    async run(bench) {
      const record = await bench.claim(bench.key())
      const [event] = await bench.store.history(record.key, bench.tenant)
      assert.equal(event?.fence, record.fence)
    },
  },
  {
    name: 'the sequence grows with every applied write and with none that is refused',
    async run(bench) {
      const record = await bench.reach('executing')
      const first = await bench.store.write(bench.touch(record))
      const refused = await bench.store.write(bench.touch(record))
      assert.ok(refused.sequence >= first.sequence)
      const second = await bench.store.write(bench.touch(await bench.record(record.key)))
      assert.ok(second.sequence > first.sequence)
    },
  },
]

const heartbeats: readonly Omit<Case, 'group'>[] = [
  {
    name: 'a heartbeat moves the end of the lease, from the store’s now on',
    async run(bench) {
      const record = await bench.claim(bench.key(), { leaseMs: 1000 })
      const answer = await bench.apply(record.key, heartbeat(bench, record, 50_000))
      assert.equal(answer.record?.leaseUntil, answer.now + 50_000)
      assert.equal((await bench.record(record.key)).leaseUntil, answer.now + 50_000)
    },
  },
  {
    name: 'a heartbeat changes nothing else',
    async run(bench) {
      const record = await bench.reach('executing')
      const after = (await bench.apply(record.key, heartbeat(bench, record, 50_000))).record
      const { leaseUntil: _l, revision: _r, writeId: _w, updatedAt: _u, ...rest } = record
      assertSame(
        { ...after, leaseUntil: undefined, revision: undefined, writeId: undefined, updatedAt: undefined },
        rest,
      )
    },
  },
  {
    name: 'a heartbeat on a revision that is gone is refused',
    async run(bench) {
      const record = await bench.reach('executing')
      const beat = await bench.plan(record.key, heartbeat(bench, record, 50_000))
      await bench.apply(record.key, { type: 'doubt', who: WHO, fence: record.fence, reason: 'lease-over' })
      const answer = await bench.store.write(beat)
      assert.equal(answer.applied, false)
      assert.equal(answer.record?.state, 'in-doubt')
      assert.equal((await bench.record(record.key)).leaseUntil, 0)
    },
  },
  {
    name: 'a lease of 0 is none, an undefined one is the one that was',
    async run(bench) {
      const record = await bench.claim(bench.key(), { leaseMs: 40_000 })
      const keep = bench.touch(record)
      const kept = await bench.store.write(keep)
      assert.equal(kept.record?.leaseUntil, record.leaseUntil)
      assert.equal((await bench.record(record.key)).leaseUntil, record.leaseUntil)
      assert.ok(kept.record !== undefined)
      const drop = bench.touch(kept.record)
      const dropped = await bench.store.write({ ...drop, draft: drop.draft && { ...drop.draft, leaseMs: 0 } })
      assert.equal(dropped.record?.leaseUntil, 0)
      assert.equal((await bench.record(record.key)).leaseUntil, 0)
    },
  },
]

const claimOf = (bench: Bench): Parameters<Bench['plan']>[1] => ({
  type: 'claim',
  who: WHO,
  nonce: bench.name(),
  leaseMs: 1000,
  descriptor: bench.descriptor(),
  input: '{}',
  mark: false,
})

/** Lost acknowledgements, fences, heartbeats. */
export const attempts: readonly Case[] = [
  ...group('lost acknowledgements', lostAcknowledgements),
  ...group('fences', fences),
  ...group('leases', heartbeats),
]
