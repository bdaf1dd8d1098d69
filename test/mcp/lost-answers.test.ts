import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PATIENCE, errorOf, openShop, receiptOf, textOf, type Session, type Shop } from './fixtures/harness.ts'

/** Each story runs against the server itself, where it must go wrong, and through the proxy. */
let shop: Shop
let sessions: { readonly control: Session; readonly proxy: Session }

beforeAll(async () => {
  shop = await openShop()
  const [control, proxy] = await Promise.all([shop.connect(false), shop.connect()])
  sessions = { control, proxy }
}, PATIENCE.timeout)
afterAll(async () => await shop.close())

/** Lets go of every answer that is held back, until `call` has ended. */
async function releasing(call: Promise<unknown>): Promise<void> {
  const timer = setInterval(() => shop.downstream.release(), 10)
  await call.finally(() => clearInterval(timer))
}

const to = (who: string): number => shop.downstream.effects('messages').filter((effect) => effect['to'] === who).length
const mail = (who: string, body = 'Hello'): Record<string, unknown> => ({ to: who, subject: 'Your order', body })

describe('an answer that is lost after the effect', PATIENCE, () => {
  it('control: the second try sends a second message', async () => {
    shop.downstream.next('messages', 'lose')
    expect((await sessions.control.call('send_message', mail('control@lost'))).isError).toBe(true)
    expect((await sessions.control.call('send_message', mail('control@lost'))).isError).toBeUndefined()
    expect(to('control@lost')).toBe(2)
  })

  it('[BF-14] [SH-1] one message, however often a naive client tries again, and the model is told what to do', async () => {
    shop.downstream.next('messages', 'lose')
    const first = await sessions.proxy.call('send_message', mail('lost@example'))
    expect(first.isError).toBe(true)
    expect(textOf(first), 'the caller of the attempt gets the error of the tool itself').toContain('fetch failed')
    expect(receiptOf(first)).toMatchObject({ status: 'in-doubt' })
    for (let retry = 0; retry < 5; retry += 1) {
      const again = await sessions.proxy.call('send_message', mail('lost@example', `reworded ${retry}`))
      expect(again.isError).toBe(true)
      expect(errorOf(again)).toMatchObject({
        type: 'IN_DOUBT',
        effect: 'unknown',
        retryable: false,
        ticket: receiptOf(first)['ticket'],
      })
      expect(textOf(again)).toContain('Do not call it again')
    }
    expect(to('lost@example')).toBe(1)
  })

  it('control: a rate limit after the effect makes two', async () => {
    shop.downstream.next('messages', 'too-many-after')
    await sessions.control.call('send_message', mail('control@limit'))
    await sessions.control.call('send_message', mail('control@limit'))
    expect(to('control@limit')).toBe(2)
  })

  it('[AG-9] a rate limit (429) after the effect, retried after back-off: one mail', async () => {
    shop.downstream.next('messages', 'too-many-after')
    expect(textOf(await sessions.proxy.call('send_message', mail('limit@example')))).toContain('HTTP 429')
    expect(errorOf(await sessions.proxy.call('send_message', mail('limit@example')))).toMatchObject({
      type: 'IN_DOUBT',
    })
    expect(to('limit@example')).toBe(1)
  })
})

describe('a time-out of the client after the effect', PATIENCE, () => {
  const story = async (session: Session, who: string): Promise<string> => {
    shop.downstream.next('messages', 'hold')
    const lost = session.call('send_message', mail(who), { timeoutMs: 300 })
    await expect(lost).rejects.toThrow(/timed out/)
    const again = session.call('send_message', mail(who, 'said in other words'))
    await releasing(again)
    return textOf(await again)
  }

  it('control: two messages', async () => {
    await story(sessions.control, 'control@slow')
    expect(to('control@slow')).toBe(2)
  })

  it('one message, and the second try gets its answer', async () => {
    expect(await story(sessions.proxy, 'slow@example')).toMatch(/^sent \d+$/)
    expect(to('slow@example')).toBe(1)
  })
})

describe('what a repeat may differ in', PATIENCE, () => {
  it('control: reworded text is another message', async () => {
    await sessions.control.call('send_message', mail('control@words', 'one'))
    await sessions.control.call('send_message', mail('control@words', 'two'))
    expect(to('control@words')).toBe(2)
  })

  it('a reworded ignore field replays the answer', async () => {
    const first = await sessions.proxy.call('send_message', mail('words@example', 'one'))
    const second = await sessions.proxy.call('send_message', mail('words@example', 'two'))
    expect(second.content).toEqual(first.content)
    expect(receiptOf(first)).toMatchObject({ status: 'executed', attempts: 1 })
    expect(receiptOf(second)).toMatchObject({ status: 'replayed', attempts: 1, key: receiptOf(first)['key'] })
    expect(receiptOf(second)['notice']).toContain('occurrence 2')
    expect(to('words@example')).toBe(1)
  })

  it('a changed field that must match is KEY_REUSED, and nothing is sent', async () => {
    await sessions.proxy.call('charge', { account: 'acc-reused', cents: 100 })
    const changed = await sessions.proxy.call('charge', { account: 'acc-reused', cents: 900 })
    expect(errorOf(changed)).toMatchObject({ type: 'KEY_REUSED', effect: 'done', fields: ['cents'] })
    expect(JSON.stringify(changed)).not.toContain('100')
    expect(shop.downstream.effects('charges').map((effect) => effect['cents'])).toEqual([100])
  })
})

describe('two wanted identical operations', PATIENCE, () => {
  it('[SH-9] both happen where the application asks for a second occurrence, and each replays', async () => {
    const occurrence = (number: number): { meta: Record<string, unknown> } => ({
      meta: { 'io.onefold/occurrence': number },
    })
    const answers: string[] = []
    for (const number of [1, 2, 1, 2])
      answers.push(textOf(await sessions.proxy.call('send_message', mail('twice@example'), occurrence(number))))
    expect(to('twice@example')).toBe(2)
    expect(answers.slice(2)).toEqual(answers.slice(0, 2))
  })

  it('[SH-9] both happen where a declared argument carries the occurrence', async () => {
    for (const copy of [1, 2, 2, 1]) await sessions.proxy.call('send_message', { ...mail('copies@example'), copy })
    expect(to('copies@example')).toBe(2)
  })
})

describe('keys', PATIENCE, () => {
  it('control: an agent that makes a fresh key for each try orders twice', async () => {
    for (const key of ['uuid-1', 'uuid-2'])
      await sessions.control.call('create_order', { cart: 'control-fresh', idempotency_key: key })
    expect(shop.downstream.effects('orders').filter((order) => order['cart'] === 'control-fresh')).toHaveLength(2)
  })

  it('[IN-7] an agent that sends fresh UUIDs cannot defeat the identity', async () => {
    for (const key of ['uuid-3', 'uuid-4']) {
      const meta = { 'io.onefold/idempotency-key': key }
      await sessions.proxy.call('create_order', { cart: 'fresh', idempotency_key: key }, { meta })
    }
    const orders = shop.downstream.effects('orders').filter((order) => order['cart'] === 'fresh')
    expect(orders).toHaveLength(1)
    expect(orders[0]?.['key'], 'the server got our key, not the model’s').toMatch(/^[0-9a-f-]{36}$/)
  })
})

describe('a connection that is refused', PATIENCE, () => {
  it('[BF-4] is told from a lost answer: the second try runs, and there is no doubt', async () => {
    await shop.downstream.refuse()
    const refused = await sessions.proxy.call('send_message', mail('refused@example'))
    expect(textOf(refused)).toContain('ECONNREFUSED')
    expect(receiptOf(refused)).toMatchObject({ status: 'rejected' })
    await shop.downstream.open()
    const second = await sessions.proxy.call('send_message', mail('refused@example'))
    expect(second.isError).toBeUndefined()
    expect(receiptOf(second)).toMatchObject({ status: 'executed', attempts: 2 })
    expect(to('refused@example')).toBe(1)
  })
})

describe('tools that nobody has declared', PATIENCE, () => {
  const notes = (text: string): number =>
    shop.downstream.effects('notes').filter((note) => note['text'] === text).length

  it('a wanted repeat after a delivered answer happens, and is flagged', async () => {
    await sessions.proxy.call('note', { text: 'wanted twice' })
    const second = await sessions.proxy.call('note', { text: 'wanted twice' })
    expect(notes('wanted twice')).toBe(2)
    expect(receiptOf(second)).toMatchObject({ status: 'executed', occurrence: 2, suspectedRepeat: true })
  })

  it('control: a repeat after a time-out is a second note', async () => {
    shop.downstream.next('notes', 'hold')
    await expect(sessions.control.call('note', { text: 'control' }, { timeoutMs: 300 })).rejects.toThrow(/timed out/)
    await sessions.control.call('note', { text: 'control' })
    expect(notes('control')).toBe(2)
  })

  it('a repeat after a time-out is a retry: one note', async () => {
    shop.downstream.next('notes', 'hold')
    await expect(sessions.proxy.call('note', { text: 'timed out' }, { timeoutMs: 300 })).rejects.toThrow(/timed out/)
    const call = sessions.proxy.call('note', { text: 'timed out' })
    await releasing(call)
    const again = await call
    expect(textOf(again)).toMatch(/^noted \d+$/)
    expect(notes('timed out')).toBe(1)
  })

  it('a repeat after an error is held, since the error may be a lost answer', async () => {
    shop.downstream.next('notes', 'lose')
    await sessions.proxy.call('note', { text: 'held' })
    expect(errorOf(await sessions.proxy.call('note', { text: 'held' }))).toMatchObject({ type: 'IN_DOUBT' })
    expect(notes('held')).toBe(1)
  })

  it('annotations of the server do not make a read: send_message calls itself readOnly, and is guarded', async () => {
    const { tools } = await sessions.proxy.client.listTools()
    expect(tools.find((tool) => tool.name === 'send_message')?.annotations?.readOnlyHint).toBe(true)
    expect(to('lost@example')).toBe(1)
  })
})

describe('one intent from several callers at once', PATIENCE, () => {
  it('[AG-7] three calls in one planner turn with distinct ids: one effect, and each gets the answer', async () => {
    const more = shop.downstream.effects('messages').length + 1
    shop.downstream.next('messages', 'hold')
    const calls = [1, 2, 3].map(() => sessions.proxy.call('send_message', mail('parallel@example')))
    await shop.downstream.happened('messages', more)
    await sessions.proxy.client.ping()
    shop.downstream.release()
    const answers = (await Promise.all(calls)).map(textOf)
    expect(new Set(answers).size).toBe(1)
    expect(to('parallel@example')).toBe(1)
  })
})
