import { once } from 'node:events'
import { createServer, type AddressInfo, type Server } from 'node:net'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { postgresStore } from '../../src/store/postgres/index.ts'

/** One message of the PostgreSQL protocol, version 3: kind, length (itself included), content. */
function message(kind: string, content: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.write(kind)
  head.writeInt32BE(content.length + 4, 1)
  return Buffer.concat([head, content])
}

const AUTHENTICATED = message('R', Buffer.alloc(4))
const READY = message('Z', Buffer.from('I'))
const SHUTDOWN = message(
  'E',
  Buffer.from('SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0'),
)

let server: Server
let greeted = 0
beforeAll(async () => {
  server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => {
      greeted += 1
      socket.end(Buffer.concat([AUTHENTICATED, READY, SHUTDOWN]))
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterAll(() => void server.close())

it('a server that goes away in one breath with its greeting: the caller is told, and the process lives', async () => {
  const { port } = server.address() as AddressInfo
  const pool = new pg.Pool({ host: '127.0.0.1', port, user: 'nobody', database: 'none', max: 2 })
  await expect(postgresStore({ client: pool }).open()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  expect(greeted).toBeGreaterThan(0)
  await pool.end()
})
