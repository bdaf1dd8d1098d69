/** A shop's order service: a program of its own that honours `Idempotency-Key`; `node service.ts` prints its port. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const orders: string[] = []
const answers = new Map<string, string>()

const server = createServer((request, response) => {
  if (request.method === 'GET') {
    const wanted = decodeURIComponent(request.url ?? '').slice('/count/'.length)
    return void response.end(String(orders.filter((cart) => cart === wanted).length))
  }
  let cart = ''
  request.on('data', (chunk: Buffer) => (cart += String(chunk)))
  request.on('end', () => {
    const key = request.headers['idempotency-key']
    const known = typeof key === 'string' ? answers.get(key) : undefined
    if (known === undefined) orders.push(cart)
    const answer = known ?? JSON.stringify({ order: orders.length })
    if (typeof key === 'string') answers.set(key, answer)
    response.end(answer)
  })
})
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`))
process.stdin.on('end', () => process.exit(0)).resume()
