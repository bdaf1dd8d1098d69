/**
 * dynalite as a process of its own, in the place of DynamoDB. Prints its port. Takes orders from its parent (IPC):
 * `{ refuseWrites }` throttles every write, `{ skewMs }` steps the clock that its answers show, `{ replicas }` makes it
 * describe its tables as global ones, `{ timeToLive }` as having a time to live on that attribute.
 */
import { createRequire } from 'node:module'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface DynaliteOrders {
  readonly refuseWrites?: boolean
  readonly skewMs?: number
  readonly replicas?: readonly string[]
  readonly timeToLive?: string
}

type Listener = (request: IncomingMessage, response: ServerResponse) => void

const dynalite = createRequire(import.meta.url)('dynalite') as (options: object) => Server
const server = dynalite({ createTableMs: 0, deleteTableMs: 0, updateTableMs: 0 })
const [serve] = server.listeners('request') as [Listener]
let orders: DynaliteOrders = {}

const WRITES = ['PutItem', 'UpdateItem', 'DeleteItem', 'BatchWriteItem']

server.removeAllListeners('request')
server.on('request', (request: IncomingMessage, response: ServerResponse) => {
  response.setHeader('Date', new Date(Date.now() + (orders.skewMs ?? 0)).toUTCString())
  const operation = String(request.headers['x-amz-target'] ?? '').split('.')[1] ?? ''
  if (orders.refuseWrites === true && WRITES.includes(operation)) {
    request.resume()
    response.statusCode = 400
    response.setHeader('Content-Type', 'application/x-amz-json-1.0')
    response.end(JSON.stringify({ __type: 'com.amazonaws.dynamodb.v20120810#ThrottlingException', message: 'later' }))
    return
  }
  if (operation === 'DescribeTable' && orders.replicas !== undefined) rewrite(response, withReplicas)
  if (operation === 'DescribeTimeToLive' && orders.timeToLive !== undefined) rewrite(response, withTimeToLive)
  serve(request, response)
})

function withReplicas(answer: Record<string, object>): void {
  const Replicas = orders.replicas?.map((RegionName) => ({ RegionName }))
  answer['Table'] = { ...answer['Table'], Replicas }
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

process.on('message', (changes: DynaliteOrders) => {
  orders = { ...orders, ...changes }
  process.send?.('done')
})
process.on('disconnect', () => process.exit(0))
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`)
})
