import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ask, eventually, startFront, write, type Front, type Seen } from './fixtures/harness.ts'
import { startService, type Service } from './fixtures/service.ts'

let service: Service
/** Answers of `/held`, which come when the test says so. */
const held: (() => void)[] = []
let front: Front

beforeAll(async () => {
  service = await startService(async (got, response) => {
    if (got.url === '/held') await new Promise<void>((resolve) => held.push(resolve))
    response.writeHead(201, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ size: got.body.byteLength }))
  })
  front = await startFront({
    upstream: service.url,
    routes: [write('POST /orders'), write('POST /uploads', { identity: 'all' })],
    gateway: {
      limits: { bodyBytes: 200_000, memoryBytes: 50_000, headers: 40, headersMs: 400, requestMs: 500, waiters: 8 },
    },
  })
})
afterAll(async () => {
  await front.close()
  await service.close()
})

/** Writes bytes as they are and reads until the other side ends, or until `enough` says so. */
function raw(parts: readonly string[], gapMs = 0, enough = (_text: string): boolean => false): Promise<string> {
  const { port } = new URL(front.url)
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = connect({ port: Number(port), host: '127.0.0.1' })
    socket.setEncoding('latin1')
    socket.on('data', (chunk) => {
      text += String(chunk)
      if (enough(text)) socket.destroy()
    })
    socket.on('close', () => resolve(text))
    socket.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EPIPE' || error.code === 'ECONNRESET' ? resolve(text) : reject(error),
    )
    const next = (at: number): void => {
      if (at >= parts.length || socket.destroyed) return
      socket.write(parts[at] as string, 'latin1')
      setTimeout(() => next(at + 1), gapMs)
    }
    socket.on('connect', () => next(0))
  })
}

const HEAD = 'POST /orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n'
const statusOf = (text: string): number => Number(text.slice(9, 12))
const whole = (text: string): boolean => text.includes('\r\n\r\n')

describe('smuggled framing is refused, and nothing of it reaches the service', () => {
  it.each([
    [
      'Transfer-Encoding with Content-Length',
      `${HEAD}Idempotency-Key: s1\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: localhost\r\n\r\n`,
    ],
    [
      'two lengths',
      `${HEAD}Idempotency-Key: s2\r\nContent-Length: 2\r\nContent-Length: 60\r\n\r\n{}GET /hidden HTTP/1.1\r\nHost: localhost\r\n\r\n`,
    ],
    ['an unknown coding', `${HEAD}Idempotency-Key: s3\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`],
    [
      'a coding twice',
      `${HEAD}Idempotency-Key: s4\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n`,
    ],
    ['a length that is no number', `${HEAD}Idempotency-Key: s5\r\nContent-Length: +2\r\n\r\n{}`],
    ['a blank before the colon', `${HEAD}Idempotency-Key : s6\r\nContent-Length: 2\r\n\r\n{}`],
    ['a folded header', `${HEAD}Idempotency-Key: s7\r\n folded\r\nContent-Length: 2\r\n\r\n{}`],
    ['a bare line feed', `${HEAD}Idempotency-Key: s8\nX: y\r\nContent-Length: 2\r\n\r\n{}`],
    [
      'a chunk size that is none',
      `${HEAD}Idempotency-Key: s9\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n`,
    ],
    ['CRLF in a key', `${HEAD}Idempotency-Key: a\rX-Evil: 1\r\nContent-Length: 2\r\n\r\n{}`],
    ['two keys', `${HEAD}Idempotency-Key: a\r\nIdempotency-Key: b\r\nContent-Length: 2\r\n\r\n{}`],
    [
      'two authorizations',
      `${HEAD}Idempotency-Key: a2\r\nAuthorization: x\r\nAuthorization: y\r\nContent-Length: 2\r\n\r\n{}`,
    ],
    [
      'a hop-by-hop key',
      `${HEAD}Idempotency-Key: a3\r\nConnection: close, idempotency-key\r\nContent-Length: 2\r\n\r\n{}`,
    ],
    ['hop-by-hop credentials', `${HEAD}Authorization: x\r\nConnection: authorization\r\nContent-Length: 2\r\n\r\n{}`],
    ['two hosts', `${HEAD}Idempotency-Key: a4\r\nHost: evil\r\nContent-Length: 2\r\n\r\n{}`],
  ])('%s', async (_name, bytes) => {
    const before = service.requests.length
    const text = await raw([bytes])
    expect(statusOf(text), text).toBe(400)
    expect(text).toContain('application/problem+json')
    expect(service.requests.length).toBe(before)
  })

  it.each(['/orders/../admin', '/orders/%2e%2e/admin', '/a%2fb', '//evil/orders', '/orders%00', '/a\\b'])(
    'path %s',
    async (path) => {
      const before = service.requests.length
      expect(statusOf(await raw([`POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n`]))).toBe(400)
      expect(service.requests.length).toBe(before)
    },
  )

  it('what comes behind a request that is acting is no answer to it', async () => {
    const request = 'POST /held HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: h\r\nContent-Length: 2\r\n\r\n{}'
    const text = raw([`${request}\0`])
    const answer = await eventually(() => held.pop())
    answer()
    expect(statusOf(await text)).toBe(201)
    expect(await text).not.toContain('Nothing was done')
    expect(service.effects('/held')).toBe(1)
  })

  it('an absolute target of another host', async () => {
    const text = await raw(['POST http://evil.example/orders HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n'])
    expect(statusOf(text)).toBe(400)
  })
})

describe('a read that asks for another method in a header', () => {
  const get = (headers: Record<string, string>): Promise<Seen> => ask(`${front.url}/orders`, { method: 'GET', headers })

  it.each(['x-http-method-override', 'x-http-method', 'x-method-override'])(
    'is refused where that one is guarded, and reaches nobody: %s',
    async (name) => {
      const before = service.requests.length
      for (const method of ['DELETE', 'post', 'PUT, GET', 'SHRED']) {
        const seen = await get({ [name]: method })
        expect([method, seen.status, seen.json()['effect']]).toEqual([method, 400, 'none'])
      }
      expect(service.requests.length).toBe(before)
    },
  )

  it('passes where it asks for a read, as it does without', async () => {
    expect((await get({ 'x-http-method-override': 'HEAD' })).status).toBe(201)
    expect((await get({})).status).toBe(201)
  })
})

describe('who the gateway answers to', () => {
  it('a Host that somebody else’s DNS points here is refused', async () => {
    const before = service.requests.length
    const text = await raw(['GET /orders HTTP/1.1\r\nHost: evil.example\r\n\r\n'])
    expect(statusOf(text)).toBe(403)
    expect(service.requests.length).toBe(before)
  })

  it.each(['localhost', '127.0.0.1:8787', '[::1]:1'])('%s is answered', async (host) => {
    expect(statusOf(await raw([`GET /orders HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`]))).toBe(201)
  })
})

describe('limits', () => {
  it('a body that drips is cut off, and nothing happens', async () => {
    const before = service.requests.length
    const drip = Array.from({ length: 40 }, () => 'x')
    const text = await raw([`${HEAD}Idempotency-Key: drip\r\nContent-Length: 1000\r\n\r\n`, ...drip], 50)
    expect(statusOf(text)).toBe(408)
    expect(service.requests.length).toBe(before)
  })

  it('headers that drip are cut off', async () => {
    const text = await raw(
      ['POST /orders HTTP/1.1\r\n', ...Array.from({ length: 40 }, (_one, n) => `X-${n}: 1\r\n`)],
      50,
    )
    expect(statusOf(text)).toBe(408)
  })

  it('too many headers, and too large ones', async () => {
    const many = Array.from({ length: 50 }, (_one, n) => `x-${n}: 1\r\n`).join('')
    expect(statusOf(await raw([`${HEAD}${many}Content-Length: 0\r\n\r\n`]))).toBe(431)
    expect(statusOf(await raw([`${HEAD}x: ${'y'.repeat(20_000)}\r\n\r\n`]))).toBe(431)
  })

  it('a body over the limit: told 413, whether its length is announced or not', async () => {
    const before = service.requests.length
    const announced = await ask(`${front.url}/uploads`, { body: Buffer.alloc(200_001) })
    expect([announced.status, announced.json()['code']]).toEqual([413, 'TOO_LARGE'])
    const chunk = `8000\r\n${'z'.repeat(0x8000)}\r\n`
    const text = await raw(
      [`POST /uploads HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n`, ...Array(8).fill(chunk)],
      2,
      whole,
    )
    expect(statusOf(text)).toBe(413)
    expect(service.requests.length).toBe(before)
  })

  it('an upload over the memory limit goes through the disk, byte for byte', async () => {
    const bytes = Buffer.from(Array.from({ length: 150_000 }, (_one, n) => n % 251))
    const [a, b] = await Promise.all([
      ask(`${front.url}/uploads`, { body: bytes }),
      ask(`${front.url}/uploads`, { body: bytes }),
    ])
    expect([a.json(), b.text]).toEqual([{ size: 150_000 }, a.text])
    expect(service.requests.filter(({ body }) => body.equals(bytes)).length).toBe(1)
  })

  it('JSON that the identity cannot be read from is refused', async () => {
    const strict = await startFront({
      upstream: service.url,
      routes: [write('POST /by-field', { identity: ['body.id'] })],
    })
    const post = (body: string): Promise<unknown> =>
      ask(`${strict.url}/by-field`, { headers: { 'content-type': 'application/json' }, body }).then(
        ({ status, json }) => [status, json()['code']],
      )
    for (const body of ['{', '[]', '{"id":1,"id":2}', '', '"\\ud800"', `${'['.repeat(200)}${']'.repeat(200)}`])
      expect(await post(body), body.slice(0, 20)).toEqual([400, 'INPUT_INVALID'])
    expect(service.effects('/by-field')).toBe(0)
    await strict.close()
  })
})

it('a client that stops reading does not stop the others', async () => {
  const { port } = new URL(front.url)
  const stuck = connect({ port: Number(port), host: '127.0.0.1' })
  stuck.on('error', () => undefined)
  stuck.write('GET /orders HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(50))
  stuck.pause()
  const seen = await ask(`${front.url}/orders`, { headers: { 'idempotency-key': 'unstuck' }, body: {} })
  expect(seen.status).toBe(201)
  stuck.destroy()
})
