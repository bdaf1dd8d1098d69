import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { plainText } from '../../src/http/exchange/index.ts'
import { ask, eventually, startFront, write, type Front } from './fixtures/harness.ts'
import { startService, type Service } from './fixtures/service.ts'

/** A service that compresses whatever it answers, as most do for clients that say that they take it. */
let service: Service
let front: Front
beforeAll(async () => {
  service = await startService(({ url }, response) => {
    if (url === '/lost') return void response.destroy()
    const [status, value] = url.startsWith('/declined')
      ? [402, { error: 'card_declined' }]
      : url.startsWith('/accepted')
        ? [202, { job: 'j1' }]
        : [200, { state: 'done' }]
    response.writeHead(status, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
    response.end(gzipSync(JSON.stringify(value)))
  })
  front = await startFront({
    upstream: service.url,
    settings: { maxRecoveryBackoffMs: 20 },
    routes: [
      write('POST /declined', { key: 'required', errors: [{ match: 'card_declined', effect: 'none' }] }),
      write('POST /accepted', { key: 'required', verify: { get: '/jobs/{answer.job}', found: 'body.state' } }),
      write('POST /lost', {
        key: 'required',
        recovery: { class: 'probe', probe: { get: '/found?ref={key}', found: 'body.state' }, settle: '0s' },
      }),
    ],
  })
})
afterAll(async () => {
  await front.close()
  await service.close()
})

const send = (path: string): ReturnType<typeof ask> =>
  ask(`${front.url}${path}`, { headers: { 'idempotency-key': `${path}-1`, 'accept-encoding': 'gzip' }, body: {} })

describe('an answer that is compressed', () => {
  it('is read by its text where the operator declares one', async () => {
    const seen = await send('/declined')
    expect([seen.status, seen.headers['onefold-outcome']]).toEqual([402, 'rejected'])
    expect(seen.body).toEqual(gzipSync(JSON.stringify({ error: 'card_declined' })))
  })

  it('says where to ask whether it was carried out', async () => {
    await send('/accepted')
    const done = await eventually(async () => {
      const { headers } = await send('/accepted')
      return headers['onefold-notice']?.includes('not yet confirmed') === true ? undefined : headers
    })
    expect(done['onefold-outcome']).toBe('replayed')
    expect(service.requests.some(({ url }) => url === '/jobs/j1')).toBe(true)
  })

  it('to a probe says that the effect is there', async () => {
    const seen = await send('/lost')
    expect([seen.status, seen.headers['onefold-outcome']]).toEqual([200, 'executed'])
    expect(service.effects('/lost')).toBe(1)
  })
})

describe('the text of an answer', () => {
  const text = 'card_declined ü'
  const of = (coding: string, body: string | Uint8Array): string | undefined =>
    plainText({ status: 402, headers: [['content-encoding', coding]], body })

  it.each([
    ['gzip', gzipSync(text)],
    ['X-GZip', gzipSync(text)],
    ['deflate', deflateSync(text)],
    ['br', brotliCompressSync(text)],
    ['zstd', zstdCompressSync(text)],
    ['deflate, gzip', gzipSync(deflateSync(text))],
    ['identity', text],
    // `fetch` decodes a body and leaves its header.
    ['gzip', text],
  ])('in %s', (coding, body) => {
    expect(of(coding, body)).toBe(text)
  })

  it('is none where it cannot be read, or has no end', () => {
    expect(of('compress', Buffer.from([0x1f, 0x9d, 0x90]))).toBeUndefined()
    expect(of('gzip', gzipSync(text).subarray(0, 20))).toBeUndefined()
    expect(of('gzip', gzipSync(Buffer.alloc(9 * 1024 * 1024)))).toBeUndefined()
  })
})
