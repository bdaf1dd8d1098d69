/**
 * An MCP server that protects its own tools, and a client that lives with lost answers: the provider loses its first
 * answer, the connection between client and server breaks, and the model asks again in other words. One refund.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isOnefoldError, onefold } from 'onefold'
import { sqliteStore } from 'onefold/sqlite'
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js'
import { startProvider } from '../refund/provider.ts'
import { shopServer } from './server.ts'
// #region client
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { protectClient, receiptOf } from 'onefold/mcp'
// #endregion client

const folder = mkdtempSync(join(tmpdir(), 'onefold-example-'))
const guard = onefold({ store: sqliteStore(join(folder, 'effects.db')) })
await using provider = await startProvider()

async function connect(): Promise<Client> {
  const [near, far] = InMemoryTransport.createLinkedPair()
  await shopServer(guard, provider.url).connect(far)
  const client = new Client({ name: 'agent', version: '1.0.0' })
  await client.connect(near)
  return client
}

// #region call
const client = protectClient(await connect(), { reconnect: connect })

const given = { charge: 'ch_1', amount: 4_200, reason: 'too small' }
try {
  const first = await client.callTool({ name: 'refund', arguments: given }) // the provider lost its answer: settled inside
  await client.close() // the connection goes
  const again = await client.callTool({ name: 'refund', arguments: { ...given, reason: 'does not fit' } })
  assert.deepEqual(again.content, first.content)
  assert.equal(receiptOf(again)?.status, 'replayed')
} catch (error) {
  if (isOnefoldError(error) && error.code === 'IN_DOUBT') console.log(`nobody knows yet: ticket ${error.ticket}`)
  throw error
}
// #endregion call

assert.equal(provider.requests(), 2, 'the provider was asked twice, under one key')
assert.deepEqual(provider.refunds(), [{ charge: 'ch_1', amount: 4_200 }])

console.log(`one refund of ${provider.refunds()[0]?.amount} cents, after ${provider.requests()} requests and two calls`)
await guard.close()
rmSync(folder, { recursive: true, force: true })
