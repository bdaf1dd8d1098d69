import { tool as langChainTool } from '@langchain/core/tools'
import { MessagesAnnotation, START, StateGraph } from '@langchain/langgraph'
import { createTool } from '@mastra/core/tools'
import { createStep } from '@mastra/core/workflows'
import { MCPServerStdio, tool as agentsTool } from '@openai/agents'
import type { createAgent } from 'langchain'
import { expectTypeOf, it } from 'vitest'
import * as z from 'zod'
import { protectNode, protectTools, toLangChain } from '../../src/adapter/langchain/index.ts'
import * as mastra from '../../src/adapter/mastra/index.ts'
import * as openAi from '../../src/adapter/openai-agents/index.ts'
import { keyed, manual } from '../../src/index.ts'
import { testGuard } from '../support/guard.ts'

// `tsc -p test/frameworks` is what these tests are judged by; here they only have to run.
const guard = testGuard()
const input = z.object({ order: z.string() })

it('LangChain: the protected tools have exactly the types of the unprotected ones', () => {
  const charge = langChainTool(({ order }) => order, { name: 'charge', description: 'c', schema: input })
  const refund = langChainTool(() => 1, { name: 'refund', description: 'r', schema: z.object({}) })
  const once = protectTools(guard, [charge, refund], {
    charge: { identity: ['order'], recovery: keyed('24h') },
    refund: 'read',
  })
  expectTypeOf(once).toEqualTypeOf<[typeof charge, typeof refund]>()
  expectTypeOf(once).toExtend<NonNullable<Parameters<typeof createAgent>[0]['tools']>>()
  const declared = guard.tool({ name: 'look', input, effect: 'read', execute: () => 1 })
  expectTypeOf(toLangChain(declared, langChainTool)).toEqualTypeOf<ReturnType<typeof langChainTool>>()
})

it('LangGraph: a protected node fits where the unprotected one did', () => {
  const node = async (_state: typeof MessagesAnnotation.State) => ({ messages: [] })
  const once = protectNode(guard, node, {
    name: 'node',
    recovery: manual(),
    identity: (state) => state.messages.length,
  })
  expectTypeOf(once).returns.toEqualTypeOf<ReturnType<typeof node>>()
  new StateGraph(MessagesAnnotation).addNode('node', once).addEdge(START, 'node').compile()
})

it('OpenAI Agents: the protected factory and server have exactly the types of the unprotected ones', () => {
  const make: typeof agentsTool = openAi.protectTool(guard, agentsTool, { charge: 'read' })
  const options = { name: 'charge', description: 'c', parameters: input, execute: async () => 'charged' }
  expectTypeOf(make(options)).toEqualTypeOf(agentsTool(options))
  const server = new MCPServerStdio({ command: 'true' })
  expectTypeOf(openAi.protectMcpServer(guard, server)).toEqualTypeOf<MCPServerStdio>()
})

it('Mastra: the protected factory and step have exactly the types of the unprotected ones', () => {
  const make: typeof createTool = mastra.protectTool(guard, createTool, { charge: 'read' })
  const options = { id: 'charge', description: 'c', inputSchema: input, execute: async () => 'charged' } as const
  expectTypeOf(make(options)).toEqualTypeOf(createTool(options))
  const execute = async ({ inputData }: { inputData: { order: string } }) => ({ id: inputData.order })
  const once = mastra.protectStep(guard, execute, {
    name: 'step',
    recovery: manual(),
    identity: ({ order }) => order,
  })
  expectTypeOf(once).toEqualTypeOf<typeof execute>()
  createStep({ id: 'step', inputSchema: input, outputSchema: z.object({ id: z.string() }), execute: once })
})
