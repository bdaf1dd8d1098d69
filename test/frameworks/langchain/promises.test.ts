import { AIMessage, ToolMessage, type BaseMessage } from '@langchain/core/messages'
import { tool, type StructuredToolInterface } from '@langchain/core/tools'
import { Command, interrupt, MemorySaver } from '@langchain/langgraph'
import { createAgent, toolRetryMiddleware, type ToolRuntime } from 'langchain'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { protectTools } from '../../../src/adapter/langchain/index.ts'
import type { Contracts } from '../../../src/adapter/shared/index.ts'
import { keyed, manual } from '../../../src/contract/index.ts'
import type { Guard } from '../../../src/engine/index.ts'
import { onefoldFetch } from '../../../src/downstream/public.ts'
import { startDownstream, type Downstream } from '../../support/downstream.ts'
import { testGuard } from '../../support/guard.ts'
import { persistent, ScriptedModel, toolAnswers, type Call, type Told } from './model.ts'

const send = onefoldFetch()
/** LangChain's types of its own middleware do not hold under `exactOptionalPropertyTypes`. */
const retrying = (): never[] => [toolRetryMiddleware({ initialDelayMs: 1, jitter: false })] as never[]
const user = { messages: [{ role: 'user', content: 'do it' }] }
let downstream: Downstream
beforeAll(async () => (downstream = await startDownstream()))
afterAll(() => downstream.close())

/** A tool that posts its whole input to `/effects/<ref>`. */
function poster<Shape extends z.ZodRawShape>(
  name: string,
  shape: Shape,
  refOf: (input: never) => string,
  timeoutMs = 60_000,
) {
  return tool(
    async (input: Record<string, unknown>) => {
      const answer = await send(`${downstream.url}/effects/${refOf(input as never)}`, {
        method: 'POST',
        body: JSON.stringify(input),
        signal: AbortSignal.timeout(timeoutMs),
      })
      if (!answer.ok) throw new Error(`the service answered ${answer.status}`)
      return await answer.text()
    },
    { name, description: name, schema: z.object(shape) },
  )
}

const order = () =>
  poster(
    'place_order',
    { ref: z.string(), note: z.string().optional(), amount: z.number() },
    ({ ref }: { ref: string }) => ref,
  )
const keyedOrder: Contracts = { place_order: { identity: ['ref'], ignore: ['note'], recovery: keyed('24h') } }

/** Each promise first without protection, where the duplicate shows, then with it. */
const BOTH = [
  ['unprotected', undefined],
  ['protected', testGuard()],
] as const

/** The tools as they are in the control, and what a run is then. */
function given(guard: Guard | undefined, contracts: Contracts) {
  return {
    protect: <Tools extends StructuredToolInterface[] | []>(tools: Tools): Tools =>
      guard === undefined
        ? tools
        : protectTools(guard, tools, Object.fromEntries(tools.map(({ name }) => [name, contracts[name]]))),
    run: <T>(id: string, work: () => Promise<T>): Promise<T> =>
      guard === undefined ? work() : guard.run({ id }, work),
    /** A name of its own in each variant. */
    ref: (name: string) => (guard === undefined ? `${name}-control` : name),
  }
}

describe.each(BOTH)('agents that want the same, %s', (_variant, guard) => {
  const { protect, run, ref } = given(guard, keyedOrder)

  it('five parallel sub-agents: one effect, five answers [SH-2]', async () => {
    const [placeOrder] = protect([order()])
    const agentNo = (n: number) => {
      const model = new ScriptedModel(
        persistent([['place_order', { ref: ref('five'), note: `for agent ${n}`, amount: 1 }]]),
      )
      return createAgent({ model, tools: [placeOrder] }).invoke(user)
    }
    const ends = await run('planner', () => Promise.all([1, 2, 3, 4, 5].map(agentNo)))
    expect(await downstream.effects(ref('five'))).toBe(guard === undefined ? 5 : 1)
    const answers = ends.map(({ messages }) => messages.find(isToolMessage)?.content)
    expect(answers).toEqual(Array.from({ length: 5 }, () => expect.stringContaining('"ref":"five')))
    expect(new Set(answers).size).toBe(guard === undefined ? 5 : 1)
  })

  it('three calls in one planner turn with ids of their own: one effect, three answers [AG-7]', async () => {
    const [placeOrder] = protect([order()])
    const call: Call = ['place_order', { ref: ref('three'), amount: 1 }]
    const model = new ScriptedModel(persistent([call, call, call]))
    const { messages } = await run('turn', () => createAgent({ model, tools: [placeOrder] }).invoke(user))
    expect(await downstream.effects(ref('three'))).toBe(guard === undefined ? 3 : 1)
    const answers = messages.filter(isToolMessage)
    expect(new Set(answers.map(({ tool_call_id }) => tool_call_id)).size).toBe(3)
    expect(new Set(answers.map(({ content }) => content)).size).toBe(guard === undefined ? 3 : 1)
  })
})

describe('agents that want the same twice', () => {
  it('two wanted orders that are equal both happen, and each only once [SH-9]', async () => {
    const guard = testGuard()
    const copies = poster('place_order', { ref: z.string(), copy: z.number() }, ({ ref }: { ref: string }) => ref)
    const contract: Contracts[string] = { identity: ['ref'], recovery: keyed('24h'), occurrenceField: 'copy' }
    const [placeOrder] = protectTools(guard, [copies], { place_order: contract })
    const both: Call[] = [1, 2].map((copy) => ['place_order', { ref: 'wanted', copy }])
    const attempt = () =>
      guard.run({ id: 'wanted' }, () =>
        createAgent({ model: new ScriptedModel(persistent(both)), tools: [placeOrder] }).invoke(user),
      )
    await attempt()
    await attempt()
    expect(await downstream.effects('wanted')).toBe(2)
  })
})

describe.each(BOTH)('a run that reasons anew, %s', (_variant, guard) => {
  const names = ['create_ticket', 'merge_tickets', 'open_thread']
  const { protect, run, ref } = given(guard, {
    ...keyedOrder,
    create_order: { identity: ['cart'], ignore: ['orderId'], recovery: keyed('24h') },
    ...Object.fromEntries(names.map((name) => [name, { identity: ['case'], recovery: keyed('24h') } as const])),
  })

  it('picks another order, other words and another amount: still no second effect [BF-7]', async () => {
    const tools = protect([order()])
    const [tv, radio] = [ref('tv'), ref('radio')]
    const attempt = (calls: readonly Call[], told: Told[] = []) =>
      run('black-friday', () =>
        createAgent({ model: new ScriptedModel(persistent(calls, told, 1)), tools }).invoke(user),
      )
    await attempt([
      ['place_order', { ref: tv, note: 'a large one', amount: 1 }],
      ['place_order', { ref: radio, note: 'red', amount: 1 }],
    ])
    const told: Told[] = []
    await attempt(
      [
        ['place_order', { ref: radio, note: 'in red, please', amount: 1 }],
        ['place_order', { ref: tv, note: 'big', amount: 3 }],
      ],
      told,
    )
    const each = guard === undefined ? 2 : 1
    expect([await downstream.effects(tv), await downstream.effects(radio)]).toEqual([each, each])
    if (guard === undefined) return
    expect(told[0]).toMatchObject({ failed: false })
    expect(told[1]?.content).toMatch(/already recorded with another value of amount\. No effect started/)
  })

  it('invents a new order id at each attempt: one order [IN-3]', async () => {
    const cart = ref('cart-7')
    const shape = { orderId: z.string(), cart: z.string() }
    const tools = protect([poster('create_order', shape, (input: { cart: string }) => input.cart)])
    await downstream.plan(cart, 'lose-answer', 'fail-after')
    let invented = 0
    const model = new ScriptedModel((messages) =>
      toolAnswers(messages).some(({ failed }) => !failed)
        ? 'Done.'
        : [['create_order', { orderId: `ord-${(invented += 1)}`, cart }]],
    )
    const attempt = () => run('ghost', () => createAgent({ model, tools }).invoke(user))
    await attempt()
    await attempt()
    expect(invented).toBe(guard === undefined ? 4 : 2)
    expect(await downstream.effects(cart)).toBe(guard === undefined ? 4 : 1)
  })

  it('a ticket service slower than its client, then a merge that times out too: one of each [IN-5]', async () => {
    const of = (name: string): string => ref(`${name}-9`)
    const tools = protect(names.map((name) => poster(name, { case: z.string() }, () => of(name), 60)))
    for (const name of names.slice(0, 2)) await downstream.plan(of(name), 'hold', 'hold')
    const model = new ScriptedModel((messages) => {
      const done = messages.filter((message) => isToolMessage(message) && message.status !== 'error').length
      const next = names[done]
      return next === undefined ? 'Done.' : [[next, { case: '9' }]]
    })
    const middleware = retrying()
    const attempt = () => run('case-9', () => createAgent({ model, tools, middleware }).invoke(user))
    await attempt()
    await attempt()
    const effects = await Promise.all(names.map((name) => downstream.effects(of(name))))
    expect(effects).toEqual(guard === undefined ? [4, 4, 2] : [1, 1, 1])
    for (const name of names) await downstream.release(of(name))
  })
})

describe('what the model reads', () => {
  it('is byte for byte what it was, on the path that succeeds', async () => {
    const tools = () => [
      tool(() => 'plain', { name: 'text', description: 't', schema: z.object({}) }),
      tool(() => ({ a: [1, { b: null }], c: 'ü' }), { name: 'object', description: 'o', schema: z.object({}) }),
      tool(() => [{ type: 'text', text: 'block' }], { name: 'blocks', description: 'b', schema: z.object({}) }),
      tool(() => ['shown', { kept: new Date(0) }], {
        name: 'artifact',
        description: 'a',
        schema: z.object({}),
        responseFormat: 'content_and_artifact',
      }),
      tool(
        async function* () {
          yield 'half way'
          return 'streamed'
        },
        { name: 'stream', description: 's', schema: z.object({}) },
      ),
      tool(
        (_input, runtime: ToolRuntime) =>
          new ToolMessage({
            content: 'direct',
            tool_call_id: runtime.toolCallId,
            name: 'directly',
            metadata: { lines: 2 },
            additional_kwargs: { cached: true },
            response_metadata: { tokens: 3 },
          }),
        {
          name: 'direct',
          description: 'd',
          schema: z.object({}),
        },
      ),
    ]
    const names = tools().map(({ name }) => name)
    const contracts = Object.fromEntries(names.map((name) => [name, { identity: 'all', recovery: manual() } as const]))
    const guard = testGuard()
    const seenBy = async (used: object[]) => {
      const model = new ScriptedModel(persistent(names.map((name): Call => [name, {}])))
      const { messages } = await createAgent({ model, tools: used as never[] }).invoke(user)
      return messages
        .filter(isToolMessage)
        .map(({ tool_call_id: _callId, id: _id, lc_kwargs: _given, ...said }) => said)
    }
    const plain = await seenBy(tools())
    const once = protectTools(guard, tools(), contracts)
    expect(await seenBy(once)).toEqual(plain)
    expect(JSON.stringify(await seenBy(once)), 'and a replay of it').toBe(JSON.stringify(plain))
  })

  it('never invites it to repeat a write whose outcome is unknown, and no retry engine repeats it', async () => {
    for (const middleware of [[], retrying()]) {
      const ref = `doubt-${middleware.length}`
      await downstream.plan(ref, 'lose-answer')
      const guard = testGuard()
      const tools = protectTools(guard, [order()], { place_order: { identity: ['ref'], recovery: manual() } })
      const told: Told[] = []
      const model = new ScriptedModel(persistent([['place_order', { ref, amount: 1 }]], told, 2))
      await createAgent({ model, tools, middleware } as never).invoke(user)
      expect(told.length).toBe(2)
      for (const { content, failed } of told) {
        expect(failed).toBe(true)
        expect(content).toMatch(
          /outcome of place_order is unknown.*Do not call it again.*settled by a person\. Ticket /,
        )
        expect(content).not.toMatch(/fix your mistakes|try again/i)
      }
      expect(await downstream.requests(ref)).toHaveLength(1)
      await guard.close()
    }
  })

  it('keeps the error of a tool that nothing came of, as LangChain shows it', async () => {
    await downstream.plan('refused', 'refuse', 'refuse')
    const contents = []
    for (const guard of [undefined, testGuard()]) {
      const told: Told[] = []
      const tools = guard === undefined ? [order()] : protectTools(guard, [order()], keyedOrder)
      const model = new ScriptedModel(persistent([['place_order', { ref: 'refused', amount: 1 }]], told, 1))
      await createAgent({ model, tools }).invoke(user)
      contents.push(told.map(({ content }) => content))
    }
    expect(contents[1]).toEqual(contents[0])
    expect(contents[0]?.[0]).toContain('Please fix your mistakes')
  })
})

describe('a tool that asks a person first', () => {
  it.each([
    ['keyed', keyed('24h')],
    ['manual', manual()],
  ])('and throws a no that its contract names asks again when it is wanted later (%s)', async (name, recovery) => {
    const ref = `declined-${name}`
    const guard = testGuard()
    const asks = tool(
      async () => {
        if (interrupt('Really?') !== 'yes') throw Object.assign(new Error('declined'), { code: 'DECLINED' })
        return await (await send(`${downstream.url}/effects/${ref}`, { method: 'POST', body: '{}' })).text()
      },
      { name: 'place_order', description: 'p', schema: z.object({ ref: z.string() }) },
    )
    const errors = [{ match: 'DECLINED', effect: 'none' }] as const
    const tools = protectTools(guard, [asks], { place_order: { identity: ['ref'], recovery, errors } })
    const model = new ScriptedModel((messages) => {
      const [answer] = toolAnswers(messages)
      return answer === undefined ? [['place_order', { ref }]] : answer.content
    })
    const agent = createAgent({ model, tools, checkpointer: new MemorySaver() })
    const thread = { configurable: { thread_id: ref } }
    await agent.invoke(user, thread)
    const declined = await agent.invoke(new Command({ resume: 'no' }), thread)
    expect(declined.messages.at(-1)?.text).toContain('declined')
    expect(await agent.invoke(user, thread)).toHaveProperty('__interrupt__')
    await agent.invoke(new Command({ resume: 'yes' }), thread)
    expect(await downstream.effects(ref)).toBe(1)
    await guard.close()
  })

  const careful = (ref: string) =>
    tool(
      async () => {
        if (interrupt('Really?') !== 'yes') return 'not ordered'
        const answer = await send(`${downstream.url}/effects/${ref}`, { method: 'POST', body: '{}' })
        return await answer.text()
      },
      { name: 'place_order', description: 'p', schema: z.object({ ref: z.string() }) },
    )

  it.each([
    ['keyed', keyed('24h')],
    ['manual', manual()],
  ])(
    'pauses the graph, and orders once after the answer, also when it is resumed twice (%s)',
    async (name, recovery) => {
      const ref = `asked-${name}`
      const guard = testGuard()
      const tools = protectTools(guard, [careful(ref)], { place_order: { identity: ['ref'], recovery } })
      const model = new ScriptedModel(persistent([['place_order', { ref }]]))
      const agent = createAgent({ model, tools, checkpointer: new MemorySaver() })
      const thread = { configurable: { thread_id: ref } }
      const paused = await agent.invoke(user, thread)
      expect(paused).toHaveProperty('__interrupt__')
      expect(await downstream.effects(ref)).toBe(0)
      expect(
        (await guard.ledger.list({ states: ['committed'] } as never)).records.filter(
          ({ state }) => state === 'committed',
        ),
      ).toEqual([])
      const { messages } = await agent.invoke(new Command({ resume: 'yes' }), thread)
      expect(messages.at(-1)).toBeInstanceOf(AIMessage)
      expect(await downstream.effects(ref)).toBe(1)
      const history = []
      for await (const state of agent.graph.getStateHistory(thread)) history.push(state)
      const before = history.find(({ next }) => next.includes('tools'))
      await agent.invoke(new Command({ resume: 'yes' }), before?.config as never)
      expect(await downstream.effects(ref)).toBe(1)
      await guard.close()
    },
  )
})

function isToolMessage(message: BaseMessage): message is ToolMessage {
  return message.type === 'tool'
}
