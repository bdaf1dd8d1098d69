import assert from 'node:assert/strict'
import { WHO, listed, type Bench } from './bench.ts'
import { group, type Case } from './case.ts'

const DAY_MS = 86_400_000

/** Times that reads and writes show, in the order in which they were asked for. */
async function times(bench: Bench, count: number): Promise<number[]> {
  const record = await bench.claim(bench.key())
  const seen: number[] = []
  for (let n = 0; n < count; n += 1) {
    seen.push((await bench.read(record.key)).now)
    seen.push((await bench.store.write(bench.touch(await bench.record(record.key)))).now)
    seen.push((await bench.store.due(1)).now)
    seen.push((await listed(bench, { tenant: bench.tenant, limit: 1 })).now)
  }
  return seen
}

function assertOrder(seen: readonly number[]): void {
  for (const [n, time] of seen.entries())
    assert.ok(n === 0 || time >= (seen[n - 1] as number), `${seen[n - 1]} then ${time}`)
}

const step = (bench: Bench, ms: number): void => {
  assert.ok(bench.under.stepClock !== undefined)
  bench.under.stepClock(ms)
}

/** The store's clock: what leases are measured on. */
export const clock: readonly Case[] = group('store clock', [
  {
    name: 'is whole milliseconds, and is the same for reads, writes and listings',
    async run(bench) {
      const seen = await times(bench, 5)
      for (const time of seen) assert.ok(Number.isInteger(time) && time >= 0)
      assertOrder(seen)
      assert.ok((seen.at(-1) as number) - (seen[0] as number) < 60_000)
    },
  },
  {
    name: 'stamps what a draft calls now with the time that the answer names',
    async run(bench) {
      const { record, now } = await bench.apply(bench.key(), {
        type: 'claim',
        who: WHO,
        nonce: bench.name(),
        leaseMs: 1234,
        descriptor: bench.descriptor(),
        input: '{}',
        mark: true,
      })
      assert.ok(record !== undefined)
      assert.deepEqual(
        [record.createdAt, record.updatedAt, record.firstSendAt, record.leaseUntil, record.doubtAt],
        [now, now, now, now + 1234, 0],
      )
    },
  },
  {
    name: 'stamps the beginning of a doubt',
    async run(bench) {
      const record = await bench.reach('executing')
      const answer = await bench.apply(record.key, { type: 'doubt', who: WHO, fence: record.fence, reason: 'reset' })
      assert.equal(answer.record?.doubtAt, answer.now)
      assert.equal(answer.record?.firstSendAt, record.firstSendAt)
      assert.equal(answer.record?.createdAt, record.createdAt)
    },
  },
  {
    name: 'leaves earlier moments alone, and moves the last change',
    async run(bench) {
      const record = await bench.reach('in-doubt')
      const answer = await bench.store.write(bench.touch(record))
      const { createdAt, firstSendAt, doubtAt } = record
      assert.deepEqual(
        [answer.record?.createdAt, answer.record?.firstSendAt, answer.record?.doubtAt, answer.record?.updatedAt],
        [createdAt, firstSendAt, doubtAt, answer.now],
      )
    },
  },
  {
    name: 'stamps events with the time of their step, in order',
    async run(bench) {
      const record = await bench.reach('compensated')
      const history = await bench.store.history(record.key, bench.tenant)
      assertOrder(history.map((event) => event.at))
      assert.equal(history.at(-1)?.at, record.updatedAt)
    },
  },
  {
    name: 'does not go back when the wall clock does, and goes on',
    needs: ['stepClock'],
    alone: true,
    async run(bench) {
      const before = await times(bench, 2)
      step(bench, -DAY_MS)
      const after = await times(bench, 2)
      assertOrder([...before, ...after])
      step(bench, 5000)
      const later = await times(bench, 1)
      assert.ok((later[0] as number) - (after.at(-1) as number) >= 5000, 'time stands still after a step back')
    },
  },
  {
    name: 'follows the wall clock forward, and does not come back with it',
    needs: ['stepClock'],
    alone: true,
    async run(bench) {
      const before = await times(bench, 1)
      step(bench, DAY_MS)
      const ahead = await times(bench, 1)
      assert.ok((ahead[0] as number) >= (before.at(-1) as number) + DAY_MS)
      step(bench, -DAY_MS)
      assertOrder([...ahead, ...(await times(bench, 1))])
    },
  },
  {
    name: 'does not go back over a restart',
    needs: ['stepClock', 'another'],
    alone: true,
    async run(bench) {
      step(bench, DAY_MS)
      const before = await times(bench, 1)
      step(bench, -DAY_MS)
      const reopened = await bench.reopened()
      assertOrder([...before, ...(await times(bench.on(reopened), 1))])
    },
  },
  {
    name: 'is one for two processes',
    needs: ['another'],
    async run(bench) {
      const other = await bench.under.another?.()
      assert.ok(other !== undefined)
      try {
        const seen: number[] = []
        for (let n = 0; n < 5; n += 1) {
          const on = n % 2 === 0 ? bench : bench.on(other)
          const record = await on.claim(on.key())
          seen.push(record.updatedAt)
        }
        assertOrder(seen)
      } finally {
        await other.close()
      }
    },
  },
])
