import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { McpServer as McpServer2 } from '@modelcontextprotocol/server'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js'
import { McpServer as McpServer1 } from '@modelcontextprotocol/sdk/server/mcp.js'
import * as z from 'zod'
import { manual } from '../../../src/contract/index.ts'
import type { Guard } from '../../../src/engine/index.ts'
import { contract, protectServer, toolContext } from '../../../src/mcp/public.ts'
import { testGuard } from '../../support/guard.ts'

let guard: Guard
beforeEach(() => {
  guard = testGuard()
})
afterEach(() => guard.close())

describe('what protectServer refuses', () => {
  const server = (): McpServer1 => new McpServer1({ name: 's', version: '1' })
  const none = async (): Promise<never> => ({ content: [] }) as never

  it('names the mistake and the fix', () => {
    const late = server()
    late.registerTool('order', {}, none)
    expect(() => protectServer(guard, late)).toThrow(/comes before tools are registered, and order is already/)
    expect(() => protectServer(guard, {} as never)).toThrow(/takes McpServer or Server/)
    expect(() => protectServer(guard, server(), { order: {} as never })).toThrow(/needs identity/)
    expect(() => protectServer(guard, server(), { order: { identity: 'sequence', recovery: manual() } })).toThrow(
      /does not see the order of a run/,
    )
    const twice = protectServer(guard, server(), { twice: { identity: 'all', recovery: manual() } })
    expect(() => twice.registerTool('twice', { _meta: contract('read') }, none)).toThrow(/declared twice/)
    const lying = protectServer(guard, server(), { lying: { identity: 'all', recovery: manual() } })
    expect(() => lying.registerTool('lying', { annotations: { readOnlyHint: true } }, none)).toThrow(/readOnlyHint/)
  })

  it('[BF-5] blocked: a tool without a contract cannot be registered, on either SDK', () => {
    const strict = { unknownTools: { mode: 'blocked' } } as const
    const one = protectServer(guard, server(), {}, strict)
    expect(() => one.registerTool('send', {}, none)).toThrow(/has no contract/)
    const two = protectServer(guard, new McpServer2({ name: 's', version: '1' }), {}, strict)
    expect(() => two.registerTool('send', {}, none)).toThrow(/has no contract/)
  })

  it('a call of a tool whose contract stands under a misspelt name: it would act again on a repeat in other words', async () => {
    let effects = 0
    const charge = async (): Promise<never> => ({ content: [{ type: 'text', text: String((effects += 1)) }] }) as never
    const shop = protectServer(guard, server(), { refnd: { identity: ['charge'], recovery: manual() } })
    shop.registerTool('refund', { inputSchema: { charge: z.string() } }, charge)
    shop.registerTool('other', { inputSchema: { charge: z.string() } }, charge)
    const [here, there] = InMemoryTransport.createLinkedPair()
    await shop.connect(there)
    const client = new Client({ name: 'c', version: '1' })
    await client.connect(here)
    const told = await client.callTool({ name: 'refund', arguments: { charge: 'c1' } })
    expect(JSON.stringify(told)).toMatch(/the one of refnd belongs to no tool\. No effect started/)
    expect(effects).toBe(0)
    await client.callTool({ name: 'other', arguments: { charge: 'c1' } })
    expect(effects).toBe(1)
    await client.close()
  })

  it('a contract that is a misspelt word', () => {
    expect(() => protectServer(guard, server(), { look: 'raed' as never })).toThrow(/cannot be "raed".*Write 'read'/)
  })

  it('toolContext outside a protected write', () => {
    expect(() => toolContext({})).toThrow(/does not run for a protected write/)
  })
})
