import { describe, expect, it } from 'vitest'
import { createDelivery, type Delivery } from './delivery.ts'

function setUp(): { delivery: Delivery; delivered: string[]; clock: { now: number } } {
  const delivered: string[] = []
  const clock = { now: 0 }
  const deliver = async (key: string): Promise<void> => void delivered.push(key)
  return { delivery: createDelivery({ deliver, nowMs: () => clock.now, clientTimeoutMs: 30_000 }), delivered, clock }
}
const answer = (key: string, id = '1'): { key: string; tenant: string; first: string; id: string } => ({
  key,
  tenant: 't',
  first: `first-${key}`,
  id,
})

describe('evidence of delivery', () => {
  it('is a later message after the answer was flushed', () => {
    const { delivery, delivered } = setUp()
    const flushed = delivery.answered(answer('a'), 0)
    delivery.heard()
    expect(delivered, 'before the flush, nothing').toEqual([])
    flushed()
    delivery.heard()
    delivery.heard()
    expect(delivered).toEqual(['a'])
  })

  it('is an identical call, too: the client went on and wants it again', async () => {
    const { delivery, delivered } = setUp()
    delivery.answered(answer('a'), 0)()
    delivery.heard('first-a')
    await delivery.recorded('first-a')
    expect(delivered).toEqual(['a'])
  })

  it('is not the cancellation of the call itself', () => {
    const { delivery, delivered } = setUp()
    delivery.answered(answer('a', '7'), 0)()
    delivery.answered(answer('b', '8'), 0)()
    delivery.cancelled('7')
    delivery.heard()
    expect(delivered).toEqual(['b'])
  })

  it('is not an identical call when the answer came later than clients wait; another message is', () => {
    const { delivery, delivered, clock } = setUp()
    const flushed = delivery.answered(answer('a'), 0)
    clock.now = 30_001
    flushed()
    delivery.heard('first-a')
    expect(delivered).toEqual([])
    delivery.heard('first-b')
    expect(delivered).toEqual(['a'])
  })

  it('is recorded before the identical call is judged, and a ledger that fails does not stop it', async () => {
    let release = (): void => {}
    const delivery = createDelivery({
      deliver: () => new Promise((_resolve, reject) => (release = () => reject(new Error('no ledger')))),
      nowMs: () => 0,
      clientTimeoutMs: 30_000,
    })
    delivery.answered(answer('a'), 0)()
    delivery.heard('first-a')
    let done = false
    const recorded = delivery.recorded('first-a').then(() => (done = true))
    await Promise.resolve()
    expect(done).toBe(false)
    release()
    await recorded
    expect(done).toBe(true)
  })
})
