import { once } from 'node:events'
import { Agent } from 'node:http'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ask, eventually, startFront, write, type Front } from './fixtures/harness.ts'

/*
 * A service may answer before it has read the body, and carry out what it reads after that. An upload that waits on
 * disk was cut off with the answer: told as done, and done in part.
 */

const MIB = 1024 * 1024
const HEAD = /\r\n\r\n/

let service: Server
let front: Front
/** Bytes of the body that arrived, and whether its connection was closed. */
let seen: { arrived: number; closed: boolean }
let readsOnAfterMs: number

beforeEach(async () => {
  const now = { arrived: 0, closed: false }
  seen = now
  readsOnAfterMs = 100
  service = createServer((socket) => {
    let text = ''
    let length: number | undefined
    socket.on('error', () => undefined)
    socket.on('close', () => (now.closed = true))
    socket.on('data', (chunk) => {
      if (length !== undefined) {
        now.arrived += chunk.byteLength
        return
      }
      text += chunk.toString('latin1')
      const head = HEAD.exec(text)
      if (head === null) return
      length = Number(/content-length: (\d+)/i.exec(text)?.[1])
      now.arrived = text.length - head.index - 4
      socket.write('HTTP/1.1 201 Created\r\ncontent-length: 5\r\n\r\ntaken')
      socket.pause()
      void pause(readsOnAfterMs).then(() => socket.resume())
    })
  })
  service.listen(0, '127.0.0.1')
  await once(service, 'listening')
  front = await startFront({
    upstream: `http://127.0.0.1:${(service.address() as AddressInfo).port}`,
    routes: [write('POST /uploads')],
    gateway: { limits: { memoryBytes: MIB, upstreamSilenceMs: 300 } },
  })
})
afterEach(async () => {
  await front.close()
  service.close()
})

const upload = (): ReturnType<typeof ask> =>
  ask(`${front.url}/uploads`, { headers: { 'idempotency-key': 'one' }, body: Buffer.alloc(8 * MIB, 97) })

it('an upload goes on behind an answer that came before its end', async () => {
  expect((await upload()).text).toBe('taken')
  await eventually(() => (seen.arrived === 8 * MIB ? true : undefined))
  expect((await upload()).headers['onefold-outcome']).toBe('replayed')
  expect(seen.arrived).toBe(8 * MIB)
})

it('one that is not read on is given up', async () => {
  readsOnAfterMs = 900
  expect((await upload()).text).toBe('taken')
  await eventually(() => (seen.closed ? true : undefined))
  expect(seen.arrived).toBeLessThan(8 * MIB)
})

describe('an upload that passes', () => {
  let open: Front
  let agent: Agent
  beforeEach(async () => {
    open = await startFront({
      upstream: `http://127.0.0.1:${(service.address() as AddressInfo).port}`,
      rules: { unknownRoutes: { mode: 'open', afterDelivery: 'run', afterError: 'hold' } },
      gateway: { limits: { upstreamSilenceMs: 300 } },
    })
    agent = new Agent({ keepAlive: true, maxSockets: 1 })
  })
  afterEach(async () => {
    agent.destroy()
    await open.close()
  })
  const send = (body: Uint8Array): ReturnType<typeof ask> => ask(`${open.url}/uploads`, { body, agent })

  it('goes on behind an answer that came before its end', async () => {
    expect((await send(Buffer.alloc(8 * MIB, 97))).text).toBe('taken')
    await eventually(() => (seen.arrived === 8 * MIB ? true : undefined))
  })

  it('and where the service gives it up, its client can ask for something else', async () => {
    readsOnAfterMs = 900
    expect((await send(Buffer.alloc(8 * MIB, 97))).text).toBe('taken')
    await eventually(() => (seen.closed ? true : undefined))
    expect((await send(Buffer.alloc(10))).text).toBe('taken')
  })
})
