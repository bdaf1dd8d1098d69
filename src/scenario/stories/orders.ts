import { keyed } from '../../contract/index.ts'
import { codeOf, type Done } from '../stage.ts'
import { story, type Story } from '../story.ts'
import { orderTool } from './black-friday.ts'

const ORDERS = 500
const DUPLICATES = 14_000
const AT_ONCE = 64

/** The stories of a shop's orders. */
export const ORDER_STORIES: readonly Story[] = [
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
