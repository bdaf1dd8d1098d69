/**
 * A real MCP server on the official SDK in front of the order service at DOWNSTREAM_URL. It knows no ledger; the key that a
 * client puts into `_meta` it hands on, as servers do that read it. A lost answer becomes a tool error, as with most servers.
 */
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import * as z from 'zod'

const server = new McpServer({ name: 'orders', version: '1.0.0' })
const text = (value: string): { content: { type: 'text'; text: string }[] } => ({
  content: [{ type: 'text', text: value }],
})

server.registerTool(
  'charge',
  { description: 'Charges an order', inputSchema: { order: z.string(), amount: z.number() } },
  async (input, { _meta }) => {
    const key = _meta?.['io.onefold/idempotency-key']
    const answer = await fetch(`${process.env['DOWNSTREAM_URL'] ?? ''}/effects/${input.order}`, {
      method: 'POST',
      headers: typeof key === 'string' ? { 'idempotency-key': key } : {},
      body: JSON.stringify(input),
    })
    return text(await answer.text())
  },
)
server.registerTool('run_of', { description: 'Says the run', inputSchema: {} }, (_input, { _meta }) =>
  text(String(_meta?.['io.onefold/run-id'])),
)
await server.connect(new StdioServerTransport())
