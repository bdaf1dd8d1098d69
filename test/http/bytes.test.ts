import { gzipSync } from 'node:zlib'
import { setTimeout as pause } from 'node:timers/promises'
import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ask, eventually, startFront, write, type Front, type Seen } from './fixtures/harness.ts'
import type { DeclaredWrite } from '../../src/http/exchange/index.ts'
import { startService, type Got, type Service } from './fixtures/service.ts'
import type { ServerResponse } from 'node:http'

const BINARY = Buffer.from(Array.from({ length: 3_000 }, (_one, n) => (n * 7) % 256))
const LARGE = Buffer.from(Array.from({ length: 400_000 }, (_one, n) => 32 + ((n * 31) % 90)))
const HUGE = Buffer.alloc(1_500_000, 'h')

/** Lets `/slow-events` come to its end. */
let goOn = (): void => {}

const ANSWERS: Readonly<Record<string, (response: ServerResponse, got: Got) => void | Promise<void>>> = {
  '/json': (response) => {
    response.writeHead(201, {
      'content-type': 'application/json; charset=utf-8',
      location: '/orders/1',
      etag: '"v1"',
      'set-cookie': ['sid=secret', 'theme=dark'],
      'x-order-id': 'o-1',
      'x-internal': 'no',
    })
    response.end('{"id": 1.50,  "name":"Zoë ☕"}\n')
  },
  '/binary': (response) => response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(BINARY) as never,
  '/empty': (response) => response.writeHead(204, { etag: '"gone"' }).end() as never,
  '/empty-200': (response) => response.writeHead(200).end() as never,
  '/gzip': (response) =>
    response
      .writeHead(200, { 'content-type': 'text/plain', 'content-encoding': 'gzip' })
      .end(gzipSync('compressed')) as never,
  '/chunked': async (response) => {
    response.writeHead(200, { 'content-type': 'text/plain' })
    for (const part of ['one ', 'two ', 'three']) {
      response.write(part)
      await pause(3)
    }
    response.end()
  },
  '/events': async (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (let n = 1; n <= 3; n += 1) {
      response.write(`data: ${n}\n\n`)
      await pause(30)
    }
    response.end()
  },
  '/large': (response) => response.writeHead(200, { 'content-type': 'text/plain' }).end(LARGE) as never,
  '/huge': (response) => response.writeHead(200, { 'content-type': 'text/plain' }).end(HUGE) as never,
  '/redirect': (response) => response.writeHead(303, { location: '/orders/9' }).end() as never,
  '/broken': (response) => {
    response.writeHead(200, { 'content-type': 'text/plain', 'content-length': '100' })
    response.write('half')
    setTimeout(() => response.destroy(), 10)
  },
  '/broken-events': (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('data: 1\n\n')
    setTimeout(() => response.destroy(), 30)
  },
  '/504': (response) =>
    response.writeHead(504, { 'content-type': 'text/html' }).end('<h1>Gateway Time-out</h1>') as never,
  '/exists': (response) => response.writeHead(409).end('{"error":"already exists"}') as never,
  '/declined': (response) => response.writeHead(402).end('{"error":"card_declined"}') as never,
  '/refused-at-length': (response) => response.writeHead(422, { 'content-type': 'text/plain' }).end(LARGE) as never,
  '/form': (response) => response.writeHead(201).end('taken') as never,
  '/slow-events': async (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('data: 1\n\n')
    await new Promise<void>((resolve) => (goOn = resolve))
    response.end('data: 2\n\n')
  },
  '/garbage': (response) => void response.socket?.end('this is no HTTP\r\n\r\n'),
}

const MORE: Readonly<Record<string, Partial<DeclaredWrite>>> = {
  '/slow-events': { timeout: '50ms' },
  '/form': { ignore: ['body'] },
}

let service: Service
let front: Front

beforeAll(async () => {
  service = await startService((got, response) => ANSWERS[got.url]?.(response, got))
  front = await startFront({
    upstream: service.url,
    rules: {
      replayHeaders: ['x-order-id'],
      errors: [
        { match: 409, effect: 'done' },
        { match: 'card_declined', effect: 'none' },
      ],
    },
    routes: Object.keys(ANSWERS).map((path) => write(`POST ${path}`, MORE[path])),
    gateway: { limits: { answerBytes: 1_000_000 } },
  })
})
afterAll(async () => {
  await front.close()
  await service.close()
})

const post = (path: string, key = path): Promise<Seen> =>
  ask(front.url + path, { headers: { 'idempotency-key': key }, body: '{}' })

describe('a replay is the original, byte for byte', () => {
  it.each(['/json', '/binary', '/empty', '/empty-200', '/gzip', '/chunked', '/events', '/large', '/redirect'])(
    '[OR-3] %s',
    async (path) => {
      const direct = await ask(service.url + path, { body: '{}' })
      const first = await post(path)
      const again = await post(path)
      expect([first.status, again.status]).toEqual([direct.status, direct.status])
      expect(first.body.equals(direct.body)).toBe(true)
      expect(again.body.equals(direct.body)).toBe(true)
      for (const name of ['content-type', 'content-encoding', 'location', 'etag'])
        expect(again.headers[name], name).toBe(direct.headers[name])
      expect([first.headers['idempotent-replayed'], again.headers['idempotent-replayed']]).toEqual([undefined, 'true'])
      expect(service.effects(path)).toBe(2)
    },
  )

  it('carries no cookie, and of other headers only those that are listed', async () => {
    const first = await post('/json', 'cookies')
    const again = await post('/json', 'cookies')
    expect(first.headers['set-cookie']).toEqual(['sid=secret', 'theme=dark'])
    expect(again.headers['set-cookie']).toBeUndefined()
    expect([again.headers['x-order-id'], again.headers['x-internal']]).toEqual(['o-1', undefined])
    const { records } = await front.guard.ledger.list({ tool: 'shop:POST:/json' })
    expect(JSON.stringify(records)).not.toContain('sid=')
  })
})

describe('answers that take their time', () => {
  it('events reach the client as they come, and its duplicate at the end', async () => {
    const chunks: number[] = []
    const started = performance.now()
    await new Promise<void>((resolve, reject) => {
      const outgoing = request(
        `${front.url}/events`,
        { method: 'POST', headers: { 'idempotency-key': 'live' } },
        (incoming) => {
          expect(incoming.headers['onefold-outcome']).toBe('executed')
          incoming.on('data', () => chunks.push(performance.now() - started))
          incoming.on('end', resolve)
        },
      )
      outgoing.on('error', reject)
      outgoing.end()
    })
    expect(chunks.length).toBeGreaterThan(1)
    expect(chunks.at(-1)! - chunks[0]!).toBeGreaterThan(25)
    const again = await ask(`${front.url}/events`, { headers: { 'idempotency-key': 'live' } })
    expect(again.text).toBe('data: 1\n\ndata: 2\n\ndata: 3\n\n')
  })

  it('longer than the attempt’s deadline: the first client gets the whole, and so does a repeat', async () => {
    const first = post('/slow-events')
    await eventually(async () => {
      const { records } = await front.guard.ledger.list({ tool: 'shop:POST:/slow-events', states: ['in-doubt'] })
      return records[0]
    })
    // What a doubt does to a client's connection is done when the next request has been answered.
    expect((await post('/slow-events')).json()).toMatchObject({ code: 'IN_DOUBT' })
    goOn()
    expect((await first).text).toBe('data: 1\n\ndata: 2\n\n')
    const again = await eventually(async () => {
      const seen = await post('/slow-events')
      return seen.status === 200 ? seen : undefined
    })
    expect(again.text).toBe('data: 1\n\ndata: 2\n\n')
    expect(service.effects('/slow-events')).toBe(1)
  })

  it('an answer too large to keep passes, and its repeat is told that it was done', async () => {
    const before = service.effects('/huge')
    const first = await post('/huge')
    expect(first.body.equals(HUGE)).toBe(true)
    const again = await post('/huge')
    expect([again.status, again.json()]).toMatchObject([410, { code: 'RESULT_EXPIRED', effect: 'done' }])
    expect(service.effects('/huge')).toBe(before + 1)
  })
})

describe('an answer that is no success', () => {
  it('[SH-1] a 504 after the effect: its caller gets it unchanged, a repeat the doubt', async () => {
    const first = await post('/504')
    expect([first.status, first.text, first.headers['content-type']]).toEqual([
      504,
      '<h1>Gateway Time-out</h1>',
      'text/html',
    ])
    expect((await post('/504')).json()).toMatchObject({ code: 'IN_DOUBT' })
    expect(service.effects('/504')).toBe(1)
  })

  it('a long 422 is told as what it is: rejected, and it may be sent again', async () => {
    for (const seen of [await post('/refused-at-length'), await post('/refused-at-length')])
      expect([seen.status, seen.headers['onefold-outcome'], seen.body.equals(LARGE)]).toEqual([422, 'rejected', true])
    expect(service.effects('/refused-at-length')).toBe(2)
  })

  it('that the operator reads as done is replayed as it was', async () => {
    const first = await post('/exists')
    const again = await post('/exists')
    expect([first.status, again.status, again.text]).toEqual([409, 409, first.text])
    expect(again.headers['idempotent-replayed']).toBe('true')
    expect(service.effects('/exists')).toBe(1)
  })

  it('that the operator reads as refused, by a piece of its text, may be tried again', async () => {
    const [first, again] = [await post('/declined'), await post('/declined')]
    expect([first.status, again.status, again.headers['onefold-outcome']]).toEqual([402, 402, 'rejected'])
    expect(service.effects('/declined')).toBe(2)
  })
})

describe('an answer that breaks off', () => {
  it.each(['/broken', '/garbage'])('%s: the client is told the doubt, and no repeat is sent', async (path) => {
    const first = await post(path)
    expect([first.status, first.json()['code']]).toEqual([422, 'IN_DOUBT'])
    expect((await post(path)).json()).toMatchObject({ code: 'IN_DOUBT' })
    expect(service.effects(path)).toBe(1)
  })

  it('in the middle of a stream: the client’s connection breaks off as well', async () => {
    await expect(post('/broken-events')).rejects.toThrow(/aborted|hang up|ECONNRESET/)
    expect((await post('/broken-events')).json()).toMatchObject({ code: 'IN_DOUBT' })
    expect(service.effects('/broken-events')).toBe(1)
  })
})

it('a form that is built anew for a retry is the same where its body is ignored', async () => {
  const send = (boundary: string): Promise<Seen> =>
    ask(`${front.url}/form`, {
      headers: { 'idempotency-key': 'form', 'content-type': `multipart/form-data; boundary=${boundary}` },
      body: `--${boundary}\r\ncontent-disposition: form-data; name=a\r\n\r\n1\r\n--${boundary}--\r\n`,
    })
  expect([(await send('one')).text, (await send('two')).headers['onefold-outcome']]).toEqual(['taken', 'replayed'])
  expect(service.effects('/form')).toBe(1)
})
