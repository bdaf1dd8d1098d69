import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { Store } from '../../engine/index.ts'
import { WHO, assertSame, type Bench } from './bench.ts'
import { group, type Case } from './case.ts'

const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms)
  })

const soon = async (happened: () => boolean, what: string): Promise<void> => {
  for (let n = 0; !happened(); n += 1) {
    assert.ok(n < 400, what)
    await pause(5)
  }
}

const signals: readonly Omit<Case, 'group'>[] = [
  {
    name: 'a watcher hears of a change to its key',
    async run(bench) {
      const record = await bench.claim(bench.key())
      let heard = 0
      const unwatch = bench.store.watch(record.key, () => (heard += 1))
      await bench.store.write(bench.touch(record))
      await soon(() => heard > 0, 'the watcher heard nothing')
      unwatch()
    },
  },
  {
    name: 'a watcher hears what is already there to be read',
    async run(bench) {
      const record = await bench.claim(bench.key())
      const seen = new Promise<number | undefined>((resolve, reject) => {
        const unwatch = bench.store.watch(record.key, () => {
          bench.read(record.key).then((reading) => resolve(reading.record?.revision), reject)
          unwatch()
        })
      })
      const { record: written } = await bench.store.write(bench.touch(record))
      assert.ok(written !== undefined)
      assert.equal(await seen, written.revision)
    },
  },
  {
    name: 'a watcher that ended hears no more, the others do',
    async run(bench) {
      const record = await bench.claim(bench.key())
      let ended = 0
      let going = 0
      const unwatch = bench.store.watch(record.key, () => (ended += 1))
      const unwatchOther = bench.store.watch(record.key, () => (going += 1))
      unwatch()
      unwatch()
      await bench.store.write(bench.touch(record))
      await soon(() => going > 0, 'the other watcher heard nothing')
      assert.equal(ended, 0)
      unwatchOther()
    },
  },
  {
    name: 'a watcher hears of another process’s change',
    needs: ['another'],
    async run(bench) {
      const other = (await bench.under.another?.()) as Store
      let record = await bench.claim(bench.key())
      let heard = 0
      const unwatch = bench.store.watch(record.key, () => (heard += 1))
      try {
        // A store may need a moment until its server knows that somebody watches; what comes before is not told.
        for (let n = 0; heard === 0; n += 1) {
          assert.ok(n < 40, 'the watcher heard nothing')
          const answer = await other.write(bench.on(other).touch(record))
          assert.ok(answer.applied && answer.record !== undefined)
          record = answer.record
          for (let wait = 0; heard === 0 && wait < 20; wait += 1) await pause(10)
        }
      } finally {
        unwatch()
        await other.close()
      }
    },
  },
]

const MARK = { at: 5, lossFrom: 3, why: "a 'test' \u0000 mark" }

const epochs: readonly Omit<Case, 'group'>[] = [
  {
    name: 'the epoch keeps its name, and its sequence is the last that was answered',
    alone: true,
    async run(bench) {
      const before = await bench.store.epoch()
      assert.equal(before.amnesia, undefined)
      const { sequence } = await bench.apply(bench.key(), claim(bench))
      const after = await bench.store.epoch()
      assert.equal(after.id, before.id)
      assert.equal(after.sequence, sequence)
    },
  },
  {
    name: 'an amnesia mark stands for everyone until it is lifted',
    alone: true,
    async run(bench) {
      await bench.store.markAmnesia(MARK)
      assertSame((await bench.store.epoch()).amnesia, MARK)
      await bench.store.markAmnesia(undefined)
      assert.equal((await bench.store.epoch()).amnesia, undefined)
    },
  },
  {
    name: 'a write says which amnesia mark stood inside its step',
    alone: true,
    async run(bench) {
      assert.equal((await bench.apply(bench.key(), claim(bench))).amnesiaAt ?? 0, 0)
      await bench.store.markAmnesia(MARK)
      const write = await bench.plan(bench.key(), claim(bench))
      assert.equal((await bench.store.write(write)).amnesiaAt, MARK.at)
      assert.equal((await bench.store.write(write)).amnesiaAt, MARK.at, 'also a conflict says so')
      await bench.store.markAmnesia(undefined)
      assert.equal((await bench.apply(bench.key(), claim(bench))).amnesiaAt ?? 0, 0)
    },
  },
  {
    name: 'an amnesia mark is seen by other processes and outlives a restart',
    alone: true,
    needs: ['another'],
    async run(bench) {
      await bench.store.markAmnesia(MARK)
      const other = (await bench.under.another?.()) as Store
      assertSame((await other.epoch()).amnesia, MARK)
      await other.close()
      const reopened = await bench.reopened()
      assertSame((await reopened.epoch()).amnesia, MARK)
    },
  },
]

/** A ledger with something of everything, and a look at it. */
async function filled(bench: Bench): Promise<(store: Store) => Promise<void>> {
  const records = [await bench.reach('committed'), await bench.reach('in-doubt'), await bench.reach('executing')]
  const bytes = Buffer.from('a large result')
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const owner = { key: records[0]?.key ?? '', tenant: bench.tenant }
  await bench.store.putBlob(owner, sha256, bytes)
  const histories = await Promise.all(records.map((record) => bench.store.history(record.key, bench.tenant)))
  const { id, sequence } = await bench.store.epoch()
  return async (store) => {
    const on = bench.on(store)
    for (const [n, record] of records.entries()) {
      assertSame(await on.record(record.key), record)
      assertSame(await store.history(record.key, bench.tenant), histories[n])
    }
    assert.equal(Buffer.from((await store.getBlob(owner, sha256)) ?? []).toString(), bytes.toString())
    const epoch = await store.epoch()
    assert.equal(epoch.id, id)
    assert.ok(epoch.sequence >= sequence, 'the sequence fell')
    assert.equal(epoch.amnesia, undefined)
    const next = await on.claim(bench.key())
    assert.ok(next.fence > sequence, 'a fence was given out again')
    assert.equal((await store.write(on.touch(records[0] as never))).applied, true)
  }
}

const life: readonly Omit<Case, 'group'>[] = [
  {
    name: 'everything is there after a restart',
    alone: true,
    needs: ['another'],
    async run(bench) {
      const look = await filled(bench)
      await look(await bench.reopened())
    },
  },
  {
    name: 'everything that was acknowledged is there after a crash',
    alone: true,
    needs: ['crash'],
    async run(bench) {
      const look = await filled(bench)
      await look((await bench.under.crash?.()) as Store)
    },
  },
  {
    name: 'writes that a crash cut off are there whole or not at all',
    alone: true,
    needs: ['crash'],
    async run(bench) {
      const writes = await Promise.all(Array.from({ length: 50 }, () => bench.plan(bench.key(), claim(bench))))
      const told = writes.map((write) =>
        bench.store.write(write).then(
          () => 'applied',
          () => 'unknown',
        ),
      )
      const store = (await bench.under.crash?.()) as Store
      const answers = await Promise.all(told)
      const on = bench.on(store)
      for (const [n, write] of writes.entries()) {
        const { record } = await on.read(write.key)
        const history = await store.history(write.key, bench.tenant)
        if (answers[n] === 'applied') assert.ok(record !== undefined, 'an acknowledged write is gone')
        assert.equal(history.length, record === undefined ? 0 : 1)
        assert.equal(record?.writeId, record === undefined ? undefined : write.draft?.writeId)
      }
    },
  },
  {
    name: 'opening twice is opening once',
    alone: true,
    async run(bench) {
      await Promise.all([bench.store.open(), bench.store.open()])
      await bench.claim(bench.key())
    },
  },
  {
    name: 'a closed store refuses with STORE_UNAVAILABLE, and closing twice is harmless',
    alone: true,
    async run(bench) {
      const write = await bench.plan(bench.key(), claim(bench))
      await bench.store.close()
      await bench.store.close()
      const calls: (() => unknown)[] = [
        () => bench.store.read(write.key, bench.tenant),
        () => bench.store.write(write),
        () => bench.store.epoch(),
        () => bench.store.list({ tenant: bench.tenant }),
        () => bench.store.putBlob({ key: write.key, tenant: bench.tenant }, 'a', new Uint8Array(1)),
      ]
      for (const call of calls) {
        await assert.rejects(async () => await call(), { code: 'STORE_UNAVAILABLE', effect: 'none' })
      }
    },
  },
  {
    name: 'a store can be opened again after it was closed',
    alone: true,
    async run(bench) {
      await bench.store.close()
      await bench.store.open()
      await bench.claim(bench.key())
    },
  },
  {
    name: 'closing waits for what is under way',
    alone: true,
    async run(bench) {
      const writes = await Promise.all(Array.from({ length: 30 }, () => bench.plan(bench.key(), claim(bench))))
      const settled = Promise.all(writes.map((write) => bench.store.write(write)))
      await Promise.resolve()
      await new Promise((resolve) => {
        setTimeout(resolve, 0)
      })
      await bench.store.close()
      assert.equal((await settled).filter(({ applied }) => applied).length, 30)
    },
  },
  {
    name: 'a store that cannot write says STORE_UNAVAILABLE in time, writes nothing, and recovers',
    alone: true,
    needs: ['obstruct'],
    async run(bench) {
      const kept = await bench.claim(bench.key())
      const write = await bench.plan(bench.key(), claim(bench))
      const clear = await bench.under.obstruct?.()
      try {
        const started = performance.now()
        await assert.rejects(bench.store.write(write), { code: 'STORE_UNAVAILABLE', effect: 'none', retryable: true })
        assert.ok(performance.now() - started < 2000, 'the caller waited for more than the store’s deadline')
        assertSame(await bench.record(kept.key), kept, 'what is there can still be read')
      } finally {
        // The store may be shared by the cases that follow.
        await clear?.()
      }
      assert.equal((await bench.read(write.key)).record, undefined)
      assert.equal((await bench.store.write(write)).applied, true)
    },
  },
  {
    name: 'a health check finds a fresh store safe',
    alone: true,
    async run(bench) {
      const findings = await bench.store.doctor()
      assert.ok(findings.length > 0)
      for (const finding of findings) {
        assert.notEqual(finding.unsafe, true, `${finding.check}: ${finding.found}`)
        assert.ok(finding.ok || (finding.fix ?? '') !== '', `${finding.check} says nothing about what to do`)
      }
    },
  },
  {
    name: 'the guarantees are told',
    async run(bench) {
      const { durability, transactions, shared } = bench.store.guarantees
      assert.ok(['power-loss', 'process', 'none'].includes(durability))
      assert.equal(typeof transactions, 'boolean')
      assert.equal(typeof shared, 'boolean')
      assert.ok(bench.store.name.length > 0)
      if (bench.under.another !== undefined) assert.equal(shared, true)
      if (bench.under.crash !== undefined) assert.notEqual(durability, 'none')
    },
  },
]

const claim = (bench: Bench): Parameters<Bench['plan']>[1] => ({
  type: 'claim',
  who: WHO,
  nonce: bench.name(),
  leaseMs: 1000,
  descriptor: bench.descriptor(),
  input: '{}',
  mark: false,
})

/** Watching, epochs and amnesia, opening, closing, crashing. */
export const lifeCases: readonly Case[] = [
  ...group('watching', signals),
  ...group('epoch', epochs),
  ...group('life', life),
]
