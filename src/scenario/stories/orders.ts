import { fileURLToPath } from 'node:url'
import { keyed } from '../../contract/index.ts'
import { orderIntent } from '../../engine/index.ts'
import { codeOf, type Done } from '../stage.ts'
import { story, type Story } from '../story.ts'
import { orderTool } from './black-friday.ts'

const ORDERS = 500
const DUPLICATES = 14_000
const AT_ONCE = 64

const statusOf = (error: unknown): number => (error as { status?: number }).status ?? 0

/** The stories of a shop's orders. */
export const ORDER_STORIES: readonly Story[] = [
  story('OR-1', 'the key of an order is anchored when it is wanted, and survives restarts', async (stage) => {
    const wanted = { merchant: 'shop', user: 'ann', session: 'chat-1', lines: [{ sku: 'lamp', quantity: 2 }] }
    const attempt = async (nth: number): Promise<Done> => {
      // By hand the time in the key is that of the attempt, so each attempt is another order.
      const key = stage.guard === undefined ? `lamp-2-${nth}` : (await orderIntent(stage.guard, wanted)).key
      return await stage.send('order/1', wanted, { headers: { 'idempotency-key': stage.ref(key) } })
    }
    await stage.fault('order/1', 'lose-answer', 'fail-after')
    await stage.retrying(4, async (nth) => {
      if (nth > 1) await stage.restart()
      return await attempt(nth)
    })
  }),

  story('OR-3', 'a conflict is answered with the original, not with a bare 409', async (stage) => {
    const order = orderTool(stage)
    await stage.fault('order/1', 'stall:30')
    const [first, second] = await Promise.all([order({ order: '1' }), stage.again(() => order({ order: '1' }))])
    stage.expect(second?.id === first.id, 'the second caller gets id and body of the first')
  }),

  story('OR-4', 'the sub-agents of one session share identities; another session is another', async (stage) => {
    const book = stage.tool<{ readonly seat: string }, Done>({
      name: 'book_seat',
      identity: ['seat'],
      scope: 'session',
      recovery: keyed('24h'),
      execute: ({ seat }, context) => stage.send(`seat/${seat}`, {}, context),
    })
    const agent = (id: string, session: string): Promise<unknown> =>
      stage.run({ id, session }, () => book({ seat: '12A' }))
    await agent('agent-1', 'chat-1')
    await stage.again(() => agent('agent-2', 'chat-1'))
    await agent('agent-3', 'chat-2')
  }),

  story(
    'OR-5',
    'MCP: the key that the caller gives goes through every hop, and the ledger is asked first',
    async (stage) => {
      const program = fileURLToPath(
        new URL(`./order-tools.process.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url),
      )
      const client = await stage.mcp({
        program,
        args: [`${stage.town.url}/effects/${stage.ref('order/')}`],
        contracts: {
          create_order: {
            effect: 'write',
            identity: undefined,
            callerKey: 'required',
            recovery: { class: 'keyed', window: '24h', key: { in: '_meta' } },
          },
        },
      })
      const place = (): Promise<unknown> =>
        client.request('tools/call', {
          name: 'create_order',
          arguments: { cart: 'cart-1' },
          // A client that takes no key is one that nothing protects.
          ...(stage.mode === 'without' ? {} : { _meta: { 'io.onefold/idempotency-key': 'intent-7' } }),
        })
      await stage.fault('order/cart-1', 'lose-answer')
      await place()
      await stage.again(place)
      await stage.again(place)
      const keys = (await stage.town.requests(stage.ref('order/cart-1'))).map((headers) => headers['idempotency-key'])
      stage.expect(keys.length > 0 && keys.every((key) => key !== undefined && key === keys[0]), 'one key at the shop')
    },
  ),

  story('OR-7', 'the gateway looks at the key before the service is asked', async (stage) => {
    const to = await stage.front()
    const place = (key: string | undefined) =>
      stage.send('plain/order/1', {}, { to, ...(key === undefined ? {} : { headers: { 'idempotency-key': key } }) })
    for (const key of [undefined, '', 'k'.repeat(5_000)]) {
      const status = await stage.again(() => place(key).then(() => 200, statusOf))
      stage.expect(status === 400, 'no key, or one that is none, is refused')
    }
    const first = await place(stage.ref('order-1'))
    const again = await stage.again(() => place(stage.ref('order-1')))
    stage.expect(again?.id === first.id, 'the good key gets the first answer')
  }),

  story('OR-9', 'a client that floods one operation is stopped; everybody else is served', async (stage) => {
    const to = await stage.front({ floodDuplicates: 50, floodWindowMs: 60_000 })
    const place = (name: string, who: string) =>
      stage
        .send(`plain/order/${name}`, {}, { to, headers: { 'idempotency-key': stage.ref(name), authorization: who } })
        .then(() => 200, statusOf)
    await place('1', 'noisy')
    const flood = (await stage.again(() => Promise.all(Array.from({ length: 200 }, () => place('1', 'noisy'))))) ?? []
    stage.expect(flood.filter((status) => status === 429).length >= 100, 'the flood is refused')
    const others = await Promise.all([place('1', 'honest'), place('2', 'honest'), place('3', 'noisy')])
    stage.expect(
      others.every((status) => status === 200),
      'honest traffic is untouched',
    )
  }),

  story('OR-11', 'the same on whatever ledger is used: a crowd for one order', async (stage) => {
    const order = orderTool(stage)
    await stage.fault('order/1', 'lose-answer')
    await order({ order: '1' }).catch(() => undefined)
    await stage.again(() => Promise.all(Array.from({ length: 20 }, () => order({ order: '1' }).catch(() => undefined))))
  }),

  story('OR-12', 'flash sale: 14,000 duplicates of 500 orders', async (stage) => {
    const order = orderTool(stage)
    const calls = stage.mode === 'baseline' ? ORDERS : ORDERS + DUPLICATES
    let next = 0
    let wrong = 0
    const ids = new Map<number, string>()
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        while (next < calls) {
          const nth = (next += 1) % ORDERS
          const { id } = await order({ order: `${nth}` })
          if ((ids.get(nth) ?? id) !== id) wrong += 1
          ids.set(nth, id)
        }
      }),
    )
    stage.expect(wrong === 0, 'every duplicate gets the original answer')
  }),

  story('OR-14', 'a memory shorter than the retries above it is refused at the start', async (stage) => {
    const declared = {
      name: 'place_order',
      identity: ['order'],
      recovery: keyed('24h'),
      execute: ({ order }: { readonly order: string }, context: { readonly fetch: typeof fetch }) =>
        stage.send(`order/${order}`, {}, context),
    } as const
    const forgetful = stage.tool<{ readonly order: string }, Done>({
      ...declared,
      retention: '1m',
      retryHorizon: '24h',
    })
    const code = await stage.again(() => forgetful({ order: '1' }).then(() => undefined, codeOf))
    stage.expect(code === 'CONTRACT_INVALID', 'it is refused before anything is done')
    await stage.tool<{ readonly order: string }, Done>({ ...declared, retention: '48h', retryHorizon: '24h' })({
      order: '1',
    })
  }),
]
