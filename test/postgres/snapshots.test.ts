import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { manual, transactional } from '../../src/contract/index.ts'
import { migratePostgres, postgresStore } from '../../src/store/postgres/index.ts'
import { testGuard } from '../support/guard.ts'
import { postgresVersions, startPostgres, type PostgresServer } from '../support/postgres-server.ts'
import { asOwner, CLIENTS } from './clients.ts'
import { inTransaction } from './shop.ts'

const NEWEST = postgresVersions().at(-1)
const COUNTED = 'INSERT INTO orders SELECT $1 FROM (SELECT count(*) FROM orders) AS all_orders'

const of = (field: string) =>
  ({ input: z.object({ [field]: z.string() }), effect: 'write', identity: [field] }) as const

describe.skipIf(NEWEST === undefined)('a tool whose transaction keeps one snapshot', () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres(NEWEST as NonNullable<typeof NEWEST>)
    await asOwner(server.url(), 'CREATE TABLE orders (ref text)')
  })
  afterAll(async () => await server.close())

  it.each([
    ['pg', 'REPEATABLE READ'],
    ['pg', 'SERIALIZABLE'],
    ['postgres', 'REPEATABLE READ'],
  ] as const)('takes what was written beside it for no loss of records (%s, %s)', async (name, level) => {
    const schema = `of_${name}_${level.toLowerCase().replace(' ', '_')}`
    const { client, end } = CLIENTS[name](server.url())
    await migratePostgres(client, { schema })
    const guard = testGuard({ store: postgresStore({ client, schema }) })
    const note = guard.tool({ ...of('text'), name: 'note', recovery: manual(), execute: () => 'noted' })
    const place = guard.tool({
      ...of('ref'),
      name: 'place',
      recovery: transactional(),
      async execute({ ref }, context) {
        await inTransaction(context, `SET TRANSACTION ISOLATION LEVEL ${level}`, [])
        await inTransaction(context, COUNTED, [ref as string])
        if (ref !== 'alone') await note({ text: `beside ${String(ref)}` })
        return 'placed'
      },
    })
    try {
      await place({ ref: 'alone' })
      // The server may refuse the commit: then it is told as undone.
      const told = await place.perform({ ref: 'beside' }).catch(({ effect }: { effect: string }) => effect)
      const rows = await asOwner(server.url(), "SELECT FROM orders WHERE ref = 'beside'")
      expect(rows).toHaveLength(told === 'none' ? 0 : 1)
      expect(await guard.ledger.amnesia()).toBeUndefined()
      expect(await note({ text: 'afterwards' })).toBe('noted')
    } finally {
      await guard.close()
      await end()
      await asOwner(server.url(), 'TRUNCATE orders')
    }
  })
})
