/**
 * An MCP server over standard input and output with one tool that orders at the town. It hands on the idempotency key that
 * a request's `_meta` carries, as servers do that take one.
 * `node order-tools.process.ts URL`; `URL` is where orders go, up to the order's name.
 */
import { createInterface } from 'node:readline'

interface Request {
  readonly id?: string | number
  readonly method: string
  readonly params?: {
    readonly arguments?: { readonly cart?: string }
    readonly _meta?: Readonly<Record<string, unknown>>
    readonly protocolVersion?: string
  }
}

const [url = ''] = process.argv.slice(2)

async function order({ params = {} }: Request): Promise<object> {
  const key = params._meta?.['io.onefold/idempotency-key']
  try {
    const answer = await fetch(url + encodeURIComponent(params.arguments?.cart ?? ''), {
      method: 'POST',
      body: JSON.stringify(params.arguments),
      ...(typeof key === 'string' ? { headers: { 'idempotency-key': key } } : {}),
    })
    if (!answer.ok) throw new Error(`the shop answered ${answer.status}`)
    return { content: [{ type: 'text', text: await answer.text() }] }
  } catch (error) {
    return { content: [{ type: 'text', text: `Error: ${String(error)}` }], isError: true }
  }
}

function answerOf(request: Request): Promise<object> | object | undefined {
  switch (request.method) {
    case 'initialize':
      return {
        protocolVersion: request.params?.protocolVersion,
        capabilities: { tools: {} },
        serverInfo: { name: 'orders', version: '1.0.0' },
      }
    case 'tools/list':
      return {
        tools: [{ name: 'create_order', inputSchema: { type: 'object', properties: { cart: { type: 'string' } } } }],
      }
    case 'tools/call':
      return order(request)
    default:
      return undefined
  }
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const request = JSON.parse(line) as Request
  const { id } = request
  if (id === undefined) return
  void Promise.resolve(answerOf(request)).then((result) => {
    const body = result === undefined ? { error: { code: -32601, message: `no ${request.method}` } } : { result }
    process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, ...body })}\n`)
  })
})
