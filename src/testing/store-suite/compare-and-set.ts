import assert from 'node:assert/strict'
import { STATES, stamp, type OperationRecord } from '../../engine/index.ts'
import { assertSame, type Bench } from './bench.ts'
import { group, type Case } from './case.ts'

/** After a refused write: told so, shown what is there, and nothing moved. */
async function assertRefused(
  bench: Bench,
  write: Parameters<Bench['store']['write']>[0],
  before: OperationRecord | undefined,
): Promise<void> {
  const historyBefore = await bench.store.history(write.key, bench.tenant)
  const answer = await bench.store.write(write)
  assert.equal(answer.applied, false)
  assertSame(answer.record, before, 'the conflict shows what is there')
  assertSame((await bench.read(write.key)).record, before, 'the record is as it was')
  assertSame(await bench.store.history(write.key, bench.tenant), historyBefore, 'the history is as it was')
}

const perState: readonly Omit<Case, 'group'>[] = STATES.flatMap((state) => [
  {
    name: `${state}: the expected revision lets one write in, stamped as the engine stamps it`,
    async run(bench) {
      const before = await bench.reach(state)
      const write = bench.touch(before)
      const answer = await bench.store.write(write)
      assert.equal(answer.applied, true)
      assert.ok(write.draft !== undefined)
      assertSame(answer.record, stamp(write.draft, before, answer.now, answer.sequence))
      assert.ok((answer.record?.revision ?? 0) > before.revision, 'the revision grows')
      assertSame(await bench.record(before.key), answer.record, 'what was answered is what is read')
    },
  },
  {
    name: `${state}: a revision too low or too high is refused`,
    async run(bench) {
      const before = await bench.reach(state)
      for (const off of [-1, 1, 1000]) {
        await assertRefused(bench, { ...bench.touch(before), expect: before.revision + off }, before)
      }
    },
  },
  {
    name: `${state}: what expects no record is refused`,
    async run(bench) {
      const before = await bench.reach(state)
      await assertRefused(bench, { ...bench.touch(before), expect: 0 }, before)
    },
  },
  {
    name: `${state}: the second of two writes on one revision is refused, and shows the first`,
    async run(bench) {
      const before = await bench.reach(state)
      const first = await bench.store.write(bench.touch(before))
      await assertRefused(bench, bench.touch(before), first.record)
    },
  },
  {
    name: `${state}: a deletion on another revision is refused`,
    async run(bench) {
      const before = await bench.reach(state)
      await assertRefused(bench, { ...bench.touch(before), expect: before.revision + 1, draft: undefined }, before)
      await assertRefused(bench, { ...bench.touch(before), expect: 0, draft: undefined }, before)
    },
  },
])

const absent: readonly Omit<Case, 'group'>[] = [
  {
    name: 'absent: an insert is applied, and read back field for field',
    async run(bench) {
      const key = bench.key()
      const write = await bench.plan(key, claim(bench))
      const answer = await bench.store.write(write)
      assert.equal(answer.applied, true)
      assert.ok(write.draft !== undefined)
      assertSame(answer.record, stamp(write.draft, undefined, answer.now, answer.sequence))
      assertSame(await bench.record(key), answer.record)
    },
  },
  {
    name: 'absent: reads as absent',
    async run(bench) {
      assert.equal((await bench.read(bench.key())).record, undefined)
      assert.deepEqual([...(await bench.store.history(bench.key(), bench.tenant))], [])
    },
  },
  {
    name: 'absent: what expects a revision is refused, and shows that nothing is there',
    async run(bench) {
      const write = await bench.plan(bench.key(), claim(bench))
      await assertRefused(bench, { ...write, expect: 1 }, undefined)
      await assertRefused(bench, { ...write, expect: 1, draft: undefined }, undefined)
    },
  },
  {
    name: 'absent: deleting nothing is applied and leaves nothing',
    async run(bench) {
      const write = await bench.plan(bench.key(), claim(bench))
      assert.equal((await bench.store.write({ ...write, draft: undefined })).applied, true)
      assert.equal((await bench.read(write.key)).record, undefined)
    },
  },
  {
    name: 'a deletion leaves no record and no history',
    async run(bench) {
      const record = await bench.reach('released')
      const answer = await bench.apply(record.key, { type: 'expire', who: 'sweeper' })
      assert.equal(answer.record, undefined)
      assert.equal((await bench.read(record.key)).record, undefined)
      assert.deepEqual([...(await bench.store.history(record.key, bench.tenant))], [])
    },
  },
  {
    name: 'a revision of before a deletion is refused by the record that came after it',
    async run(bench) {
      const before = await bench.reach('released')
      await bench.apply(before.key, { type: 'expire', who: 'sweeper' })
      const after = await bench.reach('released', before.key)
      assert.notEqual(after.revision, before.revision)
      await assertRefused(bench, bench.touch(before), after)
    },
  },
  {
    name: 'writes on different keys do not meet',
    async run(bench) {
      const keys = Array.from({ length: 20 }, () => bench.key())
      const records = await Promise.all(keys.map((key) => bench.claim(key)))
      assert.deepEqual(
        records.map((record) => record.key),
        keys,
      )
      for (const record of records) assertSame(await bench.record(record.key), record)
    },
  },
  {
    name: 'a record that was handed out does not change afterwards',
    async run(bench) {
      const first = await bench.reach('executing')
      const copy = structuredClone(first)
      await bench.apply(first.key, { type: 'doubt', who: 'x', fence: first.fence, reason: 'reset', evidence: 'gone' })
      assertSame(first, copy)
    },
  },
]

const claim = (bench: Bench): Parameters<Bench['plan']>[1] => ({
  type: 'claim',
  who: 'host/boot/1/1',
  nonce: bench.name(),
  leaseMs: 1000,
  descriptor: bench.descriptor(),
  input: '{}',
  mark: true,
})

/** The laws of one atomic step. */
export const compareAndSet: readonly Case[] = group('compare-and-set', [...absent, ...perState])
