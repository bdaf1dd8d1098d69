import { AIMessage } from '@langchain/core/messages'
import type { RunnableConfig } from '@langchain/core/runnables'
import { tool } from '@langchain/core/tools'
import { Command, END, interrupt, MemorySaver, MessagesAnnotation, START, StateGraph } from '@langchain/langgraph'
import { ToolNode } from '@langchain/langgraph/prebuilt'
import { beforeAll, vi } from 'vitest'
import * as z from 'zod'
import { protectNode } from '../../../src/adapter/langchain/index.ts'
import { manual } from '../../../src/index.ts'
import { beforeAndAfter, type Scenario, type World } from '../support/scenario.ts'
import { chargeTool } from './charge-tool.ts'
import { ScriptedModel } from './model.ts'

type State = typeof MessagesAnnotation.State
type Node = (state: State, config: RunnableConfig) => Promise<Partial<State>>
/** Does the effect from inside a node. */
type Effect = (config: RunnableConfig) => Promise<unknown>

const user = { messages: [{ role: 'user', content: 'charge the order' }] }
const retryPolicy = { maxAttempts: 3, initialInterval: 5, jitter: false }
const done = { messages: [new AIMessage('charged')] }

// LangGraph announces every retry of a node.
beforeAll(() => void vi.spyOn(console, 'log').mockImplementation(() => {}))

/** The two ways to protect what a node does: the tool that it calls, or the node itself. */
const WAYS = {
  'a tool in a node': (world: World, body: (effect: Effect) => Node): Node => {
    const tool = chargeTool(world)
    return body((config) => tool.invoke(world.input, config))
  },
  'a node': (world: World, body: (effect: Effect) => Node): Node => {
    const node = body(() => world.charge(world.input))
    const recovery = world.contract?.recovery ?? manual()
    return world.guard === undefined ? node : protectNode(world.guard, node, { name: 'charge', recovery })
  },
}

const graphOf = (node: Node, options: object = {}) =>
  new StateGraph(MessagesAnnotation).addNode('charge', node, options).addEdge(START, 'charge').addEdge('charge', END)

const rows = (make: (world: World, body: (effect: Effect) => Node) => Node): readonly Scenario[] => [
  {
    title: 'retryPolicy repeats "fetch failed"',
    faults: ['lose-answer'],
    before: 2,
    act: async (world) => {
      const node = make(world, (effect) => async (_state, config) => {
        await effect(config)
        return done
      })
      const graph = graphOf(node, { retryPolicy }).compile()
      await world.run(() => graph.invoke(user)).catch(() => undefined)
    },
  },
  {
    title: 'retryPolicy: a later line of the node throws, and it runs again from the top',
    faults: [],
    before: 2,
    act: async (world) => {
      let breaks = 1
      const node = make(world, (effect) => async (_state, config) => {
        await effect(config)
        if (breaks-- > 0) throw new Error('the next call in the same node fails')
        return done
      })
      const graph = graphOf(node, { retryPolicy }).compile()
      await world.run(() => graph.invoke(user)).catch(() => undefined)
    },
  },
  {
    title: 'checkpointer: a crash after the effect, then invoke(null)',
    faults: [],
    before: 2,
    act: async (world) => {
      let breaks = 1
      const node = make(world, (effect) => async (_state, config) => {
        await effect(config)
        if (breaks-- > 0) throw new Error('the process crashes before the checkpoint')
        return done
      })
      const graph = graphOf(node).compile({ checkpointer: new MemorySaver() })
      const thread = { configurable: { thread_id: world.order } }
      await world.run(() => graph.invoke(user, thread)).catch(() => undefined)
      await world.run(() => graph.invoke(null, thread)).catch(() => undefined)
    },
  },
  {
    title: 'interrupt() after the effect, then Command({ resume })',
    faults: [],
    before: 2,
    act: async (world) => {
      const node = make(world, (effect) => async (_state, config) => {
        await effect(config)
        return { messages: [new AIMessage(`charged, ${String(interrupt('Right?'))}`)] }
      })
      const graph = graphOf(node).compile({ checkpointer: new MemorySaver() })
      const thread = { configurable: { thread_id: world.order } }
      await world.run(() => graph.invoke(user, thread))
      await world.run(() => graph.invoke(new Command({ resume: 'yes' }), thread)).catch(() => undefined)
    },
  },
  {
    title: 'node timeout and retryPolicy: the attempt that was given up still lands',
    faults: ['hold'],
    before: 2,
    act: async (world) => {
      let attempts = 0
      const node = make(world, (effect) => async (_state, config) => {
        await effect(config)
        return done
      })
      // The service answers once the graph has given the first attempt up.
      const counted: Node = async (state, config) => {
        if ((attempts += 1) > 1) await world.downstream.release(world.order)
        return await node(state, config)
      }
      const graph = graphOf(counted, { timeout: 250, retryPolicy }).compile()
      await world.run(() => graph.invoke(user))
    },
  },
]

for (const [way, make] of Object.entries(WAYS)) beforeAndAfter(`LangGraph (${way})`, rows(make))

beforeAndAfter('LangGraph', [
  {
    title: 'ToolNode and retryPolicy: a sibling throws, and all parallel calls run again',
    faults: [],
    before: 2,
    act: async (world) => {
      let breaks = 1
      const notify = tool(
        () => {
          if (breaks-- > 0) throw new Error('the mail service is away')
          return 'notified'
        },
        { name: 'notify', description: 'Notifies', schema: z.object({}) },
      )
      const model = new ScriptedModel(() => [
        ['charge', world.input],
        ['notify', {}],
      ])
      const graph = new StateGraph(MessagesAnnotation)
        .addNode('agent', async ({ messages }) => ({ messages: [await model.invoke(messages)] }))
        .addNode('tools', new ToolNode([chargeTool(world), notify], { handleToolErrors: false }), { retryPolicy })
        .addEdge(START, 'agent')
        .addEdge('agent', 'tools')
        .compile()
      await world.run(() => graph.invoke(user))
    },
  },
])
