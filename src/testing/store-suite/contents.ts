import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import type { BlobOwner } from '../../engine/index.ts'
import { WHO, assertSame, fold, listed, counted, type Bench } from './bench.ts'
import { group, type Case } from './case.ts'

const KIBIBYTE = 1024
const MEBIBYTE = 1024 * KIBIBYTE

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

const ownerIn = ({ tenant }: Bench, key: string): BlobOwner => ({ key, tenant })

async function putAndGet(bench: Bench, bytes: Uint8Array, owner = ownerIn(bench, bench.key())): Promise<void> {
  const name = sha256(bytes)
  await bench.store.putBlob(owner, name, bytes)
  const back = await bench.store.getBlob(owner, name)
  assert.ok(back !== undefined)
  assert.equal(back.byteLength, bytes.byteLength)
  assert.equal(sha256(back), name)
}

const sizes: readonly Omit<Case, 'group'>[] = [
  {
    name: 'an outcome of 64 KiB',
    async run(bench) {
      const record = await bench.reach('executing')
      const content = randomBytes(32 * KIBIBYTE).toString('hex')
      const outcome = { kind: 'value', text: content, sha256: 'x', size: content.length } as const
      await bench.apply(record.key, { type: 'commit', fence: record.fence, nonce: record.nonce, who: WHO, outcome })
      assert.equal((await bench.record(record.key)).outcome?.text, content)
    },
  },
  {
    name: 'an input of 1 MiB, through every later write',
    async run(bench) {
      const input = randomBytes(MEBIBYTE / 2).toString('hex')
      const key = bench.key()
      const record = await bench.claim(key, { input, mark: true })
      assert.equal((await bench.record(key)).input, input)
      await bench.apply(key, { type: 'doubt', who: WHO, fence: record.fence, reason: 'timeout' })
      assert.equal((await bench.record(key)).input, input)
    },
  },
  {
    name: 'an input of 1 MiB that is not ASCII',
    async run(bench) {
      const input = '€'.repeat(MEBIBYTE / 3)
      const record = await bench.claim(bench.key(), { input })
      assert.equal((await bench.record(record.key)).input, input)
    },
  },
  {
    name: 'evidence of 32 facts',
    async run(bench) {
      const { key } = await bench.reach('in-doubt')
      for (let n = 0; n < 40; n += 1) await bench.apply(key, { type: 'note-evidence', who: `w${n}`, what: `fact ${n}` })
      const record = await bench.record(key)
      assert.equal(record.evidence.length, 32)
      assert.equal(record.evidence.at(-1)?.what, 'fact 39')
      assert.equal((await bench.store.history(key, bench.tenant)).length, 42)
    },
  },
  {
    name: '200 children',
    async run(bench) {
      let record = await bench.reach('executing')
      const children = Array.from({ length: 200 }, () => bench.key())
      for (const [ordinal, child] of children.entries()) {
        const answer = await bench.apply(record.key, {
          type: 'adopt',
          fence: record.fence,
          nonce: record.nonce,
          who: WHO,
          ordinal,
          child,
        })
        assert.ok(answer.record !== undefined)
        record = answer.record
      }
      assert.deepEqual((await bench.record(record.key)).children, children)
    },
  },
  {
    name: 'whole numbers up to 2^53 - 1, and fractions where they may be',
    async run(bench) {
      const descriptor = bench.descriptor({
        amount: 0.1,
        retentionMs: Number.MAX_SAFE_INTEGER,
        occurrence: 2 ** 31,
        quarantineMs: 600_000,
      })
      const record = await bench.claim(bench.key(), { descriptor })
      const write = bench.touch(record)
      const answer = await bench.store.write({
        ...write,
        draft: write.draft && { ...write.draft, fence: Number.MAX_SAFE_INTEGER },
      })
      assertSame(await bench.record(record.key), answer.record)
      assert.equal(answer.record?.amount, 0.1)
      assert.equal(answer.record?.quarantineMs, 600_000)
      assert.equal(answer.record?.fence, Number.MAX_SAFE_INTEGER)
    },
  },
  ...[0, 1, 100, 64 * KIBIBYTE, 5 * MEBIBYTE].map((size) => ({
    name: `a blob of ${size} bytes`,
    run: (bench: Bench) => putAndGet(bench, randomBytes(size)),
  })),
  {
    name: 'a blob put twice, also at once',
    async run(bench) {
      const bytes = randomBytes(1000)
      const owner = ownerIn(bench, bench.key())
      await Promise.all([putAndGet(bench, bytes, owner), putAndGet(bench, bytes, owner)])
      await putAndGet(bench, bytes, owner)
    },
  },
  {
    name: 'a blob is a copy: what the caller does with the bytes later changes nothing',
    async run(bench) {
      const bytes = randomBytes(1000)
      const name = sha256(bytes)
      const owner = ownerIn(bench, bench.key())
      await bench.store.putBlob(owner, name, bytes)
      bytes.fill(0)
      const back = await bench.store.getBlob(owner, name)
      assert.ok(back !== undefined)
      assert.equal(sha256(back), name)
    },
  },
  {
    name: 'a blob that nobody put is undefined',
    async run(bench) {
      assert.equal(await bench.store.getBlob(ownerIn(bench, bench.key()), sha256(randomBytes(10))), undefined)
    },
  },
]

const tenants: readonly Omit<Case, 'group'>[] = [
  {
    name: 'one key under two tenants is two records',
    async run(bench) {
      const other = bench.on(bench.store, `${bench.tenant} other`)
      const mine = await bench.reach('committed')
      assert.equal((await other.read(mine.key)).record, undefined)
      const theirs = await other.reach('executing', mine.key)
      assertSame(await bench.record(mine.key), mine)
      assertSame(await other.record(mine.key), theirs)
    },
  },
  {
    name: 'a conflict never shows another tenant’s record',
    async run(bench) {
      const other = bench.on(bench.store, `${bench.tenant} other`)
      const mine = await bench.reach('committed')
      const write = bench.touch(mine)
      const answer = await bench.store.write({
        ...write,
        tenant: other.tenant,
        draft: write.draft && { ...write.draft, tenant: other.tenant },
      })
      assert.equal(answer.applied, false)
      assert.equal(answer.record, undefined)
      assertSame(await bench.record(mine.key), mine)
    },
  },
  {
    name: 'a deletion reaches only its tenant’s record',
    async run(bench) {
      const other = bench.on(bench.store, `${bench.tenant} other`)
      const mine = await bench.reach('released')
      await other.reach('released', mine.key)
      await other.apply(mine.key, { type: 'expire', who: WHO })
      assertSame(await bench.record(mine.key), mine)
      assert.equal((await bench.store.history(mine.key, bench.tenant)).length, 2)
    },
  },
  {
    name: 'history and notes are the tenant’s own',
    async run(bench) {
      const other = bench.on(bench.store, `${bench.tenant} other`)
      const mine = await bench.reach('committed')
      await bench.store.note(mine.key, other.tenant, noteOf('duplicate'))
      assert.equal((await bench.store.history(mine.key, bench.tenant)).length, 2)
      assert.deepEqual([...(await bench.store.history(mine.key, other.tenant))], [])
    },
  },
  {
    name: 'listings and counts are the tenant’s own',
    async run(bench) {
      const other = bench.on(bench.store, `${bench.tenant} other`)
      const mine = await bench.reach('in-doubt')
      await other.reach('committed')
      assert.deepEqual(
        (await listed(bench, { tenant: bench.tenant })).records.map((record) => record.key),
        [mine.key],
      )
      assert.deepEqual((await counted(bench, bench.tenant)).states, { 'in-doubt': 1 })
      assert.deepEqual((await counted(bench, `${bench.tenant} nobody`)).states, {})
      assert.deepEqual([...(await listed(bench, { tenant: `${bench.tenant} nobody` })).records], [])
    },
  },
]

const histories: readonly Omit<Case, 'group'>[] = [
  {
    name: 'the state is what the history leads to, through doubt, recovery and undo',
    async run(bench) {
      const key = bench.key()
      const attempt = async (): Promise<{ fence: number; nonce: string; who: string }> => {
        const { fence, nonce } = await bench.record(key)
        return { fence, nonce, who: WHO }
      }
      await bench.claim(key)
      await bench.apply(key, { type: 'mark', ...(await attempt()), leaseMs: 1000, input: '{}' })
      await bench.apply(key, { type: 'heartbeat', ...(await attempt()), leaseMs: 1000 })
      await bench.apply(key, { type: 'doubt', ...(await attempt()), reason: 'reset' })
      await bench.apply(key, { type: 'recover', who: WHO, nonce: bench.name(), leaseMs: 1000, backoffMs: 0 })
      await bench.apply(key, {
        type: 'found',
        ...(await attempt()),
        outcome: { kind: 'value', sha256: 's', size: 1, omitted: true },
      })
      await bench.apply(key, { type: 'compensate', who: WHO, nonce: bench.name(), leaseMs: 1000 })
      await bench.apply(key, { type: 'compensated', who: WHO })
      const history = await bench.store.history(key, bench.tenant)
      assert.equal(history.length, 8)
      assert.equal(fold(history), (await bench.record(key)).state)
    },
  },
  {
    name: 'a note is appended, and moves neither the record nor its revision',
    async run(bench) {
      const before = await bench.reach('committed')
      await bench.store.note(before.key, bench.tenant, noteOf('duplicate'))
      await bench.store.note(before.key, bench.tenant, noteOf('delivered'))
      assertSame(await bench.record(before.key), before)
      const history = await bench.store.history(before.key, bench.tenant)
      assert.deepEqual(
        history.slice(-2).map((event) => event.transition),
        ['duplicate', 'delivered'],
      )
      const { at, ...last } = history.at(-1) ?? { at: 0 }
      assert.ok(at >= before.updatedAt)
      assertSame(last, noteOf('delivered'))
      assert.equal((await bench.store.write(bench.touch(before))).applied, true)
    },
  },
  {
    name: 'a note on nothing leaves nothing',
    async run(bench) {
      const key = bench.key()
      await bench.store.note(key, bench.tenant, noteOf('duplicate'))
      assert.equal((await bench.read(key)).record, undefined)
      const record = await bench.claim(key)
      assert.equal((await bench.store.history(record.key, bench.tenant)).length, 1)
    },
  },
  {
    name: 'notes and writes at once all stay, in an order that folds',
    async run(bench) {
      const record = await bench.reach('committed')
      const notes = Array.from({ length: 20 }, () =>
        bench.store.note(record.key, bench.tenant, noteOf('duplicate', 'committed')),
      )
      await Promise.all([...notes, bench.store.write(bench.touch(record))])
      const history = await bench.store.history(record.key, bench.tenant)
      assert.equal(history.length, 23)
      assert.equal(fold(history), 'committed')
    },
  },
  {
    name: 'a history of 300 steps is whole and in order',
    async run(bench) {
      let record = await bench.reach('in-doubt')
      for (let n = 0; n < 298; n += 1) {
        const { record: next } = await bench.apply(record.key, {
          type: 'note-evidence',
          who: `person ${n}`,
          why: `why ${n}`,
          what: 'x',
        })
        assert.ok(next !== undefined)
        record = next
      }
      const history = await bench.store.history(record.key, bench.tenant)
      assert.equal(history.length, 300)
      assert.deepEqual(
        history.slice(2).map((event) => event.why),
        Array.from({ length: 298 }, (_, n) => `why ${n}`),
      )
    },
  },
]

const noteOf = (
  transition: string,
  state: 'committed' | 'absent' = 'absent',
): Parameters<Bench['store']['note']>[2] => ({
  transition,
  from: state,
  to: 'committed',
  fence: 3,
  nonce: 'n',
  who: WHO,
  why: 'told',
  openSends: 0,
})

/** Sizes and blobs, tenants, histories. */
export const contents: readonly Case[] = [
  ...group('sizes', sizes),
  ...group('tenants', tenants),
  ...group('history', histories),
]
