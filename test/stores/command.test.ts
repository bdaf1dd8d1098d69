import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import { afterAll, describe, expect, it } from 'vitest'
import { redisStore } from '../../src/store/redis/index.ts'
import { startDynalite } from '../support/servers/dynalite.ts'
import { describeWithServer } from '../support/servers/absence.ts'
import { postgresVersions, startPostgres, type PostgresServer } from '../support/postgres-server.ts'
import { REDIS, startRedis, type RedisServer } from '../support/redis-server.ts'

const program = fileURLToPath(new URL('../../bin/onefold.js', import.meta.url))

interface Ran {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** The real command line; credentials as the AWS SDK wants some, whatever they are. */
function onefold(...args: readonly string[]): Ran {
  const { NODE_OPTIONS: _options, ...rest } = process.env
  const env = { ...rest, NO_COLOR: '1', AWS_ACCESS_KEY_ID: 'any', AWS_SECRET_ACCESS_KEY: 'any' }
  return spawnSync(process.execPath, [program, ...args], { encoding: 'utf8', env, timeout: 50_000 })
}

const listed = (store: string): unknown => JSON.parse(onefold('ledger', 'list', '--json', '--store', store).stdout)

describe('ledgers by their URL', () => {
  const version = postgresVersions().at(-1)
  describe.skipIf(version === undefined)('postgres://', () => {
    let server: PostgresServer | undefined
    afterAll(() => server?.close())

    it('is refused before it is migrated, then served', async () => {
      server = await startPostgres(version as 15)
      const store = `${server.url()}?schema=shop`
      const before = onefold('ledger', 'list', '--store', store)
      expect(before.status).toBe(3)
      expect(before.stderr).toContain('onefold ledger migrate')
      expect(onefold('ledger', 'migrate', '--store', store).status).toBe(0)
      expect(listed(store)).toMatchObject({ records: [] })
      expect(onefold('doctor', '--store', store).status).toBe(0)
    })
  })

  describeWithServer(REDIS, 'redis://', () => {
    let server: RedisServer | undefined
    afterAll(() => server?.close())

    it('is looked into once somebody has made it, not under a prefix that nobody uses', async () => {
      server = await startRedis()
      const store = `${server.url()}?prefix=shop`
      const before = onefold('ledger', 'list', '--store', store)
      expect(before.status).toBe(3)
      expect(before.stderr).toContain('no ledger under the prefix shop')
      const client = new Redis(server.url())
      expect(await client.keys('*')).toEqual([])
      const made = redisStore({ client, prefix: 'shop' })
      await made.open()
      await made.close()
      client.disconnect()
      expect(listed(store)).toMatchObject({ records: [] })
      expect(onefold('doctor', '--store', store).status).toBe(0)
    })
  })

  describe('dynamodb://', () => {
    it('is refused without its table, prints it, makes it, then is served', async () => {
      const server = await startDynalite()
      const store = `dynamodb://effects?region=local&endpoint=${encodeURIComponent(`http://127.0.0.1:${server.port}`)}`
      const before = onefold('ledger', 'list', '--store', store)
      expect(before.status).toBe(3)
      expect(before.stderr).toContain('onefold ledger migrate')
      const printed = onefold('ledger', 'migrate', '--print', '--store', store)
      expect(JSON.parse(printed.stdout)).toMatchObject({ TableName: 'effects', BillingMode: 'PAY_PER_REQUEST' })
      expect(onefold('ledger', 'list', '--store', store).status).toBe(3)
      expect(onefold('ledger', 'migrate', '--store', store).status).toBe(0)
      expect(onefold('ledger', 'migrate', '--store', store).stdout).toContain('already')
      expect(listed(store)).toMatchObject({ records: [] })
      await server.close()
    })
  })

  it.each([
    ['postgres://nobody@127.0.0.1:1/none', 'STORE_UNAVAILABLE'],
    ['redis://127.0.0.1:1', 'STORE_UNAVAILABLE'],
  ])('%s: a server that is not there is told, and nothing is served', (store, code) => {
    const { status, stderr } = onefold('ledger', 'list', '--store', store)
    expect(status).toBe(3)
    expect(stderr).toContain(code)
  })
})
