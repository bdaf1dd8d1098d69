/** A real MCP server with one tool, which places an order at DOWNSTREAM_URL. */
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import * as z from 'zod'

const server = new McpServer({ name: 'orders', version: '1.0.0' })
server.registerTool('place', { inputSchema: { ref: z.string() } }, async ({ ref }) => {
  const answer = await fetch(`${process.env['DOWNSTREAM_URL'] ?? ''}/effects/${ref}`, { method: 'POST', body: '{}' })
  return { content: [{ type: 'text', text: await answer.text() }] }
})
await server.connect(new StdioServerTransport())
