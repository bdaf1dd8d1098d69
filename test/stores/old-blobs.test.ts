import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it } from 'vitest'
import type { Store } from '../../src/engine/index.ts'
import { dynamodbStore } from '../../src/store/dynamodb/index.ts'
import { migratePostgres, postgresStore } from '../../src/store/postgres/index.ts'
import { migrations } from '../../src/store/postgres/schema.sql.ts'
import { redisStore } from '../../src/store/redis/index.ts'
import { sqliteStore } from '../../src/store/sqlite/index.ts'
import { MIGRATIONS } from '../../src/store/sqlite/schema.sql.ts'
import { asOwner, CLIENTS } from '../postgres/clients.ts'
import { describeWithServer } from '../support/servers/absence.ts'
import { startDynalite } from '../support/servers/dynalite.ts'
import { postgresVersions, startPostgres } from '../support/postgres-server.ts'
import { REDIS_CLIENTS } from '../support/redis-clients.ts'
import { REDIS, startRedis } from '../support/redis-server.ts'

const BYTES = Buffer.from('the result of an operation that an older version recorded')
const NAME = createHash('sha256').update(BYTES).digest('base64url')
const OWNER = { key: 'of1_a', tenant: 'default' }

/** What an older version kept by content alone is read, and a blob of today beside it. */
async function readIn(store: Store): Promise<readonly (string | undefined)[]> {
  await store.open()
  try {
    await store.putBlob(OWNER, 'new', Buffer.from('new'))
    const found = await Promise.all([NAME, 'new', 'neither'].map((name) => store.getBlob(OWNER, name)))
    return found.map((bytes) => (bytes === undefined ? undefined : Buffer.from(bytes).toString()))
  } finally {
    await store.close()
  }
}

const BOTH = [BYTES.toString(), 'new', undefined]

describe('blobs of a ledger from before they had owners', () => {
  it('sqlite: are there after the migration', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'onefold-old-'))
    const path = join(folder, 'ledger.db')
    const file = new DatabaseSync(path)
    file.exec(
      `PRAGMA journal_mode = WAL; ${MIGRATIONS[0]}; PRAGMA application_id = 0x4f463100; PRAGMA user_version = 1`,
    )
    file.exec("INSERT INTO meta (one, file_id, sequence, clock, created_at) VALUES (1, 'a', 0, 1, 1)")
    file.prepare('INSERT INTO blobs (sha256, bytes, stored_at) VALUES (?, ?, 1)').run(NAME, BYTES)
    file.close()
    expect(await readIn(sqliteStore(path))).toEqual(BOTH)
    rmSync(folder, { recursive: true })
  })

  const version = postgresVersions().at(-1)
  it.skipIf(version === undefined)('postgres: are there after the migration, for its role', async () => {
    const server = await startPostgres(version as 15)
    try {
      await asOwner(server.url(), 'CREATE ROLE serves LOGIN; CREATE SCHEMA old')
      await asOwner(
        server.url(),
        `${migrations('old')[0]}; INSERT INTO old.meta (version, ledger, created_at) VALUES (1, 'a', 1);
         INSERT INTO old.blobs (sha256, bytes) VALUES ('${NAME}', '\\x${BYTES.toString('hex')}')`,
      )
      const owner = CLIENTS.pg(server.url(), 1)
      expect(await migratePostgres(owner.client, { schema: 'old', role: 'serves' })).toMatchObject({ from: 1 })
      await owner.end()
      const opened = CLIENTS.pg(server.url({ user: 'serves' }))
      expect(await readIn(postgresStore({ client: opened.client, schema: 'old' }))).toEqual(BOTH)
      await opened.end()
    } finally {
      await server.close()
    }
  })

  describeWithServer(REDIS, 'redis', () => {
    it('are there as they are', async () => {
      const server = await startRedis()
      const [client] = REDIS_CLIENTS
      const opened = await (client as NonNullable<typeof client>).open(server.url())
      await opened.command('SET', `{onefold.b.${NAME}}`, BYTES.toString('base64'))
      expect(await readIn(redisStore({ client: opened.client }))).toEqual(BOTH)
      opened.end()
      await server.close()
    })
  })

  it('dynamodb: are there as they are', async () => {
    const server = await startDynalite()
    const table = await server.table()
    const p = { B: createHash('sha256').update(`blob ${NAME}`).digest() }
    const client = server.client()
    await client.putItem({ TableName: table, Item: { p, s: { S: 'x#blob#00000' }, b: { B: BYTES } } })
    await client.putItem({ TableName: table, Item: { p, s: { S: 'blob' }, c: { N: '1' } } })
    expect(await readIn(dynamodbStore({ client, table, deadlineMs: 1_800 }))).toEqual(BOTH)
    await server.close()
  })
})
