import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startDownstream, type Downstream } from '../support/downstream.ts'
import { temporaryFolder } from '../support/guard.ts'
import { killAll, startCommand } from './fixtures/command.ts'
import { ask, eventually, type Seen } from './fixtures/harness.ts'

let orders: Downstream
const folder = temporaryFolder()
let files = 0

beforeAll(async () => {
  orders = await startDownstream()
})
afterAll(async () => {
  killAll()
  await orders.close()
  folder.remove()
})

/** A configuration in a file of its own. */
function config(http: string, store = 'sqlite:./ledger.db', secrets = ''): string {
  files += 1
  const file = join(folder.path, `onefold-${files}.yaml`)
  const timing = 'timing: { lease: 1s, quarantine: 50ms, wait: 8s }'
  writeFileSync(file, `store: '${store}'\n${secrets}${timing}\nhttp:\n  upstream: ${orders.url}\n  name: shop\n${http}`)
  return file
}

const post = (url: string, ref: string, method = 'POST'): Promise<Seen> =>
  ask(`${url}/effects/${ref}`, { method, headers: { 'idempotency-key': `key-${ref}` }, body: { ref } })

const ROUTES = `  routes:
    - { match: POST /effects/:ref, key: required, recovery: manual }
    - { match: PUT /effects/:ref, key: required, recovery: { keyed: 24h } }
    - { match: GET /**, effect: read }
`

describe('the gateway killed between the effect and its answer', () => {
  it('control: the client comes back and orders again', async () => {
    await orders.honoursKeys(false)
    await orders.plan('kill-control', 'lose-answer')
    await post(orders.url, 'kill-control').catch(() => undefined)
    await post(orders.url, 'kill-control')
    expect(await orders.effects('kill-control')).toBe(2)
  })

  it('and started again on the same ledger: a manual route is in doubt, a keyed one is settled; one order each', async () => {
    await orders.honoursKeys(true)
    const file = config(ROUTES)
    const first = await startCommand(['--config', file])
    for (const ref of ['kill-manual', 'kill-keyed']) await orders.plan(ref, 'hold')
    const lost = [post(first.url, 'kill-manual'), post(first.url, 'kill-keyed', 'PUT')].map((one) =>
      one.then(
        () => 'answered',
        () => 'cut',
      ),
    )
    await Promise.all([orders.until('kill-manual', 1), orders.until('kill-keyed', 1)])
    await first.kill()
    expect(await Promise.all(lost)).toEqual(['cut', 'cut'])
    const second = await startCommand(['--config', file])
    try {
      const keyed = await post(second.url, 'kill-keyed', 'PUT')
      expect([keyed.status, keyed.json()]).toMatchObject([200, { ref: 'kill-keyed' }])
      const manual = await post(second.url, 'kill-manual')
      expect([manual.status, manual.json()]).toMatchObject([422, { code: 'IN_DOUBT', effect: 'unknown' }])
      expect([await orders.effects('kill-manual'), await orders.effects('kill-keyed')]).toEqual([1, 1])
      // What an operator is told to type finds the ledger from any folder.
      const told = `; onefold ledger show \\S+ --store sqlite:${join(folder.path, 'ledger.db')}\n`
      await eventually(() => (new RegExp(told).test(second.stderr()) ? true : undefined))
    } finally {
      expect(await second.stop()).toBe(0)
    }
  }, 20_000)

  it('a first secret, and its rotation, make no repeat act again', async () => {
    Object.assign(process.env, { GATEWAY_SECRET_1: 'one', GATEWAY_SECRET_2: 'two' })
    const stages = [
      '',
      'keySecret: { env: GATEWAY_SECRET_1 }\npreviousSecrets: [none]\n',
      'keySecret: { env: GATEWAY_SECRET_2 }\npreviousSecrets: [{ env: GATEWAY_SECRET_1 }, none]\n',
    ]
    const refs = ['secret-a', 'secret-b', 'secret-c']
    for (const [stage, secrets] of stages.entries()) {
      const gateway = await startCommand(['--config', config(ROUTES, 'sqlite:./secrets.db', secrets)])
      for (const ref of refs.slice(0, stage + 1)) await post(gateway.url, ref)
      await gateway.stop()
    }
    expect(await Promise.all(refs.map((ref) => orders.effects(ref)))).toEqual([1, 1, 1])
  }, 30_000)

  it('what was answered before is replayed after a restart', async () => {
    const file = config(ROUTES, 'sqlite:./restart.db')
    const first = await startCommand(['--config', file])
    const original = await post(first.url, 'restart')
    await first.stop()
    const second = await startCommand(['--config', file])
    const again = await post(second.url, 'restart')
    await second.stop()
    expect([again.status, again.text]).toEqual([201, original.text])
    expect(again.headers['idempotent-replayed']).toBe('true')
    expect(await orders.effects('restart')).toBe(1)
  }, 20_000)
})

describe('what is wrong is told at start-up', () => {
  it('a mistake in the configuration: file, line and the fix', async () => {
    const http = '  routes:\n    - { match: POST /a, identiy: [body.x], recovery: manual }\n'
    const file = config(http)
    await expect(startCommand(['--config', file])).rejects.toThrow(`${file}:7:25: http.routes.0 has no key "identiy"`)
  })

  it('a service that cannot be reached, and a port that is taken', async () => {
    const lonely = await startCommand(['--upstream', 'http://127.0.0.1:1', '--store', 'memory:'])
    await eventually(() => (lonely.stderr().includes('cannot be reached now (ECONNREFUSED)') ? true : undefined))
    expect(lonely.stderr()).toContain('no routes are declared')
    const port = new URL(lonely.url).port
    const taken = startCommand(['--upstream', 'http://127.0.0.1:1', '--store', 'memory:', '--port', port])
    await expect(taken).rejects.toThrow(/cannot listen on 127\.0\.0\.1:\d+ \(EADDRINUSE\)/)
    await lonely.stop()
  })

  it('no upstream, or one that is none', async () => {
    await expect(startCommand(['--store', 'memory:'])).rejects.toThrow(/Nothing says which service/)
    await expect(startCommand(['--upstream', 'localhost:3000'])).rejects.toThrow(/is no address/)
    await expect(startCommand(['--upstream', 'http://:S3cret@h'])).rejects.toThrow(/may hold a scheme(?!.*S3cret)/s)
  })
})
