import { AssertionError } from 'node:assert'
import { createHmac } from 'node:crypto'
import { composite, keyed, manual } from '../../contract/index.ts'
import type { Guard } from '../../engine/index.ts'
import { verifyTool } from '../../testing/index.ts'
import { sendMail } from '../send-mail.ts'
import { standardWebhooks, webhookInbox } from '../../webhook/index.ts'
import { codeOf, type Done, type Stage } from '../stage.ts'
import { story, type Story } from '../story.ts'
import { orderTool } from './black-friday.ts'
import { createQueue } from './queue.ts'

/** The stories of production incidents. */
export const INCIDENTS: readonly Story[] = [
  story(
    'IN-1',
    'fourteen e-mails: the server takes the mail, the answer is lost, three tries, five flows',
    async (stage) => {
      const mail = stage.tool<{ readonly to: string; readonly text: string }, { readonly accepted: string }>({
        name: 'send_mail',
        identity: ['to'],
        ignore: ['text'],
        recovery: manual(),
        execute: ({ to, text }, context) => {
          context.checkpoint()
          return sendMail(stage.town.mailPort, {
            ref: stage.ref(`mail/${to}`),
            to: `${to}@town.example`,
            subject: 'Your order',
            text,
          })
        },
      })
      await stage.fault('mail/ann', ...Array.from({ length: 13 }, () => 'lose-answer' as const))
      let sent = false
      const flow = async (nth: number): Promise<void> => {
        const answer = await stage.run({ id: 'order-1' }, () =>
          stage.retrying(3, (attempt) => mail({ to: 'ann', text: `Hello, ${nth}.${attempt}` })),
        )
        sent ||= answer !== undefined
      }
      await flow(1)
      for (let nth = 2; nth <= 5 && !sent; nth += 1) await flow(nth)
    },
  ),

  story('IN-2', 'charge keyed, entitlement not, and the retry is one level above both', async (stage) => {
    const charge = stage.tool<{ readonly user: string }, Done>({
      name: 'charge',
      identity: ['user'],
      recovery: keyed('24h'),
      execute: ({ user }, { fetch: send }) =>
        stage.send(`charge/${user}`, {}, { fetch: send, headers: { 'idempotency-key': stage.ref(`charge-${user}`) } }),
    })
    const grant = stage.tool<{ readonly user: string }, Done>({
      name: 'grant_entitlement',
      identity: ['user'],
      recovery: manual(),
      execute: ({ user }, context) => stage.send(`plain/grant/${user}`, {}, context),
    })
    const subscribe = (): Promise<unknown> =>
      stage.run({ id: 'subscribe-ann' }, async () => {
        await charge({ user: 'ann' })
        await grant({ user: 'ann' })
      })
    await subscribe()
    await stage.again(subscribe)
  }),

  story('IN-3', 'ghost order: the model invents a new order id at each attempt', async (stage) => {
    const order = stage.tool<{ readonly cart: string; readonly orderId: string }, Done>({
      name: 'create_order',
      identity: ['cart'],
      ignore: ['orderId'],
      recovery: keyed('24h'),
      execute: ({ cart, orderId }, context) => stage.send(`order/${cart}`, { orderId }, context),
    })
    await stage.fault('order/cart-1', 'lose-answer')
    await stage.retrying(3, (nth) => order({ cart: 'cart-1', orderId: `ORD-${nth * 7919}` }))
    await stage.again(() => order({ cart: 'cart-1', orderId: 'ORD-final' }))
  }),

  story('IN-4', 'a webhook does its work, its answer fails, and the vendor delivers for three days', async (stage) => {
    const decrement = stage.tool<{ readonly order: string }, Done>({
      name: 'decrement_stock',
      identity: ['order'],
      recovery: keyed('24h'),
      execute: ({ order }, context) => stage.send(`stock/${order}`, { delta: -1 }, context),
    })
    const handle = (body: unknown): Promise<Done> => decrement(body as { order: string })
    let now = Date.now()
    const take = webhookEnd(stage, handle, () => now)
    await stage.fault('stock/1', 'fail-after')
    for (const [nth, hours] of VENDOR_SCHEDULE_HOURS.entries()) {
      now += hours * 3_600_000
      const { status } = await take(signedDelivery('evt_1', { order: '1' }, now))
      // The first answers get lost on their way: the vendor hears none of them.
      if (status === 200 && (stage.mode === 'baseline' || nth > 5)) break
    }
  }),

  story('IN-5', 'a service slower than its client: one ticket, one merge, one thread', async (stage) => {
    const step = (name: string) =>
      stage.tool<{ readonly ticket: string }, Done>({
        name,
        identity: ['ticket'],
        recovery: keyed('24h'),
        // The tool's own HTTP client waits 8 s; the service takes 12 (scaled).
        execute: ({ ticket }, { fetch: send }) =>
          stage.send(`${name}/${ticket}`, {}, { fetch: send, ...(stage.mode === 'baseline' ? {} : { timeoutMs: 80 }) }),
      })
    const [create, merge, thread] = [step('create'), step('merge'), step('thread')]
    await stage.fault('create/T', 'stall:120')
    await stage.fault('merge/T', 'stall:120')
    for (const call of [create, merge, thread]) await stage.retrying(3, () => call({ ticket: 'T' }))
  }),

  story('IN-6', 'a write without a key is refused where the contract demands one', async (stage) => {
    const pay = stage.tool<{ readonly amount: number }, Done>({
      name: 'pay',
      identity: 'all',
      callerKey: 'required',
      recovery: keyed('24h'),
      execute: (input, context) => stage.send('pay', input, context),
    })
    const refusal = await stage.again(() => pay({ amount: 5 }).then(() => undefined, codeOf))
    stage.expect(refusal === 'KEY_MISSING', 'no key, no effect')
    await pay({ amount: 5 }, { idempotencyKey: 'invoice-42' })
    await stage.again(() => pay({ amount: 5 }, { idempotencyKey: 'invoice-42' }))
  }),

  story('IN-7', 'an agent that sends a fresh UUID with every call defeats nothing', async (stage) => {
    const order = orderTool(stage)
    await order({ order: '1' }, { idempotencyKey: crypto.randomUUID() })
    for (let n = 0; n < 3; n += 1)
      await stage.again(() => order({ order: '1' }, { idempotencyKey: crypto.randomUUID() }))
  }),

  story('IN-8 OR-2', 'retention by tool: an order is remembered, a forgotten mail is not sent again', async (stage) => {
    const pay = stage.tool<{ readonly invoice: string }, Done>({
      name: 'pay',
      identity: ['invoice'],
      recovery: keyed('24h'),
      retention: '7d',
      execute: ({ invoice }, context) => stage.send(`pay/${invoice}`, {}, context),
    })
    const mail = stage.tool<{ readonly to: string }, Done>({
      name: 'send_mail',
      identity: ['to'],
      recovery: manual(),
      retention: '50ms',
      retryHorizon: '50ms',
      execute: ({ to }, context) => stage.send(`plain/mail/${to}`, {}, context),
    })
    const paid = await pay({ invoice: '42' })
    await mail({ to: 'ann' })
    await expired(stage.guard)
    const late = await stage.again(() => pay({ invoice: '42' }))
    const code = await stage.again(() => mail({ to: 'ann' }).then(() => undefined, codeOf))
    stage.expect(late?.id === paid.id, 'a late retry of the payment gets the first answer')
    stage.expect(code === 'RESULT_EXPIRED', 'a late retry of the mail is told that it was done')
  }),

  story('IN-9', 'the key is there although the agent gave none', async (stage) => {
    const order = orderTool(stage)
    await stage.fault('order/1', 'fail-after')
    await stage.retrying(3, () => order({ order: '1' }))
    const keys = (await stage.town.requests(stage.ref('order/1'))).map((headers) => headers['idempotency-key'])
    stage.expect(keys.length === 2 && keys[0] !== undefined && keys[0] === keys[1], 'one key on every attempt')
  }),

  story('IN-10', 'one line in a test suite finds the tool that is not safe to retry', async (stage) => {
    // A tool that is never called twice has nothing to fail.
    if (stage.mode === 'baseline') return { 'tests that failed': 0 }
    const order = orderTool(stage)
    const failed = await verifyTool(order, {
      input: (unique) => ({ order: unique }),
      state: (input) => stage.town.effects(stage.ref(`order/${input.order}`)),
    }).then(
      () => 0,
      (error: unknown) => (error instanceof AssertionError ? 1 : Promise.reject(error as Error)),
    )
    return { 'tests that failed': failed }
  }),

  story('IN-11', 'a deployment changes the contract while an order is under way', async (stage) => {
    const declared = {
      name: 'place_order',
      identity: ['order'],
      recovery: keyed('24h'),
      execute: ({ order }: { order: string }, context: { fetch: typeof fetch }) =>
        stage.send(`order/${order}`, {}, context),
    } as const
    const old = stage.tool<{ order: string }, Done>({ ...declared, version: 1 })
    await stage.fault('order/1', 'hold')
    const first = old({ order: '1' })
    await stage.town.until(stage.ref('order/1'), 1)
    const anew = stage.tool<{ order: string }, Done>({ ...declared, version: 2 }, { process: 'another' })
    const code = await stage.again(() => anew({ order: '1' }).then(() => undefined, codeOf))
    stage.expect(code === 'CONTRACT_SUPERSEDED', 'the new version fails closed')
    await stage.town.release(stage.ref('order/1'))
    await first
  }),

  story('IN-12', 'one declaration is tool and contract', async (stage) => {
    const refund = stage.tool<{ readonly returnId: string }, Done>({
      name: 'refund',
      identity: ['returnId'],
      recovery: manual(),
      execute: ({ returnId }) => stage.send(`plain/refund/${returnId}`),
    })
    await refund({ returnId: 'R-7' })
    await stage.again(() => refund({ returnId: 'R-7' }))
  }),

  story('IN-13', 'almost the same call is held, neither run nor collapsed', async (stage) => {
    const pay = stage.tool<{ readonly invoice: string; readonly to: string; readonly cents: number }, Done>({
      name: 'pay',
      identity: ['invoice'],
      near: { fields: ['to', 'cents'], within: '10m', then: 'hold' },
      recovery: keyed('24h'),
      execute: ({ to, cents }, context) => stage.send(`pay/${to}/${cents}`, {}, context),
    })
    await pay({ invoice: 'A-1001', to: 'ann', cents: 4_200 })
    const code = await stage.again(() =>
      pay({ invoice: 'A1001', to: 'ann', cents: 4_200 }).then(() => undefined, codeOf),
    )
    stage.expect(code === 'HELD', 'the second payment waits for a word')
  }),

  story('IN-14', 'a queue delivers a message again', async (stage) => {
    const order = orderTool(stage)
    await stage.fault('order/1', 'lose-answer')
    const shapes = [
      { MessageId: 'sqs-1', Body: '{"order":"1"}' },
      { topic: 'orders', partition: 3, offset: '99', value: '{"order":"2"}' },
      { messageId: 'pubsub-1', data: btoa('{"order":"3"}') },
    ]
    for (const shape of shapes) {
      const { id, body } = readMessage(shape)
      const queue = createQueue(stage.mode === 'baseline' ? 1 : 3)
      await queue.deliver(() => stage.run({ id }, () => order(JSON.parse(body) as { order: string })))
    }
  }),

  story('IN-15', 'a person presses the button twice', async (stage) => {
    const order = orderTool(stage)
    const press = (): Promise<unknown> => stage.run({ id: 'form-7' }, () => order({ order: '1' }))
    await Promise.all([press(), stage.again(press)])
    await stage.again(press)
  }),

  story('IN-16', "the ledger and the downstream's own list are compared: both differences are found", async (stage) => {
    const order = stage.tool<{ readonly order: string }, Done>({
      name: 'place_order',
      identity: ['order'],
      recovery: manual(),
      execute: ({ order: name }, context) => stage.send(`plain/order/${name}`, {}, context),
    })
    await order({ order: 'a' })
    await stage.fault('plain/order/b', 'lose-answer')
    await stage.retrying(1, () => order({ order: 'b' }))
    await stage.send('plain/order/by-hand')
    // Without a ledger there is nothing to compare the list with. A single execution would find the same two.
    if (stage.mode === 'baseline') return { 'differences found': 2 }
    const items = await stage.town.query(`SELECT ref FROM effects WHERE instr(ref, '${stage.ref('order/')}') > 0`)
    const found = await stage.guard?.ledger.reconcile(items, {
      tool: 'place_order',
      item: (item) =>
        String((item as { ref: unknown }).ref)
          .split('/')
          .at(-1),
      operation: ({ input }) => [(input as { order: string }).order],
    })
    stage.expect(found?.agreed === 1, 'what agrees is counted')
    const doubts = found?.doubtsThatHappened.map(({ name }) => name) ?? []
    const unknown = found?.unknown.map(({ name }) => name) ?? []
    stage.expect(doubts.join() === 'b' && unknown.join() === 'by-hand', 'each difference is told for what it is')
    return { 'differences found': doubts.length + unknown.length }
  }),
]

/** Waits until something that was committed has expired. */
async function expired(guard: Guard | undefined): Promise<void> {
  while (guard !== undefined && (await guard.ledger.list({ states: ['expired'] })).records.length === 0) {
    await new Promise((resolve) => setTimeout(resolve, 10))
    await guard.internals.tick()
  }
}

type Message =
  | { readonly MessageId: string; readonly Body: string }
  | { readonly topic: string; readonly partition: number; readonly offset: string; readonly value: string }
  | { readonly messageId: string; readonly data: string }

/** What anchors a message's run, and what it says, in the shapes of SQS, Kafka and Pub/Sub. */
function readMessage(message: Message): { readonly id: string; readonly body: string } {
  if ('MessageId' in message) return { id: message.MessageId, body: message.Body }
  if ('data' in message) return { id: message.messageId, body: atob(message.data) }
  return { id: `${message.topic}/${message.partition}/${message.offset}`, body: message.value }
}

/** Hours between deliveries, as senders of Standard Webhooks space them; three days in all. */
const VENDOR_SCHEDULE_HOURS = [0, 0.01, 0.1, 0.5, 2, 5, 10, 14, 20, 20] as const
const SECRET = Buffer.from('shared with the vendor').toString('base64')

/** A delivery as a vendor signs it at `now`, by https://www.standardwebhooks.com. */
function signedDelivery(id: string, body: object, now: number): Request {
  const text = JSON.stringify(body)
  const at = String(Math.floor(now / 1000))
  const signature = createHmac('sha256', Buffer.from(SECRET, 'base64')).update(`${id}.${at}.${text}`).digest('base64')
  return new Request('http://shop.example/webhooks', {
    method: 'POST',
    body: text,
    headers: { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': `v1,${signature}` },
  })
}

/** The shop's end of the webhook: the inbox, or a handler as they are written, whose failure is a 500. */
function webhookEnd(
  stage: Stage,
  handle: (body: unknown) => Promise<unknown>,
  nowMs: () => number,
): (request: Request) => Promise<Response> {
  if (stage.guard !== undefined) {
    return webhookInbox(stage.guard, {
      from: standardWebhooks({ secret: SECRET }),
      recovery: composite(),
      nowMs,
      handle: ({ body }) => handle(body),
    })
  }
  return async (request) => {
    try {
      return Response.json(await handle(await request.json()))
    } catch {
      return new Response('failed', { status: 500 })
    }
  }
}
