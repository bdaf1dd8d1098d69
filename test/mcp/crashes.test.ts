import { spawn } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import {
  errorOf,
  eventually,
  inShop,
  listed,
  receiptOf,
  textOf,
  type Session,
  type Shop,
  PATIENCE,
  PROGRAMS,
} from './fixtures/harness.ts'

const mail = { to: 'a@example', subject: 'Your order', body: 'Hello' }
const count = (shop: Shop, kind: string): number => shop.downstream.effects(kind).length

/** The process that holds `session` is killed after the effect and before the answer, and another one tries again. */
async function killedBetween(
  shop: Shop,
  protect: boolean,
  tool: string,
  kind: string,
  input: Record<string, unknown>,
): Promise<Session & { readonly killedAt: number }> {
  const session = await shop.connect(protect)
  shop.downstream.next(kind, 'hold')
  void session.call(tool, input).catch(() => undefined)
  await shop.downstream.happened(kind, 1)
  await session.kill()
  const killedAt = Date.now()
  return { ...(await shop.connect(protect)), killedAt }
}

describe.concurrent('the proxy killed (SIGKILL) between effect and answer', PATIENCE, () => {
  it(
    'control: the same kill of an unprotected server, and the client that tries again sends twice',
    inShop(async (shop) => {
      const again = await killedBetween(shop, false, 'send_message', 'messages', mail)
      await again.call('send_message', mail)
      expect(count(shop, 'messages')).toBe(2)
    }),
  )

  it(
    '[IN-7] a manual tool: one message; the restarted proxy says in doubt, and another process lists it within lease + 1 s',
    inShop(async (shop) => {
      const ledger = await shop.ledger()
      const again = await killedBetween(shop, true, 'send_message', 'messages', mail)
      const [doubt] = await eventually(async () => {
        const found = await listed(ledger, ['in-doubt'])
        return found.length > 0 ? found : undefined
      }, 10_000)
      expect((doubt?.doubtAt ?? Infinity) - again.killedAt, 'lease 1 s + 1 s').toBeLessThan(2_000)
      expect(doubt).toMatchObject({ tool: 'shop:send_message', reason: 'lease-over' })
      const answer = await again.call('send_message', mail)
      expect(errorOf(answer)).toMatchObject({ type: 'IN_DOUBT', ticket: doubt?.key.slice(4, 16) })
      expect(count(shop, 'messages')).toBe(1)
    }),
  )

  it(
    'a keyed tool settles without a person: one order, and the repeat gets it',
    inShop(async (shop) => {
      const again = await killedBetween(shop, true, 'create_order', 'orders', { cart: 'c1' })
      const answer = await again.call('create_order', { cart: 'c1' })
      expect(JSON.parse(textOf(answer))).toMatchObject({ cart: 'c1' })
      expect(receiptOf(answer)).toMatchObject({ status: 'replayed' })
      expect(count(shop, 'orders')).toBe(1)
      expect(shop.downstream.requests('orders'), 'it was sent again, under the same key').toBe(2)
    }),
  )

  it(
    'control: without the ledger it is two orders',
    inShop(async (shop) => {
      const again = await killedBetween(shop, false, 'create_order', 'orders', { cart: 'c1' })
      await again.call('create_order', { cart: 'c1' })
      expect(count(shop, 'orders')).toBe(2)
    }),
  )

  it(
    'a keyed tool settles even if nobody asks again: the restarted proxy does it by itself',
    inShop(async (shop) => {
      await killedBetween(shop, true, 'charge', 'charges', { account: 'a', cents: 5 })
      const ledger = await shop.ledger()
      await eventually(async () => ((await listed(ledger, ['committed'])).length > 0 ? true : undefined), 4_000)
      expect(count(shop, 'charges')).toBe(1)
      expect(shop.downstream.effects('charges')[0]?.['key']).toMatch(/^[0-9a-f-]{36}$/)
    }),
  )

  it(
    'a probed tool settles by asking: one booking, sent once',
    inShop(async (shop) => {
      const again = await killedBetween(shop, true, 'book_flight', 'bookings', { user: 'u', flight: 'f' })
      const answer = await again.call('book_flight', { user: 'u', flight: 'f' })
      expect(JSON.parse(textOf(answer))).toMatchObject({ found: { user: 'u', flight: 'f' } })
      expect(count(shop, 'bookings')).toBe(1)
      expect(shop.downstream.requests('bookings')).toBe(1)
    }),
  )

  it(
    'an undeclared tool: its answer was never delivered, so the repeat is a retry',
    inShop(async (shop) => {
      const again = await killedBetween(shop, true, 'note', 'notes', { text: 'n' })
      expect(errorOf(await again.call('note', { text: 'n' }))).toMatchObject({ type: 'IN_DOUBT' })
      expect(count(shop, 'notes')).toBe(1)
    }),
  )
})

describe.concurrent('the proxy killed after the answer was recorded', PATIENCE, () => {
  it(
    'replays from the ledger after its restart, byte for byte',
    inShop(async (shop) => {
      const first = await shop.connect()
      const original = await first.call('send_message', mail)
      await first.kill()
      const replay = await (await shop.connect()).call('send_message', { ...mail, body: 'said anew' })
      expect(replay.content).toEqual(original.content)
      expect(receiptOf(replay)).toMatchObject({ status: 'replayed' })
      expect(count(shop, 'messages')).toBe(1)
    }),
  )
})

describe.concurrent('the client killed mid-call', PATIENCE, () => {
  const story = async (shop: Shop, protect: boolean): Promise<string> => {
    shop.downstream.next('messages', 'hold')
    const args = [PROGRAMS.client, 'send_message', JSON.stringify(mail), '--', ...shop.command(protect)]
    const client = spawn(process.execPath, args, { env: shop.env, stdio: 'ignore' })
    await shop.downstream.happened('messages', 1)
    const gone = new Promise((resolve) => client.once('exit', resolve))
    client.kill('SIGKILL')
    await gone
    const next = await shop.connect(protect)
    const again = next.call('send_message', mail)
    shop.downstream.release()
    return textOf(await again)
  }

  it(
    'control: the next client sends a second message',
    inShop(async (shop) => {
      await story(shop, false)
      expect(count(shop, 'messages')).toBe(2)
    }),
  )

  it(
    'the effect that had started runs on into the ledger, and the next client gets its answer',
    inShop(async (shop) => {
      expect(await story(shop, true)).toMatch(/^sent \d+$/)
      expect(count(shop, 'messages')).toBe(1)
      const [record] = await listed(await shop.ledger(), ['committed'])
      expect(record).toMatchObject({ tool: 'shop:send_message', attempts: 1 })
    }),
  )
})

describe.concurrent('the upstream killed', PATIENCE, () => {
  it(
    'control: the second try makes a second effect',
    inShop(async (shop) => {
      for (let attempt = 0; attempt < 2; attempt += 1) {
        const session = await shop.connect(false)
        await expect(session.call('exit_now', { order: 'o1' })).rejects.toThrow(/closed/)
      }
      expect(count(shop, 'exits')).toBe(2)
    }),
  )

  it(
    'is in doubt at once; the proxy answers, ends with the server’s status, and knows it after its restart',
    inShop(async (shop) => {
      const session = await shop.connect()
      const first = await session.call('exit_now', { order: 'o1' })
      expect(errorOf(first)).toMatchObject({ type: 'IN_DOUBT', reason: 'upstream-died' })
      await session.gone
      expect(session.stderr()).toContain('the MCP server ended (status 7)')
      const again = await (await shop.connect()).call('exit_now', { order: 'o1' })
      expect(errorOf(again)).toMatchObject({ type: 'IN_DOUBT', ticket: errorOf(first)['ticket'] })
      expect(count(shop, 'exits')).toBe(1)
    }),
  )
})

describe.concurrent('two clients at once, each behind its own proxy on one ledger', PATIENCE, () => {
  const story = async (shop: Shop, protect: boolean): Promise<readonly string[]> => {
    const both = await Promise.all([shop.connect(protect), shop.connect(protect)])
    return (await Promise.all(both.map((session) => session.call('send_message', mail)))).map(textOf)
  }

  it(
    'control: two messages',
    inShop(async (shop) => {
      await story(shop, false)
      expect(count(shop, 'messages')).toBe(2)
    }),
  )

  it(
    '[SH-2] one message, and both get the answer',
    inShop(async (shop) => {
      const [one, other] = await story(shop, true)
      expect(one).toMatch(/^sent \d+$/)
      expect(other).toBe(one)
      expect(count(shop, 'messages')).toBe(1)
    }),
  )
})
