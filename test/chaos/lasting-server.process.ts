/**
 * An MCP server with one tool, which writes a line to the file BOOK. It does not end with its input, as one with a port
 * or a timer of its own does not, and it writes its process id to the file PIDS; with ONCE it starts only once.
 */
import { appendFileSync, existsSync } from 'node:fs'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import * as z from 'zod'

const { BOOK = '', PIDS = '', ONCE } = process.env
if (ONCE !== undefined && existsSync(PIDS)) process.exit(1)
appendFileSync(PIDS, `${process.pid}\n`)
setInterval(() => undefined, 60_000)

const seen = new Set<string>()
const server = new McpServer({ name: 'book', version: '1.0.0' })
server.registerTool('note', { inputSchema: { ref: z.string() } }, ({ ref }) => {
  if (!seen.has(ref)) appendFileSync(BOOK, `${ref}\n`)
  seen.add(ref)
  return { content: [{ type: 'text', text: 'noted' }] }
})
await server.connect(new StdioServerTransport())
