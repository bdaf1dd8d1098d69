/** The service behind both proxies: answers a small JSON, counts what it was asked to do. `node service.ts` prints its port. */
import { createServer } from 'node:http'

let effects = 0
const server = createServer((request, response) => {
  if (request.url === '/count') return void response.end(String(effects))
  let size = 0
  request.on('data', (chunk: Buffer) => (size += chunk.byteLength))
  request.on('end', () => {
    effects += 1
    const body = JSON.stringify({
      id: `order-${effects}`,
      state: 'confirmed',
      size,
      total: { amount: 4200, currency: 'EUR' },
    })
    response.writeHead(201, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      location: `/v1/orders/order-${effects}`,
    })
    response.end(body)
  })
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  console.log(typeof address === 'object' && address !== null ? address.port : 0)
})
process.stdin.on('end', () => process.exit(0)).resume()
