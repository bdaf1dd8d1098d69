import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'

/** What a server answers to a request. */
export interface McpReply {
  readonly result?: { readonly content?: readonly { readonly text?: string }[] }
  readonly error?: { readonly message: string }
}

/** A minimal MCP client over lines of JSON-RPC. */
export interface McpClient {
  /** Rejects when the server ends before it has answered. */
  request(method: string, params: object): Promise<McpReply>
}

/** Connects to a server whose output is `from` and whose input is `to`, and shakes hands. */
export async function connectMcp(from: Readable, to: Writable): Promise<McpClient> {
  const waiting = new Map<number, PromiseWithResolvers<McpReply>>()
  let hasEnded = false
  createInterface({ input: from })
    .on('line', (line) => {
      const reply = JSON.parse(line) as McpReply & { readonly id?: number }
      if (reply.id === undefined) return
      waiting.get(reply.id)?.resolve(reply)
      waiting.delete(reply.id)
    })
    .on('close', () => {
      hasEnded = true
      for (const { reject } of waiting.values()) reject(ended())
    })
  // What cannot be written is told by the end of the server's output.
  to.on('error', () => undefined)
  const write = (message: object): void => void to.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)
  let last = 0
  const client: McpClient = {
    request: async (method, params) => {
      if (hasEnded) throw ended()
      const id = ++last
      const reply = Promise.withResolvers<McpReply>()
      waiting.set(id, reply)
      write({ id, method, params })
      return await reply.promise
    },
  }
  await client.request('initialize', {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'scripted-agent', version: '1.0.0' },
  })
  write({ method: 'notifications/initialized' })
  return client
}

const ended = (): Error => new Error('the MCP server ended')
