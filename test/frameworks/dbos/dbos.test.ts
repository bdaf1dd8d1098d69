import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sqliteStore } from '../../../src/store/sqlite/index.ts'
import { startDownstream, type Downstream } from '../../support/downstream.ts'
import { temporaryFolder, testGuard } from '../../support/guard.ts'
import { postgresVersions, startPostgres, type PostgresServer } from '../../support/postgres-server.ts'

const [version] = postgresVersions()
const worker = fileURLToPath(new URL('./worker.process.ts', import.meta.url))

describe.skipIf(version === undefined)('DBOS, which crashes and replays a step whose result it never kept', () => {
  const folder = temporaryFolder()
  /** One service that honours keys, and one that does not. */
  let services: { readonly keyed: Downstream; readonly keyless: Downstream }
  let postgres: PostgresServer
  beforeAll(async () => {
    const [keyed, keyless] = await Promise.all([startDownstream(), startDownstream()])
    await keyless.honoursKeys(false)
    services = { keyed, keyless }
    postgres = await startPostgres(version as 15, { fsync: 'off' })
  })
  afterAll(async () => {
    await Promise.all([services.keyed.close(), services.keyless.close(), postgres.close()])
    folder.remove()
  })

  /** One life of the worker, and what it printed. */
  async function life(...args: readonly string[]): Promise<string> {
    const child = spawn(process.execPath, ['-C', 'onefold-source', worker, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let said = ''
    // What DBOS logs of a failed step; shown only where a life ends in another way than it should.
    let logged = ''
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (logged += chunk.toString()))
    await once(child, 'close')
    expect([0, null], logged).toContain(child.exitCode)
    return said.trim()
  }

  it.each([
    ['plain', 'in-step', 2],
    ['plain', 'after-step', 2],
    ['keyed', 'in-step', 1],
    ['keyed', 'after-step', 1],
    ['manual', 'after-step', 1],
    ['manual', 'in-step', 1],
  ] as const)('%s, killed %s: %i effects [SH-4]', async (mode, die, effects) => {
    const downstream = mode === 'keyed' ? services.keyed : services.keyless
    const ref = `${mode}-${die}`
    const ledger = join(folder.path, `${ref}.db`)
    const about = [postgres.url({ database: 'dbos' }), downstream.url, ref, mode, ledger]
    expect(await life(...about, die)).toBe('')
    const told = await life(...about, 'nowhere')
    expect(await downstream.effects(ref)).toBe(effects)
    if (mode !== 'manual' || die === 'after-step') return expect(told).toContain('effect-')
    expect(told).toMatch(/outcome of place_order is unknown: it may have happened\. Do not call it again/)
    const guard = testGuard({ store: sqliteStore(ledger) })
    expect((await guard.ledger.list({})).records.map(({ state }) => state)).toEqual(['in-doubt'])
    await guard.close()
  })
})
