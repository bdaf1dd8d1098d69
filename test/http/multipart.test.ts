import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ask, startFront, write, type Front, type Seen } from './fixtures/harness.ts'
import { startService, type Service } from './fixtures/service.ts'

/* Clients build a form anew for a retry, and choose a new boundary each time. */

let service: Service
let front: Front
beforeAll(async () => {
  service = await startService((_got, response) => void response.writeHead(201).end('taken'))
  front = await startFront({
    upstream: service.url,
    routes: [write('POST /keyed'), write('POST /all', { identity: 'all' })],
  })
})
afterAll(async () => {
  await front.close()
  await service.close()
})

const outcomeOf = ({ headers }: Seen): unknown => headers['onefold-outcome']

/** In memory and in the record; beside the record; on disk. */
const SIZES = [10, 100_000, 3_000_000]

describe.each(SIZES)('a form with a file of %i bytes', (size) => {
  const send = (path: string, boundary: string, file: string, key: string): Promise<Seen> =>
    ask(`${front.url}${path}`, {
      headers: { 'content-type': `multipart/form-data; boundary=${boundary}`, 'idempotency-key': `${key}-${size}` },
      body: `--${boundary}\r\ncontent-disposition: form-data; name=a; filename=f\r\n\r\n${file.repeat(size)}\r\n--${boundary}--\r\n`,
    })

  it.each(['/all', '/keyed'])('is the same under another boundary, at %s', async (path) => {
    const before = service.effects(path)
    const told = [await send(path, '----one', 'x', 'same'), await send(path, '----other', 'x', 'same')]
    expect(told.map(outcomeOf)).toEqual(['executed', 'replayed'])
    expect(service.effects(path)).toBe(before + 1)
  })

  it('and is another one with another file', async () => {
    const before = service.effects('/all')
    const told = [await send('/all', 'b', 'y', 'k'), await send('/all', 'b', 'z', 'k')]
    expect(told.map(outcomeOf)).toEqual(['executed', 'executed'])
    expect(service.effects('/all')).toBe(before + 2)
    await send('/keyed', 'b', 'y', 'k')
    expect((await send('/keyed', 'b', 'z', 'k')).json()).toMatchObject({ code: 'KEY_REUSED', fields: ['body.form'] })
  })
})

it('a form of fetch that no route declares happens once, though each try is other bytes', async () => {
  const send = async (): Promise<Response> => {
    const body = new FormData()
    body.set('file', new Blob(['contents']), 'receipt.pdf')
    // A proxy of their own between: what follows on the connection is no evidence that the answer was read.
    return await fetch(`${front.url}/uploads`, { method: 'POST', body, headers: { via: '1.1 other' } })
  }
  const told = [await send(), await send()]
  expect(told.map(({ headers }) => headers.get('onefold-outcome'))).toEqual(['executed', 'replayed'])
  expect(service.effects('/uploads')).toBe(1)
})
