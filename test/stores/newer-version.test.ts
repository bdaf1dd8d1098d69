import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, it } from 'vitest'
import type { Store } from '../../src/engine/index.ts'
import { dynamodbStore } from '../../src/store/dynamodb/index.ts'
import { migratePostgres, postgresStore } from '../../src/store/postgres/index.ts'
import { redisStore } from '../../src/store/redis/index.ts'
import { sqliteStore } from '../../src/store/sqlite/index.ts'
import { asOwner, CLIENTS } from '../postgres/clients.ts'
import { claimOf } from '../support/claim.ts'
import { temporaryFolder } from '../support/guard.ts'
import { postgresVersions, startPostgres } from '../support/postgres-server.ts'
import { REDIS_CLIENTS } from '../support/redis-clients.ts'
import { REDIS, startRedis } from '../support/redis-server.ts'
import { describeWithServer } from '../support/servers/absence.ts'
import { startDynalite } from '../support/servers/dynalite.ts'

const [THEIRS, OURS] = ['of1_theirs', 'of1_ours']

/**
 * Two open operations that are due, of which one is then in a state that this version does not know: it fails closed, and
 * nothing else does. Resolves to what is counted.
 */
async function failsClosed(store: Store, change: () => Promise<unknown>, state: string): Promise<unknown> {
  await store.open()
  try {
    for (const key of [THEIRS, OURS]) await store.write(claimOf(key, key, { leaseMs: 0 }))
    await change()
    const refused = { code: 'STORE_UNSAFE', effect: 'unknown', key: THEIRS, details: { state } }
    await expect((async () => await store.read(THEIRS, 't'))()).rejects.toMatchObject(refused)
    // What stands in the way of an insert is no permission either; writes beside it are judged by themselves.
    const writes = [THEIRS, 'of1_one', 'of1_other'].map((key) => store.write(claimOf(key, 'again', { leaseMs: 0 })))
    const [first, ...others] = await Promise.allSettled(writes)
    expect(first).toMatchObject({ status: 'rejected', reason: refused })
    expect(others).toMatchObject([{ value: { applied: true } }, { value: { applied: true } }])
    for (const page of [await store.list({ tenant: 't' }), await store.due(10)]) {
      const keys = page.records.map(({ key }) => key)
      expect(keys.toSorted()).toEqual(['of1_one', 'of1_other', OURS])
    }
    const listed = await store.list({ tenant: 't' })
    expect(listed.unreadable).toMatchObject([refused])
    expect((await store.closed(10, undefined)).records).toEqual([])
    expect(await store.history(THEIRS, 't')).toHaveLength(1)
    return (await store.stats('t')).states
  } finally {
    await store.close()
  }
}

it('sqlite: an operation in an unknown state fails closed', async () => {
  const folder = temporaryFolder()
  const path = join(folder.path, 'ledger.db')
  const change = async (): Promise<void> => {
    const file = new DatabaseSync(path)
    // As a newer version has to number it: up to 7 is what this one sweeps.
    file.exec('UPDATE records SET state = 16 WHERE id = (SELECT min(id) FROM records)')
    file.close()
  }
  expect(await failsClosed(sqliteStore(path), change, 'number 16')).toEqual({ 'number 16': 1, executing: 3 })
  folder.remove()
})

const version = postgresVersions().at(-1)
it.skipIf(version === undefined)('postgres: an operation in an unknown state fails closed', async () => {
  const server = await startPostgres(version as 15)
  const opened = CLIENTS.pg(server.url())
  try {
    await migratePostgres(opened.client)
    const change = (): Promise<unknown> =>
      asOwner(server.url(), `UPDATE onefold.records SET state = 'frozen' WHERE key = '${THEIRS}'`)
    expect(await failsClosed(postgresStore({ client: opened.client }), change, 'frozen')).toEqual({
      frozen: 1,
      executing: 3,
    })
  } finally {
    await opened.end()
    await server.close()
  }
})

describeWithServer(REDIS, 'redis', () => {
  it('an operation in an unknown state fails closed', async () => {
    const server = await startRedis()
    const opened = await (REDIS_CLIENTS[0] as NonNullable<(typeof REDIS_CLIENTS)[0]>).open(server.url())
    try {
      const change = async (): Promise<void> => {
        const name = `{onefold.0}rt ${THEIRS}`
        const [revision, place, , ...rest] = ((await opened.command('GET', name)) as string).split(' ')
        await opened.command('SET', name, [revision, place, '16', ...rest].join(' '))
      }
      expect(await failsClosed(redisStore({ client: opened.client }), change, 'number 16')).toEqual({
        'number 16': 1,
        executing: 3,
      })
    } finally {
      opened.end()
      await server.close()
    }
  })
})

it('dynamodb: an operation in an unknown state fails closed', async () => {
  const server = await startDynalite()
  try {
    const table = await server.table()
    const client = server.client()
    const change = async (): Promise<void> => {
      const { Items = [] } = await client.scan({ TableName: table })
      const item = Items.find(({ k }) => k?.S === JSON.stringify(THEIRS))
      const body = item?.['d']?.S?.replace('"state":"executing"', '"state":"frozen"')
      await client.putItem({ TableName: table, Item: { ...item, t: { S: 'frozen' }, d: { S: body as string } } })
    }
    expect(await failsClosed(dynamodbStore({ client, table, deadlineMs: 1_800 }), change, 'frozen')).toEqual({
      frozen: 1,
      executing: 3,
    })
  } finally {
    await server.close()
  }
})
