/**
 * An MCP server of a few lines over HTTP: it answers every call at once, or after the milliseconds that the path names,
 * and lists a thousand tools. Prints its address.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const tools = Array.from({ length: 1_000 }, (_, at) => ({
  name: `tool_${at}`,
  description: `Does thing number ${at}, as tools of real servers say it in a sentence or two of about this length.`,
  inputSchema: {
    type: 'object',
    properties: {
      to: { type: 'string', description: 'Who gets it' },
      text: { type: 'string' },
      count: { type: 'integer' },
    },
    required: ['to', 'text'],
  },
  annotations: { readOnlyHint: false, destructiveHint: true },
}))
const listed = JSON.stringify({ tools })

const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const { id, method, params } = JSON.parse(Buffer.concat(chunks).toString()) as {
      id: number
      method: string
      params?: { name?: string }
    }
    const result = method === 'tools/list' ? listed : '{"content":[{"type":"text","text":"done"}]}'
    const answer = (): void => {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(`{"jsonrpc":"2.0","id":${id},"result":${result}}`)
    }
    if (params?.name === 'slow') setTimeout(answer, 5)
    else answer()
  })
})
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp\n`)
})
