/**
 * dynalite as a process of its own, in the place of DynamoDB. Arguments: its port and the folder of its files, without
 * which it keeps everything in memory. Says `up` to its parent (IPC) and takes orders from it. Refuses every write while somebody has a request to `/hold-writes` open.
 */
import { createRequire } from 'node:module'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'

export interface DynaliteOrders {
  /** Members that its descriptions of tables have, over those that dynalite gives. */
  readonly describes?: object
  /** It says that its tables have a time to live on this attribute. */
  readonly timeToLive?: string
  /** Operations that the caller may not use, such as `PutItem`. */
  readonly denied?: readonly string[]
}

type Listener = (request: IncomingMessage, response: ServerResponse) => void

const [port, path] = process.argv.slice(2) as [string, string | undefined]
const dynalite = createRequire(import.meta.url)('dynalite') as (options: object) => Server
const server = dynalite({ path, createTableMs: 0, deleteTableMs: 0, updateTableMs: 0 })
const [serve] = server.listeners('request') as [Listener]
let orders: DynaliteOrders = {}
let holding = 0

const WRITES = ['PutItem', 'UpdateItem', 'DeleteItem', 'BatchWriteItem']

server.removeAllListeners('request')
server.on('request', (request: IncomingMessage, response: ServerResponse) => {
  if (request.url === '/hold-writes') return hold(request, response)
  const operation = String(request.headers['x-amz-target'] ?? '').split('.')[1] ?? ''
  if (orders.denied?.includes(operation) === true) return refuse('AccessDeniedException', request, response)
  if (holding > 0 && WRITES.includes(operation)) return refuse('ThrottlingException', request, response)
  if (operation === 'DescribeTable' && orders.describes !== undefined) rewrite(response, describe)
  if (operation === 'DescribeTimeToLive' && orders.timeToLive !== undefined) rewrite(response, withTimeToLive)
  serve(request, response)
  // dynalite would end by a request that is cut off; the service does not.
  request.removeAllListeners('error').on('error', () => undefined)
})

/** Until the request ends, or whoever sent it. */
function hold(request: IncomingMessage, response: ServerResponse): void {
  let held = true
  holding += 1
  const release = (): void => {
    if (held) holding -= 1
    held = false
    response.end()
  }
  response.writeHead(200).flushHeaders()
  request.on('end', release).on('close', release).resume()
}

function refuse(type: string, request: IncomingMessage, response: ServerResponse): void {
  request.resume()
  response.statusCode = 400
  response.setHeader('Content-Type', 'application/x-amz-json-1.0')
  response.end(JSON.stringify({ __type: `com.amazonaws.dynamodb.v20120810#${type}`, message: 'as ordered' }))
}

function describe(answer: Record<string, object>): void {
  answer['Table'] = { ...answer['Table'], ...orders.describes }
}

function withTimeToLive(answer: Record<string, object>): void {
  answer['TimeToLiveDescription'] = { TimeToLiveStatus: 'ENABLED', AttributeName: orders.timeToLive }
}

/** Changes an answer on its way out; its checksum and length are then no longer told. */
function rewrite(response: ServerResponse, change: (answer: Record<string, object>) => void): void {
  const end = response.end.bind(response)
  response.end = ((body: Buffer | string) => {
    const answer = JSON.parse(String(body)) as Record<string, object>
    change(answer)
    response.removeHeader('x-amz-crc32')
    response.removeHeader('Content-Length')
    return end(JSON.stringify(answer))
  }) as never
}

process.on('message', (given: DynaliteOrders) => {
  orders = given
  process.send?.('done')
})
process.on('disconnect', () => process.exit(0))
server.listen(Number(port), '127.0.0.1', () => process.send?.('up'))
