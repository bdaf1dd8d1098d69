import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PATIENCE } from './fixtures/harness.ts'
import { callLine, inRawProxy, rawProxy, read, type RawOptions, type RawProxy } from './fixtures/raw-proxy.ts'
import type { RawClient } from './fixtures/raw-client.ts'

const INVALID = { code: -32602, data: { type: 'INPUT_INVALID', effect: 'none', retryable: false } }

describe('lines of the client that nobody can understand', PATIENCE, () => {
  let place: RawProxy
  let client: RawClient
  beforeAll(() => {
    place = rawProxy()
    client = place.start()
  })
  afterAll(async () => await place.close())

  it('garbage is a parse error', async () => {
    for (const line of ['garbage', '{"jsonrpc":', '{"a":1}}', 'NaN']) {
      expect(read(await client.ask(line))).toMatchObject({ id: null, error: { code: -32700 } })
    }
    client.send(Buffer.from([0x22, 0xff, 0xfe, 0x22, 0x0a]))
    expect(read(await client.line())).toMatchObject({ id: null, error: { code: -32700 } })
  })

  it('blank lines are nothing', async () => {
    expect(read(await client.ask('\r\n\n   \nx'))).toMatchObject({ error: { code: -32700 } })
  })

  it('what is no request is an invalid request: batches, bare values, a name that stands twice, an id that is none', async () => {
    for (const line of [
      `[${callLine(1, 'write', { id: 1 })}]`,
      '7',
      '{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call","params":{"name":"write","arguments":{"id":1}}}',
      '{"jsonrpc":"2.0","id":{"a":1},"method":"tools/call","params":{"name":"write","arguments":{"id":1}}}',
      '{"jsonrpc":"2.0","id":1,"method":7}',
      '{"jsonrpc":"2.0","method":"tools/call","params":{"name":"write","arguments":{"id":1}}}',
    ]) {
      expect(read(await client.ask(line)).error?.code, line).toBe(-32600)
    }
  })

  it('calls that two readers could understand differently are invalid params', async () => {
    const call = (params: string): string => `{"jsonrpc":"2.0","id":9,"method":"tools\\/call","params":${params}}`
    const cases: readonly (readonly [string, string])[] = [
      ['{"name":"read","name":"write","arguments":{"id":1}}', '$.params.name'],
      ['{"name":"write","arguments":{"id":1},"arguments":{"id":2}}', '$.params.arguments'],
      ['{"name":"write","arguments":{"id":1,"\\u0069d":2}}', '$.params.arguments.id'],
      ['{"name":"write","arguments":{"id":1,"deep":[{"x":{"y":1,"y":1}}]}}', '$.params.arguments.deep[0].x.y'],
      ['{"name":"write","arguments":{"id":"\\ud800"}}', '$.params.arguments.id'],
      ['{"name":"write","arguments":{"id":1e400}}', '$.params.arguments.id'],
      ['{"name":"write","arguments":[1]}', '$.params.arguments'],
      ['{"name":"write","arguments":"x"}', '$.params.arguments'],
      ['{"name":["write"],"arguments":{"id":1}}', '$.params.name'],
      ['[]', '$.params'],
      [
        '{"name":"write","arguments":{"id":1},"_meta":{"io.onefold/occurrence":0}}',
        '$.params._meta["io.onefold/occurrence"]',
      ],
      ['{"name":"write","arguments":{"id":1},"_meta":{"io.onefold/run-id":7}}', '$.params._meta["io.onefold/run-id"]'],
    ]
    for (const [params, path] of cases) {
      const answer = read(await client.ask(call(params)))
      expect(answer, params).toMatchObject({ id: 9, error: { ...INVALID, data: { ...INVALID.data, path } } })
    }
  })

  it('an input without any identity field is refused: one misspelt field must not make all calls one', async () => {
    const answer = read(await client.ask(callLine(10, 'write', { ID: 1 })))
    expect(answer.error).toMatchObject({ ...INVALID, data: { path: '$.params.arguments.id' } })
  })

  it('a 50 MB argument is refused with its id, declared or not', async () => {
    const big = 'x'.repeat(50 * 1024 * 1024)
    for (const tool of ['write', 'nobody_declared_me']) {
      const answer = read(await client.ask(callLine(11, tool, { id: 1, big })))
      expect(answer).toMatchObject({ id: 11, error: { ...INVALID, data: { path: '$.params.arguments' } } })
      expect(answer.error?.message.length).toBeLessThan(300)
    }
  })

  it('arguments beyond the canonical limit of 1 MiB are refused', async () => {
    expect(
      read(await client.ask(callLine(12, 'write', { id: 1, big: 'x'.repeat(2 * 1024 * 1024) }))).error,
    ).toMatchObject(INVALID)
  })

  it('deep nesting is refused, however deep', async () => {
    for (const depth of [65, 1_000_000]) {
      const deep = `{"id":${'['.repeat(depth)}${']'.repeat(depth)}}`
      const answer = read(
        await client.ask(
          `{"jsonrpc":"2.0","id":13,"method":"tools/call","params":{"name":"write","arguments":${deep}}}`,
        ),
      )
      expect(answer).toMatchObject({ id: 13, error: INVALID })
    }
  })

  it('and after all that the proxy still serves, and the server has seen none of it', async () => {
    const { result } = read(await client.ask(callLine('last', 'write', { id: 'last' })))
    expect(result?._meta['io.onefold/receipt']).toMatchObject({ status: 'executed' })
    expect(place.received()).toHaveLength(1)
  })
})

describe.concurrent('a proxy that cannot start', PATIENCE, () => {
  const ended = async (place: RawProxy, options?: RawOptions): Promise<{ code: number | null; stderr: string }> => {
    const client = place.start(options)
    client.end()
    return { code: await client.exited, stderr: client.stderr() }
  }

  it(
    'a command that does not exist is wrong use',
    inRawProxy(async (place) => {
      const { code, stderr } = await ended(place, { server: ['/no/such/server'] })
      expect({ code, stderr }).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('cannot start /no/such/server: there is no such command'),
      })
    }),
  )

  it(
    'an unknown word in the configuration names file, line and the nearest valid one',
    inRawProxy(async (place) => {
      writeFileSync(place.config, 'mcp:\n  tools:\n    send: { effect: write, identiy: [a], recovery: manual }\n')
      const { code, stderr } = await ended(place)
      expect(code).toBe(2)
      expect(stderr).toContain(
        `CONFIG_INVALID: ${place.config}:3:28: mcp.tools.send has no key "identiy". Did you mean identity?`,
      )
    }),
  )

  it.each([
    [
      'is not a database',
      (path: string) =>
        writeFileSync(path, 'this is no database, but a text that is long enough to be one'.repeat(100)),
    ],
    ['is a directory', (path: string) => mkdirSync(path)],
    [
      'has a newer schema',
      (path: string) => {
        const db = new DatabaseSync(path)
        db.exec('PRAGMA application_id = 0x4f463100; PRAGMA user_version = 9999; CREATE TABLE t (a)')
        db.close()
      },
    ],
  ])(
    'a ledger that %s: status 3, and the server was not started',
    async (_what, spoil) =>
      await inRawProxy(async (place) => {
        spoil(join(place.folder, 'ledger.db'))
        const { code, stderr } = await ended(place)
        expect(code).toBe(3)
        expect(stderr).toMatch(/STORE_UN(AVAILABLE|SAFE)/)
        expect(stderr).toContain('The MCP server was not started')
        expect(place.received()).toHaveLength(0)
      })(),
  )

  it(
    'a disk that is full: status 3',
    inRawProxy(async (place) => {
      const { code, stderr } = await ended(place, {
        before: ['/bin/sh', '-c', 'ulimit -f 0; trap "" XFSZ; exec "$@"', 'sh'],
      })
      expect({ code, stderr }).toMatchObject({ code: 3, stderr: expect.stringMatching(/STORE_UN(AVAILABLE|SAFE)/) })
    }),
  )
})

describe.concurrent('a ledger that fails while the proxy serves', PATIENCE, () => {
  it(
    'writes are refused with nothing sent, reads pass, and all is well when it is back',
    inRawProxy(async (place) => {
      const client = place.start()
      await client.ask(callLine(1, 'write', { id: 'before' }))
      const lock = new DatabaseSync(join(place.folder, 'ledger.db'))
      lock.exec('BEGIN IMMEDIATE')
      client.send(`${callLine(2, 'write', { id: 'locked' })}\n`)
      expect(read(await client.ask(callLine(3, 'read', {}))).id, 'the read does not wait for the write').toBe(3)
      const answer = read(await client.line())
      expect(answer).toMatchObject({
        id: 2,
        error: { code: -31009, data: { type: 'STORE_UNAVAILABLE', effect: 'none', retryable: true } },
      })
      expect(place.received().filter((received) => received.includes('locked'))).toHaveLength(0)
      lock.exec('ROLLBACK')
      lock.close()
      expect(
        read(await client.ask(callLine(4, 'write', { id: 'locked' }))).result?._meta['io.onefold/receipt'],
      ).toMatchObject({ status: 'executed' })
    }),
  )
})
