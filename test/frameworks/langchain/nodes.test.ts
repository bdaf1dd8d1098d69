import { AIMessage, HumanMessage, ToolMessage } from '@langchain/core/messages'
import { tool } from '@langchain/core/tools'
import { Annotation, Command, END, MemorySaver, MessagesAnnotation, START, StateGraph } from '@langchain/langgraph'
import { createAgent, type ToolRuntime } from 'langchain'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { protectNode, protectTools, toolContext } from '../../../src/adapter/langchain/index.ts'
import type { Guard } from '../../../src/engine/index.ts'
import { keyed, manual } from '../../../src/index.ts'
import { startDownstream, type Downstream } from '../../support/downstream.ts'
import { testGuard } from '../../support/guard.ts'
import { charge } from '../support/scenario.ts'
import { persistent, ScriptedModel, toolAnswers, type Told } from './model.ts'

const user = { messages: [new HumanMessage({ content: 'go', id: 'user-1' })] }
let downstream: Downstream
beforeAll(async () => (downstream = await startDownstream()))
afterAll(() => downstream.close())

const act = (order: string) => charge(downstream, { order, amount: 1 })

describe('a protected node', () => {
  it('gives its messages back in a repeated run, which does it once', async () => {
    const guard = testGuard()
    const node = protectNode(
      guard,
      async () => {
        await act('messages')
        return { messages: [new AIMessage({ content: 'charged', id: 'answer-1' })] }
      },
      { name: 'pay', recovery: manual(), identity: () => 'messages' },
    )
    const graph = new StateGraph(MessagesAnnotation).addNode('pay', node).addEdge(START, 'pay').compile()
    const ends = [await graph.invoke(user), await graph.invoke(user)]
    expect(await downstream.effects('messages')).toBe(1)
    expect(ends[1]?.messages.at(-1)).toBeInstanceOf(AIMessage)
    expect(ends[1]?.messages.at(-1)?.toDict()).toEqual(ends[0]?.messages.at(-1)?.toDict())
  })

  it('gives a Command back: the graph changes and goes on as at the first time', async () => {
    const guard = testGuard()
    const node = protectNode(
      guard,
      async () => {
        await act('command')
        return new Command({ update: { messages: [new AIMessage('charged')] }, goto: 'after' })
      },
      { name: 'pay', recovery: manual(), identity: () => 'command' },
    )
    const graph = new StateGraph(MessagesAnnotation)
      .addNode('pay', node, { ends: ['after', 'other'] })
      .addNode('after', () => ({ messages: [new AIMessage('after')] }))
      .addNode('other', () => ({ messages: [new AIMessage('other')] }))
      .addEdge(START, 'pay')
      .compile()
    const texts = async (): Promise<readonly string[]> => (await graph.invoke(user)).messages.map(({ text }) => text)
    expect([await texts(), await texts()]).toEqual([
      ['go', 'charged', 'after'],
      ['go', 'charged', 'after'],
    ])
    expect(await downstream.effects('command')).toBe(1)
  })

  it('acts once in a run that is started again, twice where the run comes to it twice, and anew in the next turn', async () => {
    const guard = testGuard()
    let breaks = 0
    const pay = protectNode(
      guard,
      async () => {
        await act('places')
        return { messages: [new AIMessage('charged')] }
      },
      { name: 'pay', recovery: manual() },
    )
    const build = (options: object = {}) =>
      new StateGraph(MessagesAnnotation)
        .addNode('pay', pay)
        .addNode('check', () => {
          if (breaks-- > 0) throw new Error('breaks down')
          return {}
        })
        .addEdge(START, 'pay')
        .addEdge('pay', 'check')
        .addConditionalEdges('check', ({ messages }) =>
          messages.filter(({ text }) => text === 'charged').length % 2 === 1 ? 'pay' : END,
        )
        .compile(options)
    const run = () => guard.run({ id: 'places' }, () => build().invoke(user))
    breaks = 1
    await run().catch(run)
    expect(await downstream.effects('places'), 'a loop of two, started twice').toBe(2)
    const thread = { configurable: { thread_id: 'places' } }
    const kept = build({ checkpointer: new MemorySaver() })
    await kept.invoke(user, thread)
    await kept.invoke({ messages: [new HumanMessage('again')] }, thread)
    expect(await downstream.effects('places'), 'two turns of a thread').toBe(6)
  })

  it('is never answered by what it did for another state: two orders in one run of a graph without a checkpointer', async () => {
    const of = (guard: Guard, options: object) =>
      protectNode(
        guard,
        async ({ order }: { order: string }) => {
          await act(order)
          return { receipt: `for ${order}` }
        },
        { name: 'pay', recovery: manual(), ...options },
      )
    const State = Annotation.Root({ order: Annotation<string>(), receipt: Annotation<string>() })
    const both = async (options: object): Promise<readonly unknown[]> => {
      const guard = testGuard()
      const graph = new StateGraph(State).addNode('pay', of(guard, options)).addEdge(START, 'pay').compile()
      const pay = (order: string) => graph.invoke({ order }).then(({ receipt }) => receipt, String)
      const run = () => guard.run({ id: 'two orders' }, async () => [await pay('first'), await pay('second')])
      return [...(await run()), ...(await run())]
    }
    const refused = expect.stringMatching(
      /pay is already recorded at this place in the run, with another state \(state\.order\)\. No effect started/,
    )
    expect(await both({})).toEqual(['for first', refused, 'for first', refused])
    expect([await downstream.effects('first'), await downstream.effects('second')]).toEqual([1, 0])
    const identity = ({ order }: { order: string }) => order
    expect(await both({ identity })).toEqual(['for first', 'for second', 'for first', 'for second'])
    expect([await downstream.effects('first'), await downstream.effects('second')]).toEqual([2, 1])
  })

  it('knows its state again in a run that is tried again, whatever ids its messages have got', async () => {
    const guard = testGuard()
    const node = protectNode(
      guard,
      async () => {
        await act('new ids')
        return {}
      },
      { name: 'pay', recovery: manual() },
    )
    let calls = 0
    const graph = new StateGraph(MessagesAnnotation)
      .addNode('think', () => {
        const call = { name: 'pay', args: { order: 'new ids' }, id: `call-${(calls += 1)}`, type: 'tool_call' as const }
        return { messages: [new AIMessage({ content: 'I pay.', tool_calls: [call] })] }
      })
      .addNode('pay', node)
      .addEdge(START, 'think')
      .addEdge('think', 'pay')
      .compile()
    const run = () => guard.run({ id: 'new ids' }, () => graph.invoke({ messages: [{ role: 'user', content: 'go' }] }))
    await run()
    await run()
    expect(calls).toBe(2)
    expect(await downstream.effects('new ids')).toBe(1)
  })

  it.each([
    ['sync', undefined, 1],
    // The checkpoint that names the task is lost in the crash: LangGraph makes another task of the same work.
    ['async', undefined, 2],
    ['exit', undefined, 2],
    ['async', 'order', 1],
    ['exit', 'order', 1],
  ] as const)('after a crash, durability %j, identity %s: %i effects', async (durability, identity, effects) => {
    const guard = testGuard()
    const order = `durable-${durability}-${identity}`
    const crashed = Promise.withResolvers<void>()
    const never = new Promise<never>(() => {})
    let running = true
    /** Loses what LangGraph has not waited for when the process ends. */
    class Losing extends MemorySaver {
      override async put(...call: Parameters<MemorySaver['put']>): ReturnType<MemorySaver['put']> {
        if (!running || Number(call[2].step) < (durability === 'sync' ? 2 : 1)) return await super.put(...call)
        if (durability === 'sync') crashed.resolve()
        return await never
      }
      override async putWrites(): Promise<void> {}
    }
    const pay = protectNode(
      guard,
      async () => {
        await act(order)
        return { messages: [new AIMessage('charged')] }
      },
      { name: 'pay', recovery: manual(), ...(identity === undefined ? {} : { identity: () => identity }) },
    )
    const crash = async (): Promise<object> => {
      crashed.resolve()
      return running ? await never : {}
    }
    const graph = new StateGraph(MessagesAnnotation)
      .addNode('look', () => ({ messages: [new AIMessage('looked')] }))
      .addNode('pay', pay)
      .addNode('crash', crash)
      .addEdge(START, 'look')
      .addEdge('look', 'pay')
      .addEdge('pay', 'crash')
      .compile({ checkpointer: new Losing() as MemorySaver })
    const attempt = (input: typeof user | null) =>
      guard.run({ id: order }, () => graph.invoke(input, { configurable: { thread_id: order }, durability }))
    void attempt(user)
    await crashed.promise
    running = false
    await attempt(durability === 'exit' ? user : null)
    expect(await downstream.effects(order)).toBe(effects)
  })

  it.each([
    ['none', 2],
    ['order', 1],
  ])(
    'replayed from an earlier checkpoint, which makes new tasks, identity %s: %i effects',
    async (identity, effects) => {
      const guard = testGuard()
      const order = `replayed-${identity}`
      const pay = protectNode(
        guard,
        async () => {
          await act(order)
          return { messages: [new AIMessage('charged')] }
        },
        { name: 'pay', recovery: manual(), ...(identity === 'none' ? {} : { identity: () => identity }) },
      )
      const graph = new StateGraph(MessagesAnnotation)
        .addNode('pay', pay)
        .addEdge(START, 'pay')
        .compile({ checkpointer: new MemorySaver() })
      const thread = { configurable: { thread_id: order } }
      await graph.invoke(user, thread)
      for await (const { next, config } of graph.getStateHistory(thread))
        if (next[0] === 'pay') await graph.invoke(null, config)
      expect(await downstream.effects(order)).toBe(effects)
    },
  )

  it('outside a graph is refused, unless it has an identity', async () => {
    const node = protectNode(testGuard(), async () => 1, { name: 'pay', recovery: manual() })
    await expect(node({}, {})).rejects.toThrow(/cannot tell which execution this is.*give protectNode an identity/)
  })
})

describe('a protected tool', () => {
  it('that answers by a Command answers each equal call, joined or repeated, under that call’s own id', async () => {
    const guard = testGuard()
    const order = tool(
      async (_input, runtime: ToolRuntime) => {
        await act('commanded')
        const answer = new ToolMessage({ content: 'ordered', tool_call_id: runtime.toolCallId, id: 'answer' })
        return new Command({ update: { messages: [answer] } })
      },
      { name: 'order', description: 'o', schema: z.object({}) },
    )
    const tools = protectTools(guard, [order], { order: { identity: 'all', recovery: manual(), notice: 'model' } })
    let turns = 0
    const model = new ScriptedModel(() => {
      turns += 1
      return turns === 1
        ? [
            ['order', {}],
            ['order', {}],
          ]
        : turns === 2
          ? [['order', {}]]
          : 'Done.'
    })
    const { messages } = await guard.run({ id: 'commanded' }, () => createAgent({ model, tools }).invoke(user))
    expect(await downstream.effects('commanded')).toBe(1)
    const calls = messages.flatMap((message) => (AIMessage.isInstance(message) ? (message.tool_calls ?? []) : []))
    const answers = messages.filter((message) => ToolMessage.isInstance(message))
    expect(answers.map(({ tool_call_id }) => tool_call_id)).toEqual(calls.map(({ id }) => id))
    const noticed = expect.stringMatching(/^ordered\nThis is the result of an earlier, equal call/)
    expect(answers.map(({ text }) => text)).toEqual(['ordered', noticed, noticed])
  })

  const lineTool = (order: string) =>
    tool(() => act(order), { name: 'charge', description: 'c', schema: z.object({ amount: z.number() }) })

  it('without a contract: an equal call is new work once the model has read the answer of the first', async () => {
    const warned: string[] = []
    const guard = testGuard()
    const tools = protectTools(guard, [lineTool('wanted-again')], {}, { warn: (text) => void warned.push(text) })
    let turns = 0
    const model = new ScriptedModel(() => ((turns += 1) <= 2 ? [['charge', { amount: 1 }]] : 'Done.'))
    await guard.run({ id: 'wanted-again' }, () => createAgent({ model, tools }).invoke(user))
    expect(await downstream.effects('wanted-again')).toBe(2)
    expect(warned).toHaveLength(1)
    expect(warned[0]).toContain("charge: { identity: ['amount'], recovery: manual() },   // or 'read'")
  })

  it('is given the context of its operation: its key and its signal', async () => {
    const guard = testGuard()
    const seen: unknown[] = []
    const look = tool(
      (_input, runtime) => {
        const context = toolContext(runtime)
        seen.push(context?.key, context?.downstreamKey('stripe'), context?.run?.id)
        return 'ok'
      },
      { name: 'look', description: 'l', schema: z.object({}) },
    )
    const tools = protectTools(guard, [look], { look: { identity: 'all', recovery: keyed('24h') } })
    const model = new ScriptedModel(persistent([['look', {}]]))
    await guard.run({ id: 'contexts' }, () => createAgent({ model, tools }).invoke(user))
    expect(seen).toEqual([expect.stringMatching(/^of1_/), expect.stringMatching(/^[0-9a-f-]{36}$/), 'contexts'])
  })

  it('tells the model that an accepted write is not done, and of a collapsed repeat where the contract asks for it', async () => {
    const guard = testGuard()
    const told: Told[] = []
    const of = (name: string, order: string) =>
      tool(() => act(order), { name, description: name, schema: z.object({}) })
    const tools = protectTools(guard, [of('later', 'later'), of('noticed', 'noticed')], {
      later: { identity: 'all', recovery: manual(), verify: () => undefined },
      noticed: { identity: 'all', recovery: manual(), notice: 'model' },
    })
    const model = new ScriptedModel((messages) => {
      told.push(...toolAnswers(messages))
      return told.length < 3 ? [told.length === 0 ? ['later', {}] : ['noticed', {}]] : 'Done.'
    })
    await guard.run({ id: 'notes' }, () => createAgent({ model, tools }).invoke(user))
    expect(told[0]?.content).toMatch(/not yet confirmed: do not report it as done/)
    expect(told[1]?.content).not.toMatch(/earlier/)
    expect(told[2]?.content).toMatch(/result of an earlier, equal call of noticed; nothing was done again/)
    await guard.close()
  })
})
