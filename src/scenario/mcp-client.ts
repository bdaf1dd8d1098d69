import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'

/** A minimal MCP client over lines of JSON-RPC. */
export interface McpClient {
  request(method: string, params: object): Promise<{ readonly result?: unknown; readonly error?: { message: string } }>
}

/** Connects to a server whose output is `from` and whose input is `to`, and shakes hands. */
export async function connectMcp(from: Readable, to: Writable): Promise<McpClient> {
  const waiting = new Map<number, (reply: never) => void>()
  createInterface({ input: from }).on('line', (line) => {
    const reply = JSON.parse(line) as { readonly id?: number }
    if (reply.id === undefined) return
    waiting.get(reply.id)?.(reply as never)
    waiting.delete(reply.id)
  })
  const write = (message: object): void => void to.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)
  let last = 0
  const client: McpClient = {
    request: (method, params) => {
      const id = ++last
      const reply = new Promise<never>((resolve) => waiting.set(id, resolve))
      write({ id, method, params })
      return reply
    },
  }
  await client.request('initialize', {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'story', version: '1.0.0' },
  })
  write({ method: 'notifications/initialized' })
  return client
}
