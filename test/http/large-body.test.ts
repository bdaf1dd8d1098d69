import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BlobOwner, Store } from '../../src/engine/index.ts'
import { memoryStore } from '../../src/store/memory/index.ts'
import { startDownstream, type Downstream } from '../support/downstream.ts'
import { ask, eventually, KEYED, startFront, write, type Front } from './fixtures/harness.ts'

interface Put {
  readonly owner: BlobOwner
  readonly sha256: string
}

let skewMs = 0
let losesNext = false
const puts: Put[] = []
const inner = memoryStore({ clock: () => Date.now() + skewMs })
/** As a store in which retention erased an earlier operation of the key just after the body was kept. */
const store: Store = {
  ...inner,
  putBlob: async (owner, sha256, bytes) => {
    puts.push({ owner, sha256 })
    if (!losesNext) await inner.putBlob(owner, sha256, bytes)
    losesNext = false
  },
}

let orders: Downstream
let front: Front
beforeAll(async () => {
  orders = await startDownstream()
  front = await startFront({
    upstream: orders.url,
    store,
    routes: [write('POST /effects/:ref', { recovery: KEYED, retention: '24h' })],
  })
})
afterAll(async () => {
  await front.close()
  await orders.close()
})

const BODY = { note: 'x'.repeat(100_000) }

const order = (ref: string) => ask(`${front.url}/effects/${ref}`, { headers: { 'idempotency-key': ref }, body: BODY })
const isKept = async ({ owner, sha256 }: Put): Promise<boolean> => (await inner.getBlob(owner, sha256)) !== undefined

describe('a body too large for its record', () => {
  it('belongs to its operation, is sent again after a lost answer, and is erased with the record', async () => {
    await orders.plan('large-body', 'lose-answer')
    await order('large-body')
    const [put] = puts.splice(0) as [Put]
    const { record } = await eventually(async () => {
      const shown = await front.guard.ledger.show(put.owner.key)
      return shown.record.state === 'committed' ? shown : undefined
    })
    expect(record.tenant).toBe(put.owner.tenant)
    // As the service answers what it is sent again under the same key.
    expect((await order('large-body')).status).toBe(200)
    expect(await orders.effects('large-body')).toBe(1)
    expect(await isKept(put)).toBe(true)
    skewMs += 25 * 3_600_000
    expect(await front.guard.ledger.purge()).toMatchObject({ expired: 1 })
    expect(await isKept(put)).toBe(false)
    puts.length = 0
    expect((await order('large-body')).json()).toMatchObject({ code: 'RESULT_EXPIRED' })
    // A repeat of what is only remembered leaves nothing either.
    expect(await isKept(put)).toBe(false)
    expect(await orders.effects('large-body')).toBe(1)
  })

  it('that was erased before the marker is kept again before the first byte', async () => {
    puts.length = 0
    losesNext = true
    expect((await order('erased-body')).status).toBe(201)
    expect(puts.length).toBe(2)
    expect(puts[0]).toEqual(puts[1])
    expect(await isKept(puts[1] as Put)).toBe(true)
    expect(await orders.effects('erased-body')).toBe(1)
  })
})
