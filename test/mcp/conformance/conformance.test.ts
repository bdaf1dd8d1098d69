import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { ENVIRONMENT, PROGRAMS } from '../fixtures/harness.ts'
import { serve, serveProxy, type Served } from '../fixtures/http-harness.ts'
import { check, inspect, install } from './suite.ts'

/** Installing takes a while on a slow line; the suites themselves take seconds. */
const PATIENCE = 300_000
const folder = mkdtempSync(join(tmpdir(), 'onefold-conformance-ledgers-'))
const served: Served[] = []
let ledgers = 0

beforeAll(install, PATIENCE)
afterEach(async () => void (await Promise.all(served.splice(0).map((one) => one.stop()))))
afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }))

const fixture = (name: string): string => fileURLToPath(new URL(`./${name}.ts`, import.meta.url))
const kept = async (starting: Promise<Served>): Promise<Served> => {
  const one = await starting
  served.push(one)
  return one
}
const store = (): readonly string[] => ['--store', `sqlite:${join(folder, `${(ledgers += 1)}.db`)}`]
const server = (name: string): Promise<Served> => kept(serve([fixture(name), '--http'], ENVIRONMENT))
const proxy = (...behind: readonly string[]): Promise<Served> => kept(serveProxy([...store(), ...behind]))

describe.each([
  ['2025-11-25', 'everything-v1', 80],
  ['2026-07-28', 'everything-v2', 160],
] as const)('the official conformance suite for MCP %s', (revision, name, least) => {
  it(
    `passes the same checks, at least ${least}, directly and through the proxy, HTTP to HTTP and in front of stdio`,
    async () => {
      const direct = await server(name)
      const [hop, bridge] = await Promise.all([
        proxy('--upstream', direct.url),
        proxy('--', process.execPath, fixture(name)),
      ])
      const expected = await check(direct.url, revision)
      expect(expected.count, expected.output).toBeGreaterThanOrEqual(least)
      const [overHttp, overStdio] = await Promise.all([check(hop.url, revision), check(bridge.url, revision)])
      expect(overHttp.passed).toEqual(expected.passed)
      // Not scored by the suite: a server behind a pipe cannot end a stream in the middle of a call.
      const overPipe = (checks: readonly string[]): readonly string[] =>
        checks.filter((one) => !one.startsWith('server-sse-polling/server-sse-disconnect-resume'))
      expect(overStdio.passed).toEqual(overPipe(expected.passed))
    },
    PATIENCE,
  )
})

describe('the official Inspector', () => {
  it(
    'lists and calls tools through the proxy, over stdio and over HTTP',
    async () => {
      const bridge = await proxy('--', process.execPath, fixture('everything-v1'))
      const over = {
        http: [bridge.url, '--transport', 'http'],
        stdio: [process.execPath, PROGRAMS.proxy, '--', process.execPath, fixture('everything-v1')],
      }
      for (const target of Object.values(over)) {
        const listed = (await inspect([...target, '--method', 'tools/list'])) as { tools: { name: string }[] }
        expect(listed.tools.map(({ name }) => name)).toContain('test_simple_text')
        const called = await inspect([...target, '--method', 'tools/call', '--tool-name', 'test_simple_text'])
        expect(called).toMatchObject({ content: [{ text: 'This is a simple text response for testing.' }] })
      }
    },
    PATIENCE,
  )
})
