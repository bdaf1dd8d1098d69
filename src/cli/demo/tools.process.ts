/**
 * The shop's tools as an MCP server over standard input and output, in plain Node so that the published package needs
 * nothing else for its demonstration. `npm start` runs the same tools on the official SDK (examples/lost-answers).
 */
import { createInterface } from 'node:readline'
import { leavePid } from './pids.ts'
import { shopClient } from './shop-client.ts'

interface Request {
  readonly id?: string | number
  readonly method: string
  readonly params?: {
    readonly name?: string
    readonly arguments?: Readonly<Record<string, unknown>>
    readonly protocolVersion?: string
  }
}

const shop = shopClient(process.env['SHOP_URL'] ?? '')
leavePid(process.env['DEMO_PIDS'])

const text = { type: 'string' } as const
const schema = (required: Record<string, object>, optional: Record<string, object> = {}): object => ({
  type: 'object',
  properties: { ...required, ...optional },
  required: Object.keys(required),
})

const TOOLS = [
  { name: 'find_order', description: 'Looks an order up.', inputSchema: schema({ order: text }) },
  {
    name: 'create_order',
    description: 'Orders a replacement.',
    inputSchema: schema({ order: text, item: text }, { note: text }),
  },
  {
    name: 'refund_payment',
    description: 'Pays money back.',
    inputSchema: schema({ order: text, cents: { type: 'integer' } }, { reason: text, idempotency_key: text }),
  },
  {
    name: 'send_mail',
    description: 'Sends a mail.',
    inputSchema: schema({ to: text, subject: text }, { body: text }),
  },
]

function run(name: string, input: Readonly<Record<string, unknown>>): Promise<object> {
  switch (name) {
    case 'find_order':
      return shop.findOrder(String(input['order']))
    case 'create_order':
      return shop.createOrder(input as Parameters<typeof shop.createOrder>[0])
    case 'refund_payment': {
      const { idempotency_key: key, ...refund } = input
      return shop.refundPayment(
        refund as Parameters<typeof shop.refundPayment>[0],
        typeof key === 'string' ? key : undefined,
      )
    }
    default:
      return shop.sendMail(input as Parameters<typeof shop.sendMail>[0])
  }
}

/** What servers do with an exception: an answer that says "error", whatever became of the effect. */
async function call(name: string, input: Readonly<Record<string, unknown>>): Promise<object> {
  try {
    const found = await run(name, input)
    return { content: [{ type: 'text', text: JSON.stringify(found) }], structuredContent: found }
  } catch (error) {
    return {
      content: [{ type: 'text', text: `Error: ${error instanceof Error ? error.message : String(error)}` }],
      isError: true,
    }
  }
}

async function resultOf({ method, params = {} }: Request): Promise<object | undefined> {
  switch (method) {
    case 'initialize':
      return {
        protocolVersion: params.protocolVersion ?? '2025-11-25',
        capabilities: { tools: {} },
        serverInfo: { name: 'shop', version: '1.0.0' },
      }
    case 'ping':
      return {}
    case 'tools/list':
      return { tools: TOOLS }
    case 'tools/call':
      return TOOLS.some(({ name }) => name === params.name)
        ? await call(params.name ?? '', params.arguments ?? {})
        : undefined
    default:
      return undefined
  }
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const request = JSON.parse(line) as Request
  const { id } = request
  if (id === undefined) return
  void resultOf(request).then((result) => {
    const body = result === undefined ? { error: { code: -32601, message: `no ${request.method}` } } : { result }
    process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, ...body })}\n`)
  })
})
