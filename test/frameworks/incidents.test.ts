import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod'
import * as ai from 'ai'
import type { ToolSet } from 'ai'
import { composite, keyed, manual, probe } from '../../src/index.ts'
import { protectTools, toAiSdk } from '../../src/adapter/ai-sdk/index.ts'
import type { Guard } from '../../src/engine/index.ts'
import { startDownstream, type Downstream } from '../support/downstream.ts'
import { testGuard } from '../support/guard.ts'
import { charge, type Charged } from './support/scenario.ts'
import { MAJORS, outputOf, persistent, scriptedModel, text, toolCall, type Script } from './support/ai-sdk.ts'

const sdk = MAJORS[0]!
let downstream: Downstream
let guard: Guard
beforeAll(async () => {
  downstream = await startDownstream()
})
afterAll(async () => await downstream.close())
beforeEach(() => {
  guard = testGuard()
})
afterEach(async () => await guard.close())

const within = (timeoutMs: number): RequestInit => ({ signal: AbortSignal.timeout(timeoutMs) })
const generate = (tools: ToolSet, script: Script, stopAfter = 6) =>
  ai.generateText({
    model: scriptedModel(sdk, script).model,
    tools,
    stopWhen: ai.stepCountIs(stopAfter),
    maxRetries: 0,
    prompt: 'go',
  })

describe('incidents, played by an agent', () => {
  it('[IN-1] fourteen e-mails: answers that come too late, the agent’s retries, the re-triggered flow', async () => {
    const mail = (to: string): ToolSet => ({
      send: ai.tool({
        inputSchema: z.object({ to: z.string(), body: z.string() }),
        execute: ({ to: ref }) => charge(downstream, { order: ref, amount: 0 }, within(30)),
      }),
      ...(to === '' ? {} : {}),
    })
    let worded = 0
    // Three attempts in a flow, then it gives up, and the queue triggers the flow anew.
    const flow = async (tools: ToolSet, to: string): Promise<boolean> => {
      const { text: said } = await generate(tools, (prompt) => {
        const output = outputOf(prompt)
        if (output !== undefined && !/error/.test(output.type)) return [text('sent')]
        const attempts = prompt.filter(({ role }) => role === 'tool').length
        return attempts === 3 ? [text('failed')] : [toolCall('send', { to, body: `wording ${++worded}` })]
      })
      return said === 'sent'
    }
    const untilSent = async (tools: ToolSet, to: string): Promise<void> => {
      for (let time = 0; time < 5; time += 1) if (await flow(tools, to)) return
    }
    await downstream.plan('mail-before', ...Array(13).fill('stall:300'))
    await untilSent(mail('x'), 'mail-before')
    expect(await downstream.effects('mail-before')).toBe(14)

    for (const [to, recovery] of [
      ['mail-keyed', keyed('24h')],
      ['mail-manual', manual()],
    ] as const) {
      await downstream.plan(to, ...Array(13).fill('stall:300'))
      const tools = protectTools(guard, mail('x'), {
        send: { name: to, identity: ['to'], ignore: ['body'], recovery } as never,
      })
      await guard.run({ id: to }, () => untilSent(tools, to))
      expect(await downstream.effects(to)).toBe(1)
    }
    const { records } = await guard.ledger.list()
    expect(Object.fromEntries(records.map(({ tool, state }) => [tool, state]))).toEqual({
      'mail-keyed': expect.stringMatching(/committed|in-doubt|recovering|executing/),
      'mail-manual': 'in-doubt',
    })
  })

  it('[IN-3] [BF-7] a ghost order: the model makes up a new order id at each attempt', async () => {
    const tool = ai.tool({
      inputSchema: z.object({ orderId: z.string(), customer: z.string(), sku: z.string() }),
      execute: ({ customer }) => charge(downstream, { order: customer, amount: 1 }),
    })
    const script =
      (customer: string): Script =>
      (prompt, sample) =>
        persistent({ orderId: `ghost-${sample}`, customer, sku: 'S1' }, 'order')(prompt, sample)
    await downstream.plan('ghost-before', 'lose-answer')
    await generate({ order: tool }, script('ghost-before'))
    expect(await downstream.effects('ghost-before')).toBe(2)
    await downstream.plan('ghost-after', 'lose-answer')
    const contract = { identity: ['customer', 'sku'], ignore: ['orderId'], recovery: keyed('24h') } as const
    const tools = protectTools(guard, { order: tool }, { order: contract })
    await guard.run({ id: 'ghost' }, () => generate(tools, script('ghost-after')))
    await guard.run({ id: 'ghost-again' }, () => generate(tools, script('ghost-after')))
    expect(await downstream.effects('ghost-after')).toBe(1)
  })

  it('[IN-5] tickets: a time-out shorter than the service, and a merge that times out too', async () => {
    const step = (name: string) =>
      ai.tool({
        inputSchema: z.object({ customer: z.string() }),
        execute: ({ customer }) => charge(downstream, { order: `${name}-${customer}`, amount: 0 }, within(80)),
      })
    const set = { ticket: step('ticket'), merge: step('merge'), thread: step('thread') }
    // Each step is called until it has an answer; then comes the next.
    const script =
      (customer: string): Script =>
      (prompt) => {
        const done = prompt.filter(
          ({ role, content }) => role === 'tool' && !JSON.stringify(content).includes('"error-text"'),
        ).length
        const next = (['ticket', 'merge', 'thread'] as const)[done]
        return next === undefined ? [text('Done.')] : [toolCall(next, { customer })]
      }
    const effects = (customer: string): Promise<readonly number[]> =>
      Promise.all(['ticket', 'merge', 'thread'].map((name) => downstream.effects(`${name}-${customer}`)))
    const slow = async (customer: string): Promise<void> => {
      for (const name of ['ticket', 'merge']) await downstream.plan(`${name}-${customer}`, 'stall:400')
    }
    await slow('before')
    await generate(set, script('before'), 8)
    expect(await effects('before')).toEqual([2, 2, 1])
    await slow('after')
    const contract = { identity: ['customer'], recovery: keyed('24h') } as const
    const tools = protectTools(guard, set, { ticket: contract, merge: contract, thread: contract })
    const answer = await guard.run({ id: 'ticket' }, () => generate(tools, script('after'), 8))
    expect(answer.text).toBe('Done.')
    expect(await effects('after')).toEqual([1, 1, 1])
  })

  it('[AG-1] a stream that is stopped: stream, tools, log and billing agree on the receipt', async () => {
    const orders = { done: 'stop-done', running: 'stop-running', refused: 'stop-refused', lost: 'stop-lost' }
    await downstream.plan(orders.running, 'hold')
    await downstream.plan(orders.refused, 'refuse')
    await downstream.plan(orders.lost, 'lose-answer')
    const tool = ai.tool({
      inputSchema: z.object({ order: z.string(), cents: z.number() }),
      execute: ({ order, cents }) => charge(downstream, { order, amount: cents }),
    })
    const tools = protectTools(
      guard,
      { charge: tool },
      { charge: { identity: ['order'], amount: 'cents', recovery: manual() } },
    )
    const { model } = scriptedModel(sdk, () =>
      Object.values(orders).map((order, at) => toolCall('charge', { order, cents: 10 ** at })),
    )
    await guard.run({ id: 'stopped' }, async (run) => {
      const stop = new AbortController()
      const stream = ai.streamText({ model, tools, abortSignal: stop.signal, prompt: 'go', onError: () => {} })
      let ended = 0
      for await (const part of stream.fullStream)
        if ((part.type === 'tool-result' || part.type === 'tool-error') && ++ended === 3) {
          await downstream.until(orders.running, 1)
          stop.abort()
        }
      const told = async () => {
        const receipt = await run.receipt()
        const amounts = (entries: readonly { readonly amount: number | undefined }[]) =>
          entries.map(({ amount }) => amount)
        const { committed, running, cancelled, inDoubt } = receipt
        return {
          committed: amounts(committed),
          running: amounts(running),
          cancelled: amounts(cancelled),
          inDoubt: amounts(inDoubt),
        }
      }
      expect(await told()).toEqual({ committed: [1], running: [10], cancelled: [100], inDoubt: [1000] })
      const settled = run.settled()
      await downstream.release(orders.running)
      await settled
      const { committed, ...rest } = await told()
      expect([committed.toSorted((a = 0, b = 0) => a - b), rest]).toEqual([
        [1, 10],
        { running: [], cancelled: [100], inDoubt: [1000] },
      ])
    })
    const log = await guard.ledger.list()
    expect(log.records.map(({ state, amount }) => `${state} ${amount}`).toSorted()).toEqual([
      'committed 1',
      'committed 10',
      'in-doubt 1000',
      'rejected 100',
    ])
    const billed = await Promise.all(Object.values(orders).map((order) => downstream.effects(order)))
    expect(billed).toEqual([1, 1, 0, 1])
  })

  it('[BF-1] one run id from the entry to every outbound request, through a retry and a sub-agent', async () => {
    await downstream.plan('inner', 'lose-answer')
    const inner = protectTools(
      guard,
      {
        place: ai.tool({
          inputSchema: z.object({ ref: z.string() }),
          execute: ({ ref }) => charge(downstream, { order: ref, amount: 1 }),
        }),
      },
      { place: { identity: ['ref'], recovery: keyed('24h') } },
    )
    const outer: ToolSet = {
      delegate: ai.tool({
        inputSchema: z.object({ ref: z.string() }),
        execute: async ({ ref }) => (await generate(inner, persistent({ ref }, 'place'))).text,
      }),
    }
    const go = () => generate(outer, persistent({ ref: 'inner' }, 'delegate'))
    await guard.run({ id: 'req-1', tenant: 'acme', session: 's' }, go)
    await guard.run({ id: 'req-1', tenant: 'acme', session: 's' }, go)
    const requests = await downstream.requests('inner')
    expect(requests.map((headers) => headers['onefold-run'])).toEqual(['req-1', 'req-1'])
    expect(new Set(requests.map((headers) => headers['idempotency-key'])).size).toBe(1)
    expect(await downstream.effects('inner')).toBe(1)
  })

  it('[SH-1] [SH-3] a half-written first attempt is found, and not repeated, when the agent tries again', async () => {
    const part = (name: string) =>
      guard.tool({
        name,
        input: z.object({ ref: z.string() }),
        effect: 'write',
        identity: ['ref'],
        recovery: probe(
          async ({ ref }: { readonly ref: string }) => {
            const response = await fetch(`${downstream.url}/effects/${name}-${ref}`)
            return response.ok
              ? { found: true as const, value: (await response.json()) as Charged }
              : { found: false as const }
          },
          { settle: '1s' },
        ),
        execute: ({ ref }) => charge(downstream, { order: `${name}-${ref}`, amount: 1 }),
      })
    const [stock, bill] = [part('stock'), part('bill')]
    const order = guard.tool({
      name: 'order',
      input: z.object({ ref: z.string() }),
      effect: 'write',
      identity: ['ref'],
      recovery: composite(),
      execute: async ({ ref }) => [await stock({ ref }), await bill({ ref })].length,
    })
    // A 504 whose effect happened, in the middle of the order.
    await downstream.plan('bill-half', 'fail-after')
    const tools: ToolSet = { order: toAiSdk(order) }
    for (let time = 0; time < 3; time += 1)
      await guard.run({ id: 'half' }, () => generate(tools, persistent({ ref: 'half' }, 'order')))
    expect([await downstream.effects('stock-half'), await downstream.effects('bill-half')]).toEqual([1, 1])
    expect(
      (await guard.run({ id: 'half' }, (run) => run.receipt())).committed.map(({ tool }) => tool).toSorted(),
    ).toEqual(['bill', 'order', 'stock'])
  })
})
