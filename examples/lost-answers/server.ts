/**
 * The shop's tools as an MCP server on the official SDK, over standard input and output. It knows nothing of Onefold:
 * an exception of a tool becomes an answer that says "error", whatever became of the effect.
 */
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import * as z from 'zod'
import { leavePid } from '../../src/cli/demo/pids.ts'
import { shopClient } from '../../src/cli/demo/shop-client.ts'

leavePid(process.env['DEMO_PIDS'])
const shop = shopClient(process.env['SHOP_URL'] ?? '')
const server = new McpServer({ name: 'shop', version: '1.0.0' })

const answer = (
  found: object,
): { content: { type: 'text'; text: string }[]; structuredContent: Record<string, unknown> } => ({
  content: [{ type: 'text', text: JSON.stringify(found) }],
  structuredContent: { ...found },
})

server.registerTool(
  'find_order',
  { description: 'Looks an order up.', inputSchema: { order: z.string() } },
  async ({ order }) => answer(await shop.findOrder(order)),
)
server.registerTool(
  'create_order',
  {
    description: 'Orders a replacement.',
    inputSchema: { order: z.string(), item: z.string(), note: z.string().optional() },
  },
  async (input) => answer(await shop.createOrder(input)),
)
server.registerTool(
  'refund_payment',
  {
    description: 'Pays money back.',
    inputSchema: {
      order: z.string(),
      cents: z.int(),
      reason: z.string().optional(),
      idempotency_key: z.string().optional(),
    },
  },
  async ({ idempotency_key: key, ...refund }) => answer(await shop.refundPayment(refund, key)),
)
server.registerTool(
  'send_mail',
  {
    description: 'Sends a mail.',
    inputSchema: { to: z.string(), subject: z.string(), body: z.string().optional() },
  },
  async (mail) => answer(await shop.sendMail(mail)),
)

process.stdin.on('end', () => void server.close())
await server.connect(new StdioServerTransport())
