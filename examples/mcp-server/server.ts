// #region server
import { keyed, type Guard } from 'onefold'
import { contract, protectServer, toolContext } from 'onefold/mcp'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import * as z from 'zod'

export function shopServer(guard: Guard, providerUrl: string): McpServer {
  const server = protectServer(guard, new McpServer({ name: 'shop', version: '1.0.0' })) // the one line

  server.registerTool(
    'refund',
    {
      description: 'Refunds a charge',
      inputSchema: { charge: z.string(), amount: z.number().int(), reason: z.string() },
      // Beside the schema; clients find its description in tools/list, and a model never sees it.
      _meta: contract<{ charge: string; reason: string }>({
        identity: ['charge'],
        ignore: ['reason'],
        recovery: keyed('24h'),
        retention: '7d',
      }),
    },
    async ({ charge, amount }, extra) => {
      const { fetch } = toolContext(extra) // carries the operation's key, the same on every re-send
      const answer = await fetch(`${providerUrl}/refunds`, { method: 'POST', body: JSON.stringify({ charge, amount }) })
      if (!answer.ok) throw Object.assign(new Error(`answered ${answer.status}`), { status: answer.status })
      return { content: [{ type: 'text', text: await answer.text() }] }
    },
  )
  return server
}
// #endregion server
