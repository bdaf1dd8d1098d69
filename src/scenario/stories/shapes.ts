import { composite, keyed, manual, probe } from '../../contract/index.ts'
import type { Done } from '../stage.ts'
import { story, type Story } from '../story.ts'
import { orderTool } from './black-friday.ts'

/** The stories of the shapes that a duplicate comes in. */
export const SHAPES: readonly Story[] = [
  story('SH-1', 'a retry storm on a 504 whose effect happened', async (stage) => {
    const order = orderTool(stage)
    await stage.fault('order/1', 'fail-after', 'fail-after', 'fail-after')
    await stage.retrying(5, () => order({ order: '1' }))
  }),

  story('SH-2', 'two sub-agents of one planner have the same intent', async (stage) => {
    const order = orderTool(stage)
    const answers = await stage.run({ id: 'plan-1' }, () =>
      Promise.all([order({ order: '1', note: 'agent a' }), stage.again(() => order({ order: '1', note: 'agent b' }))]),
    )
    stage.expect(answers[0].id === answers[1]?.id, 'both get the answer')
  }),

  story('SH-3', 'a half-written first attempt is found, not repeated', async (stage) => {
    const find = async (name: string) => {
      const answer = await fetch(`${stage.town.url}/effects/${encodeURIComponent(stage.ref(name))}`)
      return answer.ok ? ({ found: true, value: (await answer.json()) as Done } as const) : ({ found: false } as const)
    }
    const step = (name: string) =>
      stage.tool<{ readonly order: string }, Done>({
        name,
        identity: ['order'],
        sends: 'checked',
        recovery: probe(({ order }: { order: string }) => find(`plain/${name}/${order}`), { settle: '10ms' }),
        execute: ({ order }, context) => stage.send(`plain/${name}/${order}`, {}, context),
      })
    const [debit, ship] = [step('debit'), step('ship')]
    await stage.fault('plain/debit/1', 'lose-answer')
    await stage.fault('plain/ship/1', 'lose-request')
    const both = async (): Promise<void> => {
      await debit({ order: '1' })
      await ship({ order: '1' })
    }
    await stage.retrying(4, both)
  }),

  story('SH-4', 'a durable engine replays a workflow from the top, without a result cache', async (stage) => {
    const order = orderTool(stage)
    const notify = orderTool(stage, 'notify')
    let life = 0
    const workflow = async (): Promise<void> => {
      await order({ order: '1' })
      if ((life += 1) === 1 && stage.mode !== 'baseline') throw new Error('the worker died here')
      await notify({ order: 'mail-1' })
    }
    await stage.retrying(2, async (nth) => {
      if (nth > 1) await stage.restart()
      await stage.run({ id: 'workflow-1' }, workflow)
    })
  }),

  story('SH-5', "the key in the provider's own form; without one, the ledger stands in", async (stage) => {
    const withKeys = orderTool(stage)
    const without = stage.tool<{ readonly order: string }, Done>({
      name: 'legacy_order',
      identity: ['order'],
      recovery: manual(),
      execute: ({ order }, context) => stage.send(`plain/order/${order}`, {}, context),
    })
    await stage.fault('order/1', 'lose-answer')
    await stage.fault('plain/order/2', 'lose-answer')
    await stage.retrying(3, () => withKeys({ order: '1' }))
    await stage.retrying(3, () => without({ order: '2' }))
    const [first] = await stage.town.requests(stage.ref('order/1'))
    stage.expect(
      /^[\da-f]{8}-([\da-f]{4}-){3}[\da-f]{12}$/.test(first?.['idempotency-key'] ?? ''),
      'a UUID, as providers take it',
    )
  }),

  story('SH-6', 'the result is remembered, not only the call', async (stage) => {
    const order = orderTool(stage)
    const first = await order({ order: '1' })
    const again = await stage.again(() => order({ order: '1' }))
    await stage.restart()
    const later = await stage.again(() => order({ order: '1' }))
    stage.expect(again?.id === first.id && later?.id === first.id, 'the same result, also after a restart')
  }),

  story('SH-9', 'two wanted identical operations both happen', async (stage) => {
    const order = orderTool(stage)
    await stage.fault('order/gift', 'lose-answer', 'lose-answer')
    for (const occurrence of [1, 2]) await stage.retrying(3, () => order({ order: 'gift' }, { occurrence }))
    await stage.again(() => order({ order: 'gift' }, { occurrence: 2 }))
  }),

  story('OR-13', 'charge, order, stock, shipment and mail as one tree of operations', async (stage) => {
    const child = (name: string) =>
      stage.tool<{ readonly cart: string }, Done>({
        name,
        identity: ['cart'],
        recovery: keyed('24h'),
        execute: ({ cart }, context) => stage.send(`${name}/${cart}`, {}, context),
      })
    const children = ['charge', 'order', 'reserve_stock', 'ship', 'notify'].map(child)
    const checkout = stage.tool<{ readonly cart: string }, { readonly done: number }>({
      name: 'checkout',
      identity: ['cart'],
      recovery: composite(),
      execute: async ({ cart }) => {
        for (const each of children) await each({ cart })
        return { done: children.length }
      },
    })
    await stage.fault('order/c1', 'lose-answer')
    await stage.fault('ship/c1', 'fail-after')
    await stage.retrying(4, () => stage.run({ id: 'checkout-c1' }, () => checkout({ cart: 'c1' })))
  }),
]
