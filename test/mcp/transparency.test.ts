import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PATIENCE } from './fixtures/harness.ts'
import { callLine, rawProxy, read, type RawProxy } from './fixtures/raw-proxy.ts'
import type { RawClient } from './fixtures/raw-client.ts'

let place: RawProxy
let client: RawClient

beforeAll(async () => {
  place = rawProxy()
  client = place.start({ env: { RAW_MODE: 'echo-notifications' } })
})
afterAll(async () => await place.close())

const INITIALIZE =
  '{"id" :1,  "jsonrpc":"2.0","method":"initialize","params":{"protocolVersion":"2025-11-25","x":9007199254740993}}'

/** The line that the server received, as it says in its answer. */
const seen = (line: string): string => read(line).result?.content[0]?.text ?? ''

describe('what the proxy does not own', PATIENCE, () => {
  it('the server’s answers keep every byte, its odd spacing too', async () => {
    expect(await client.ask(INITIALIZE)).toBe(
      '{ "jsonrpc" : "2.0", "id":1, "result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"raw","version":"1"}} }',
    )
  })

  it('requests of every method and id arrive as they were sent', async () => {
    for (const line of [
      '{"jsonrpc":"2.0","id":"ä\\u0041","method":"resources/read","params":{"uri":"file:///x","n":1.0,"n":2}}',
      '  {"method":"tools\\/list","jsonrpc":"2.0","id":12345678901234567890}',
      '{"jsonrpc":"2.0","id":-1,"method":"prompts/get"}',
    ]) {
      const answer = JSON.parse(await client.ask(line)) as { result: { echo: string } }
      expect(answer.result.echo).toBe(line)
    }
  })

  it('notifications pass both ways', async () => {
    const note = '{"jsonrpc":"2.0","method":"notifications/roots/list_changed" ,"params":{}}'
    const answer = JSON.parse(await client.ask(note)) as { params: { data: string } }
    expect(answer.params.data).toBe(note)
  })

  it('reads pass unchanged, with nothing in the ledger and nothing added', async () => {
    const line = callLine('r1', 'read', { q: 1 })
    const answer = await client.ask(line)
    expect(answer).toBe(
      `{"jsonrpc":"2.0","id":"r1","result":{"content":[{"type":"text","text":${JSON.stringify(line)}}],"big":12345678901234567890,"one":1.0}}`,
    )
  })

  it('requests and progress of the server reach the client in the middle of a write, and its answer gets back', async () => {
    client.send(`${callLine(40, 'ask', { id: 1 }, { progressToken: 't1' })}\n`)
    expect(await client.line()).toContain('"progressToken":"t1"')
    expect(await client.line()).toBe('{ "jsonrpc":"2.0", "id":"server-1", "method":"roots/list" }')
    const reply = '{"jsonrpc":"2.0","id":"server-1","result":{"roots":[]}}'
    expect(seen(await client.ask(reply))).toBe(reply)
  })
})

describe('a write', PATIENCE, () => {
  const odd =
    '{"jsonrpc":"2.0", "id": "o\\u0031" ,"method":"tools/call","params":{ "arguments" : {"id":9223372036854775807,"x":1.0,"t":"\\u00e4ß"} , "name":"write","extra":[1]}}'

  it('reaches the server with another id and every other byte the same, 64-bit integers too', async () => {
    const answer = await client.ask(odd)
    expect(answer.startsWith('{"jsonrpc":"2.0","id":"o\\u0031","result":')).toBe(true)
    const id = /"id": ("onefold-[^"]+")/.exec(seen(answer))?.[1] ?? ''
    expect(seen(answer)).toBe(odd.replace('"o\\u0031"', id))
    expect(answer).toContain('"big":12345678901234567890,"one":1.0')
  })

  it('replays the answer with the same digits, and differs in one digit of a 64-bit integer', async () => {
    const first = await client.ask(odd.replace('9223372036854775807', '9223372036854775806'))
    const replay = await client.ask(odd)
    expect(read(replay).result?._meta['io.onefold/receipt']).toMatchObject({ status: 'replayed' })
    expect(replay).toContain('"big":12345678901234567890,"one":1.0')
    expect(read(first).result?._meta['io.onefold/receipt']).toMatchObject({ status: 'executed' })
  })

  it('gets our key in a nested argument, whether the caller has put one there or not', async () => {
    const first = seen(await client.ask(callLine(50, 'keyed', { id: 'k1', meta: { key: 'from the model', also: 1 } })))
    expect(first).toMatch(/"meta":\{"key":"[0-9a-f-]{36}","also":1\}/)
    const second = seen(await client.ask(callLine(51, 'keyed', { id: 'k2' })))
    expect(second).toMatch(/"arguments":\{"meta":\{"key":"[0-9a-f-]{36}"\},"id":"k2"\}/)
  })

  it('gets our key in _meta beside what the caller has there', async () => {
    const sent = seen(await client.ask(callLine(52, 'with_meta', { id: 'm1' }, { trace: 'abc' })))
    expect(JSON.parse(sent)).toMatchObject({
      params: { _meta: { trace: 'abc', 'io.onefold/idempotency-key': expect.stringMatching(/^[0-9a-f-]{36}$/) } },
    })
    const bare = seen(await client.ask(callLine(53, 'with_meta', { id: 'm2' })))
    expect(JSON.parse(bare)).toMatchObject({ params: { _meta: { 'io.onefold/idempotency-key': expect.any(String) } } })
  })

  it('tells the model of a replay where the contract asks for it', async () => {
    await client.ask(callLine(54, 'said', { id: 1 }))
    const replay = read(await client.ask(callLine(55, 'said', { id: 1, why: 'again' })))
    expect(replay.result?.content[1]?.text).toContain('nothing was done again')
  })
})

describe('a repeat', PATIENCE, () => {
  it('[AG-8] of a read reaches the server each time, of a write only once', async () => {
    for (const tool of ['read', 'write']) {
      for (const id of [90, 91, 92]) await client.ask(callLine(id, tool, { id: 'repeated' }))
    }
    const sent = place.received().filter((line) => line.includes('repeated'))
    expect(sent.map((line) => (JSON.parse(line) as { params: { name: string } }).params.name)).toEqual([
      'read',
      'read',
      'read',
      'write',
    ])
  })
})

describe('errors of the server', PATIENCE, () => {
  it('invalid params are passed on unchanged and are no doubt: a corrected or equal call runs', async () => {
    for (const id of [60, 61]) {
      expect(await client.ask(callLine(id, 'refuse', { a: 1 }))).toBe(
        `{"jsonrpc":"2.0","id":${id},"error":{"code":-32602,"message":"bad arguments","data":{"at":"x"}}}`,
      )
    }
    expect(place.received().filter((line) => line.includes('"refuse"'))).toHaveLength(2)
  })

  it('any other error is passed on unchanged to its caller, and an equal call is told of the doubt', async () => {
    expect(await client.ask(callLine(62, 'fail', { a: 1 }))).toBe(
      '{"jsonrpc":"2.0","id":62,"error":{"code":-32050,"message":"it broke"}}',
    )
    const again = read(await client.ask(callLine(63, 'fail', { a: 1 })))
    expect(again.result).toMatchObject({
      isError: true,
      _meta: { 'io.onefold/error': { type: 'IN_DOUBT', reason: 'answered-error' } },
    })
    expect(place.received().filter((line) => line.includes('"fail"'))).toHaveLength(1)
  })
})

describe('keys of callers', PATIENCE, () => {
  it('[IN-6] a tool that demands a key refuses a call without one, and nothing is sent', async () => {
    const answer = read(await client.ask(callLine(70, 'demands', { a: 1 })))
    expect(answer.error).toMatchObject({ code: -31001, data: { type: 'KEY_MISSING', effect: 'none' } })
    expect(place.received().filter((line) => line.includes('"demands"'))).toHaveLength(0)
  })

  it('the key is the identity wherever it stands: in _meta, in SEP-3182’s field, in UCP’s argument', async () => {
    const sep =
      '{"jsonrpc":"2.0","id":72,"method":"tools/call","params":{"name":"demands","arguments":{"a":1},"idempotencyKey":"K1"}}'
    const first = read(await client.ask(callLine(71, 'demands', { a: 1 }, { 'io.onefold/idempotency-key': 'K1' })))
    const second = read(await client.ask(sep))
    expect(first.result?._meta['io.onefold/receipt']).toMatchObject({ status: 'executed' })
    expect(second.result?._meta['io.onefold/receipt']).toMatchObject({ status: 'replayed' })
    const changed = read(await client.ask(callLine(73, 'demands', { a: 2 }, { 'io.onefold/idempotency-key': 'K1' })))
    expect(changed.result?._meta['io.onefold/error']).toMatchObject({ type: 'KEY_REUSED', fields: ['a'] })
    const ucp = read(await client.ask(callLine(74, 'demands', { meta: { 'idempotency-key': 'K2' } })))
    expect(ucp.result?._meta['io.onefold/receipt']).toMatchObject({ status: 'executed' })
  })

  it('two keys that differ are refused', async () => {
    const line =
      '{"jsonrpc":"2.0","id":75,"method":"tools/call","params":{"name":"demands","arguments":{},"idempotencyKey":"A","_meta":{"io.onefold/idempotency-key":"B"}}}'
    expect(read(await client.ask(line)).error).toMatchObject({
      code: -31002,
      data: { type: 'KEY_INVALID', effect: 'none' },
    })
  })

  it('undeclared tools in two runs are two operations, in one run a retry joins', async () => {
    const call = (id: number, run: string): Promise<string> =>
      client.ask(callLine(id, 'undeclared', { a: 1 }, { 'io.onefold/run-id': run }))
    const receipts = [read(await call(80, 'run-1')), read(await call(81, 'run-2'))].map(
      (answer) => answer.result?._meta['io.onefold/receipt'],
    )
    expect(receipts).toMatchObject([{ status: 'executed' }, { status: 'executed' }])
    expect(receipts[0]?.['key']).not.toBe(receipts[1]?.['key'])
  })
})
