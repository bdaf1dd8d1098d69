import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import type { BlobOwner, OperationRecord } from '../../engine/index.ts'
import { WHO, type Bench } from './bench.ts'
import { group, type Case } from './case.ts'

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const ownerIn = ({ tenant }: Bench, key: string): BlobOwner => ({ key, tenant })

async function kept(bench: Bench, owner: BlobOwner, bytes: Uint8Array): Promise<boolean> {
  const back = await bench.store.getBlob(owner, sha256(bytes))
  assert.ok(back === undefined || Buffer.from(back).equals(bytes), 'other bytes came back')
  return back !== undefined
}

const put = (bench: Bench, owner: BlobOwner, bytes: Uint8Array): Promise<void> =>
  bench.store.putBlob(owner, sha256(bytes), bytes)

/** An operation that has done something, with its result beside the record. */
async function committed(bench: Bench, bytes: Uint8Array, key = bench.key()): Promise<OperationRecord> {
  const record = await bench.reach('executing', key)
  await put(bench, ownerIn(bench, key), bytes)
  const outcome = { kind: 'value', sha256: sha256(bytes), size: bytes.byteLength, blob: true } as const
  await bench.apply(key, { type: 'commit', fence: record.fence, nonce: record.nonce, who: WHO, outcome })
  return await bench.record(key)
}

const expire = (bench: Bench, key: string) => bench.apply(key, { type: 'expire', who: WHO })

async function holds(bench: Bench, bytes: Uint8Array): Promise<boolean> {
  const all = (await bench.under.contents?.()) ?? ''
  const texts = (['utf8', 'hex', 'base64'] as const).map((encoding) => Buffer.from(bytes).toString(encoding))
  return texts.some((text) => all.includes(text))
}

const cases: readonly Omit<Case, 'group'>[] = [
  {
    name: 'a blob that was kept before its operation was recorded is there afterwards',
    async run(bench) {
      const bytes = randomBytes(1000)
      const owner = ownerIn(bench, bench.key())
      await put(bench, owner, bytes)
      await bench.reach('in-doubt', owner.key)
      assert.equal(await kept(bench, owner, bytes), true)
    },
  },
  {
    name: 'a blob stays until its operation is a tombstone, and goes with it',
    async run(bench) {
      const bytes = randomBytes(100_000)
      const { key } = await committed(bench, bytes)
      const owner = ownerIn(bench, key)
      await bench.apply(key, { type: 'deliver', who: WHO })
      await bench.store.write(bench.touch(await bench.record(key)))
      assert.equal(await kept(bench, owner, bytes), true)
      await expire(bench, key)
      assert.equal((await bench.record(key)).state, 'expired')
      assert.equal(await kept(bench, owner, bytes), false)
    },
  },
  {
    name: 'a blob goes with a record that is deleted, every one of it',
    async run(bench) {
      const all = [randomBytes(10), randomBytes(5_000), randomBytes(800_000)]
      const owner = ownerIn(bench, bench.key())
      for (const bytes of all) await put(bench, owner, bytes)
      await bench.reach('released', owner.key)
      await expire(bench, owner.key)
      assert.equal((await bench.read(owner.key)).record, undefined)
      for (const bytes of all) assert.equal(await kept(bench, owner, bytes), false)
    },
  },
  {
    name: 'a step that meets another revision erases nothing',
    async run(bench) {
      const bytes = randomBytes(1000)
      const { key } = await committed(bench, bytes)
      const late = await bench.plan(key, { type: 'expire', who: WHO })
      await bench.apply(key, { type: 'deliver', who: WHO })
      assert.equal((await bench.store.write(late)).applied, false)
      assert.equal((await bench.store.write({ ...late, draft: undefined })).applied, false)
      assert.equal(await kept(bench, ownerIn(bench, key), bytes), true)
    },
  },
  {
    name: 'beside a tombstone nothing is kept',
    async run(bench) {
      const bytes = randomBytes(1000)
      const { key } = await bench.reach('expired')
      await put(bench, ownerIn(bench, key), bytes)
      assert.equal(await kept(bench, ownerIn(bench, key), bytes), false)
    },
  },
  {
    name: 'a blob that meets the tombstone of its operation is not left behind',
    async run(bench) {
      for (let n = 0; n < 10; n += 1) {
        const first = randomBytes(1000)
        const second = randomBytes(1000)
        const { key } = await committed(bench, first)
        const owner = ownerIn(bench, key)
        await Promise.all([put(bench, owner, second), expire(bench, key)])
        assert.deepEqual([await kept(bench, owner, first), await kept(bench, owner, second)], [false, false])
      }
    },
  },
  {
    name: 'an equal blob of another operation stays',
    async run(bench) {
      const bytes = randomBytes(1000)
      const one = await committed(bench, bytes)
      const other = await committed(bench, bytes)
      const elsewhere = bench.on(bench.store, `${bench.tenant} other`)
      await committed(elsewhere, bytes, one.key)
      await expire(bench, one.key)
      assert.equal(await kept(bench, ownerIn(bench, one.key), bytes), false)
      assert.equal(await kept(bench, ownerIn(bench, other.key), bytes), true)
      assert.equal(await kept(bench, ownerIn(elsewhere, one.key), bytes), true)
    },
  },
  {
    name: 'a blob is seen by its own operation and tenant only [I11]',
    async run(bench) {
      const bytes = randomBytes(1000)
      const { key } = await committed(bench, bytes)
      const elsewhere = bench.on(bench.store, `${bench.tenant} other`)
      await elsewhere.reach('committed', key)
      assert.equal(await kept(bench, ownerIn(elsewhere, key), bytes), false)
      assert.equal(await kept(bench, ownerIn(bench, bench.key()), bytes), false)
      assert.equal(await kept(bench, ownerIn(bench, key), bytes), true)
    },
  },
  {
    name: 'of an operation that is erased the backend itself holds nothing more',
    needs: ['contents'],
    async run(bench) {
      const result = Buffer.from(randomBytes(50_000).toString('hex'))
      const body = Buffer.from(randomBytes(50_000).toString('hex'))
      const input = randomBytes(100).toString('hex')
      for (const [end, left] of [
        ['committed', 'expired'],
        ['released', undefined],
      ] as const) {
        const key = bench.key()
        const owner = ownerIn(bench, key)
        await put(bench, owner, body)
        const { fence, nonce } = await bench.claim(key, { input: JSON.stringify(input), mark: true })
        await put(bench, owner, result)
        const own = { fence, nonce, who: WHO }
        const outcome = { kind: 'value', sha256: sha256(result), size: result.byteLength, blob: true } as const
        await bench.apply(key, end === 'committed' ? { type: 'commit', ...own, outcome } : { type: 'unsent', ...own })
        const parts = [result, body, Buffer.from(input)]
        for (const part of parts) assert.equal(await holds(bench, part), true, 'the backend was not looked into')
        await expire(bench, key)
        assert.equal((await bench.read(key)).record?.state, left)
        for (const part of parts) assert.equal(await holds(bench, part), false, 'a part is still there')
      }
    },
  },
]

/** Bytes beside a record: whose they are, and until when. */
export const blobs: readonly Case[] = group('blobs', cases)
