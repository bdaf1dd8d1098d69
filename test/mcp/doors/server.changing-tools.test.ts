import { describe, expect, it } from 'vitest'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js'
import { InMemoryTaskStore } from '@modelcontextprotocol/sdk/experimental/tasks/stores/in-memory.js'
import * as z from 'zod'
import { manual } from '../../../src/contract/index.ts'
import type { Guard } from '../../../src/engine/index.ts'
import { contract, protectServer } from '../../../src/mcp/public.ts'
import { perTest } from './fixtures/per-test.ts'
import { SDKS } from './fixtures/served.ts'
import { shopAt, text } from './fixtures/shop.ts'

const its = perTest()

const { act } = shopAt(() => its.downstream)
const inputSchema = z.object({ ref: z.string(), note: z.string() })
const pay = async ({ ref }: { ref: string }): Promise<never> => text(`done ${JSON.stringify(await act(ref))}`) as never
const reads = { inputSchema, annotations: { readOnlyHint: true } }
const declared = (): Record<string, unknown> => contract({ identity: ['ref'], ignore: ['note'], recovery: manual() })

type Change = (server: McpServer) => void

const READ_TO_WRITE: Readonly<Record<string, Change>> = {
  'by another annotation': (server) =>
    server.registerTool('pay', reads, pay).update({ annotations: { readOnlyHint: false } }),
  'as another tool of its name': (server) => {
    server.registerTool('pay', reads, pay).remove()
    server.registerTool('pay', { inputSchema }, pay)
  },
}

const WITH_CONTRACT: Readonly<Record<string, Change>> = {
  'another handler': (server) =>
    server.registerTool('pay', { inputSchema, _meta: declared() }, pay).update({ callback: pay as never }),
  'another name': (server) =>
    server.registerTool('buy', { inputSchema, _meta: declared() }, pay).update({ name: 'pay' }),
  'a registration anew': (server) => {
    server.registerTool('pay', { inputSchema, _meta: declared() }, pay).remove()
    server.registerTool('pay', { inputSchema, _meta: declared() }, pay)
  },
  'a contract that comes later': (server) =>
    server.registerTool('pay', { inputSchema }, pay).update({ _meta: declared() } as never),
  'a change that is refused': (server) => {
    const tool = server.registerTool('pay', { inputSchema, _meta: declared() }, pay)
    const wrong = contract({ identity: 'sequence', recovery: manual() })
    expect(() => tool.update({ _meta: wrong } as never)).toThrow(/does not see the order/)
    expect(() => tool.update({ annotations: { readOnlyHint: true } })).toThrow(/readOnlyHint/)
  },
}

describe.each(['v1', 'v2'] as const)('%s: tools that change while the server runs', (sdk) => {
  async function effectsOf(change: Change, ref: string, notes: readonly [string, string], by?: Guard): Promise<number> {
    const served = await SDKS[sdk]({ guard: by, tools: [], setUp: (server) => change(server as McpServer) })
    const session = await served.connect()
    for (const note of notes) await session.call('pay', { ref, note })
    await served.close()
    return await its.downstream.effects(ref)
  }

  it.each(Object.entries(READ_TO_WRITE))(
    'a read that becomes a write %s is protected from then on',
    async (how, change) => {
      expect(await effectsOf(change, `${sdk} control ${how}`, ['same', 'same'])).toBe(2)
      expect(await effectsOf(change, `${sdk} ${how}`, ['same', 'same'], its.guard)).toBe(1)
    },
  )

  it.each(Object.entries(WITH_CONTRACT))('the contract holds with %s', async (how, change) => {
    expect(await effectsOf(change, `${sdk} ${how}`, ['one', 'in other words'], its.guard)).toBe(1)
  })
})

it('v1: a tool that makes tasks has the contract beside its schema', async () => {
  let effects = 0
  const taskStore = new InMemoryTaskStore()
  const capabilities = { tasks: { requests: { tools: { call: {} } } } }
  const server = protectServer(its.guard, new McpServer({ name: 's', version: '1' }, { capabilities, taskStore }))
  const config = { inputSchema, _meta: declared(), execution: { taskSupport: 'optional' } } as const
  server.experimental.tasks.registerToolTask(
    'pay',
    config as never,
    {
      createTask: async (_given: unknown, extra: { taskStore: InMemoryTaskStore }) => {
        const task = await extra.taskStore.createTask({ ttl: 60_000 }, 1, { method: 'tools/call', params: {} } as never)
        effects += 1
        await extra.taskStore.storeTaskResult(task.taskId, 'completed', text('done') as never)
        return { task }
      },
      getTask: (_given: unknown, extra: { taskId: string }) => taskStore.getTask(extra.taskId),
      getTaskResult: (_given: unknown, extra: { taskId: string }) => taskStore.getTaskResult(extra.taskId),
    } as never,
  )
  const [here, there] = InMemoryTransport.createLinkedPair()
  await server.connect(there)
  const client = new Client({ name: 'c', version: '1' })
  await client.connect(here)
  for (const note of ['one', 'in other words']) await client.callTool({ name: 'pay', arguments: { ref: 'task', note } })
  expect(effects).toBe(1)
  await client.close()
  taskStore.cleanup()
})
