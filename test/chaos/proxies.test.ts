import { fileURLToPath } from 'node:url'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { faultyHttp, faultyMcp, type FaultyMcp, type ProxyFault } from '../../src/testing/index.ts'
import { startDownstream, type Downstream } from '../support/downstream.ts'

let downstream: Downstream

beforeAll(async () => {
  downstream = await startDownstream()
  await downstream.honoursKeys(false)
})

afterAll(async () => await downstream.close())

/** What the client of one call sees, and what happened behind it. */
const EXPECTED: readonly (readonly [fault: ProxyFault | undefined, told: string, effects: number])[] = [
  [undefined, '201', 1],
  ['lost-request', 'error', 0],
  ['crash-before', 'error', 0],
  ['error-before', '503', 0],
  ['lost-answer', 'error', 1],
  ['crash-after', 'error', 1],
  ['error-after', '503', 1],
  ['reset-mid-body', 'error', 1],
  ['duplicate', '201', 2],
]

describe('faultyHttp', () => {
  it.each(EXPECTED)('%s: the client sees %s, the service has %i', async (fault, told, effects) => {
    await using proxy = await faultyHttp({ upstream: downstream.url })
    proxy.plan(fault)
    const ref = `http-${fault ?? 'none'}`
    const answer = await fetch(`${proxy.url}/effects/${ref}`, { method: 'POST', body: '{}' })
      .then(
        async (response) => await response.text().then(() => String(response.status)),
        () => 'error',
      )
      .catch(() => 'error')
    expect(answer).toBe(told)
    expect(await downstream.effects(ref)).toBe(effects)
    expect(proxy.requests()).toMatchObject([{ method: 'POST', path: `/effects/${ref}`, fault }])
  })

  it('holds an answer until it is let go, while the effect stands', async () => {
    await using proxy = await faultyHttp({
      upstream: downstream.url,
      faults: (_call, nth) => (nth === 1 ? 'delay' : undefined),
    })
    const first = fetch(`${proxy.url}/effects/late`, { method: 'POST', body: '{}' })
    await downstream.until('late', 1)
    const second = await fetch(`${proxy.url}/effects/late`, { method: 'POST', body: '{}' })
    expect(second.status).toBe(201)
    proxy.release()
    expect((await first).status).toBe(201)
    expect(await downstream.effects('late')).toBe(2)
  })

  it('answers 502 when there is no service', async () => {
    await using proxy = await faultyHttp({ upstream: 'http://127.0.0.1:9' })
    expect((await fetch(proxy.url)).status).toBe(502)
  })
})

describe('faultyMcp', () => {
  const server = fileURLToPath(new URL('./mcp-server.process.ts', import.meta.url))

  async function connected(proxy: FaultyMcp): Promise<Client> {
    const client = new Client({ name: 'test', version: '1' })
    const env = { DOWNSTREAM_URL: downstream.url, PATH: process.env['PATH'] ?? '' }
    await client.connect(
      new StdioClientTransport({ command: proxy.command, args: [...proxy.args], env, stderr: 'ignore' }),
    )
    return client
  }

  it.each([
    [undefined, 'placed', 1],
    ['lost-request', 'error', 0],
    ['lost-answer', 'error', 1],
    ['error-before', 'isError', 0],
    ['error-after', 'isError', 1],
    ['crash-before', 'error', 0],
    ['crash-after', 'error', 1],
    ['reset-mid-body', 'error', 1],
    ['duplicate', 'placed', 2],
  ] as const)('%s: the client sees %s, the service has %i', { timeout: 30_000 }, async (fault, told, effects) => {
    await using proxy = await faultyMcp({ command: process.execPath, args: [server] })
    proxy.plan(fault)
    const client = await connected(proxy)
    const ref = `mcp-${fault ?? 'none'}`
    const mute = fault === 'lost-request' || fault === 'lost-answer'
    const answer = await client
      .callTool({ name: 'place', arguments: { ref } }, undefined, { timeout: mute ? 1_500 : 20_000 })
      .then(
        ({ isError }) => (isError === true ? 'isError' : 'placed'),
        () => 'error',
      )
    expect(answer).toBe(told)
    if (effects > 0) await downstream.until(ref, effects)
    expect(await downstream.effects(ref)).toBe(effects)
    expect(proxy.calls()).toEqual([{ tool: 'place', arguments: { ref }, fault }])
    await client.close()
  })
})
