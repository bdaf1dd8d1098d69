import { keyed, manual } from '../../contract/index.ts'
import { llmFetch } from '../../llm/index.ts'
import type { Done } from '../stage.ts'
import { story, type Story } from '../story.ts'
import { orderTool } from './black-friday.ts'

/** The stories of the ways in which agents fail. */
export const AGENTS: readonly Story[] = [
  story('AG-1', 'the stream is cut after the tool ran, and the user asks again', async (stage) => {
    const order = orderTool(stage)
    const turn = (): Promise<void> =>
      stage.run({ id: 'turn-1' }, async () => {
        await order({ order: '1' })
        if (stage.mode !== 'baseline') throw new DOMException('the user closed the tab', 'AbortError')
      })
    await stage.retrying(2, turn)
    const receipt = await stage.guard?.run({ id: 'turn-1' }, (run) => run.receipt())
    stage.expect(receipt?.committed.length === 1 && receipt.inDoubt.length === 0, 'the receipt says what was done')
  }),

  story('AG-2', 'every write carries a key', async (stage) => {
    const [order, pay] = [orderTool(stage), orderTool(stage, 'pay')]
    await stage.fault('order/1', 'fail-after')
    await stage.retrying(3, () => order({ order: '1' }))
    await pay({ order: '2' })
    const sent = [
      ...(await stage.town.requests(stage.ref('order/1'))),
      ...(await stage.town.requests(stage.ref('order/2'))),
    ]
    stage.expect(
      sent.length === 3 && sent.every((headers) => headers['idempotency-key'] !== undefined),
      'no write without a key',
    )
  }),

  story('AG-3', 'twelve agents call one tool at once', async (stage) => {
    const order = orderTool(stage)
    await stage.fault('order/1', 'stall:30')
    const agents = stage.mode === 'baseline' ? 1 : 12
    await Promise.all(
      Array.from({ length: agents }, (_, n) => stage.run({ id: `agent-${n}` }, () => order({ order: '1' }))),
    )
  }),

  story('AG-4', 'a client that gives up on a slow model and asks again: one sample, one answer', async (stage) => {
    const ask = stage.guard === undefined ? fetch : llmFetch(stage.guard)
    const url = `${stage.town.url}/effects/${stage.ref('plain/sample')}`
    const body = JSON.stringify({ messages: [{ role: 'user', content: 'Where is my order?' }] })
    // An SDK's hidden retries; its last try waits as long as it takes.
    const sdk = (): Promise<unknown> =>
      stage.retrying(3, async (nth) => {
        const waits = stage.mode === 'baseline' || nth === 3 ? 30_000 : 40
        const answer = await ask(url, { method: 'POST', body, signal: AbortSignal.timeout(waits) })
        return ((await answer.json()) as Done).id
      })
    await stage.fault('plain/sample', 'stall:120', 'stall:120', 'stall:120')
    const first = await stage.run({ id: 'turn-1' }, sdk)
    const again = await stage.again(() => stage.run({ id: 'turn-1' }, sdk))
    stage.expect(first !== undefined && again === first, 'a retried turn gets the first answer')
  }),

  story('AG-5', 'a tool that says "accepted" and does nothing', async (stage) => {
    const there = async (order: string): Promise<boolean> =>
      (await fetch(`${stage.town.url}/effects/${encodeURIComponent(stage.ref(`order/${order}`))}`)).ok
    const order = stage.tool<{ readonly order: string }, Done>({
      name: 'place_order',
      identity: ['order'],
      recovery: keyed('24h'),
      verify: (outcome) => there(outcome.ref.slice(outcome.ref.lastIndexOf('/') + 1)),
      execute: (input, context) => stage.send(`order/${input.order}`, {}, context),
    })
    await stage.fault('order/1', 'lie')
    await stage.retrying(1, () => order({ order: '1' }))
  }),

  story(
    'AG-6',
    'an SDK that retries by itself, in a framework that retries, in a gateway that retries',
    async (stage) => {
      const order = stage.tool<{ readonly order: string }, Done>({
        name: 'place_order',
        identity: ['order'],
        recovery: keyed('24h'),
        execute: async ({ order: name }, context) => {
          for (let hidden = 1; ; hidden += 1) {
            try {
              return await stage.send(`order/${name}`, {}, context)
            } catch (error) {
              if (hidden === 3) throw error
            }
          }
        },
      })
      await stage.fault('order/1', ...Array.from({ length: 8 }, () => 'fail-after' as const))
      await stage.retrying(3, () => order({ order: '1' }))
    },
  ),

  story('AG-7', 'three calls of one planner turn, three ids, one intent', async (stage) => {
    const order = orderTool(stage)
    const calls = stage.mode === 'baseline' ? ['toolu_1'] : ['toolu_1', 'toolu_2', 'toolu_3']
    const answers = await stage.run({ id: 'turn-1' }, () =>
      Promise.all(calls.map((callId) => order({ order: '1' }, { callId }))),
    )
    stage.expect(answers.length === 3 && new Set(answers.map(({ id }) => id)).size === 1, 'three equal answers')
  }),

  story('AG-8', 'reads retry freely, writes do not', async (stage) => {
    const order = orderTool(stage)
    await stage.fault('order/1', 'lose-answer')
    await stage.retrying(3, () => order({ order: '1' }))
    const look = async (): Promise<boolean> =>
      (await fetch(`${stage.town.url}/effects/${encodeURIComponent(stage.ref('order/1'))}`)).ok
    for (let n = 0; n < 3; n += 1) stage.expect(await look(), 'a read is always answered')
  }),

  story('AG-9', 'a rate limit after the effect, retried after its back-off', async (stage) => {
    const mail = stage.tool<{ readonly to: string }, Done>({
      name: 'send_mail',
      identity: ['to'],
      recovery: manual(),
      execute: ({ to }, context) => stage.send(`plain/mail/${to}`, {}, context),
    })
    await stage.fault('plain/mail/ann', 'limit-after', 'limit-after')
    await stage.retrying(4, () => mail({ to: 'ann' }))
  }),

  story('AG-10', 'several agents change one record: no update is lost', async (stage) => {
    const balance = (): Promise<number> => balanceOf(stage.town.url, stage.ref('balance'))
    const book = stage.tool<{ readonly account: string; readonly entry: string }, Done>({
      name: 'book',
      identity: ['entry'],
      exclusive: ['account'],
      recovery: keyed('24h'),
      execute: async (_, context) => {
        const before = await balance()
        await new Promise((resolve) => setTimeout(resolve, 3))
        return stage.send('balance', { balance: before + 1 }, context)
      },
    })
    const entries = ['a', 'b', 'c', 'd', 'e']
    if (stage.mode === 'baseline') for (const entry of entries) await book({ account: '1', entry })
    else await Promise.all(entries.map((entry) => book({ account: '1', entry })))
    return { balance: await balance() }
  }),
]

async function balanceOf(url: string, ref: string): Promise<number> {
  const answer = await fetch(`${url}/query`, {
    method: 'POST',
    body: `SELECT coalesce((SELECT json_extract(body, '$.balance') FROM effects WHERE ref = '${ref}' ORDER BY n DESC LIMIT 1), 0) AS balance`,
  })
  const [row] = (await answer.json()) as { balance: number }[]
  return row?.balance ?? 0
}
