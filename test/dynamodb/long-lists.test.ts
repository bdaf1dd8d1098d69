import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import * as z from 'zod'
import { manual } from '../../src/contract/index.ts'
import { ticketOf, type Guard, type OperationRecord, type Store } from '../../src/engine/index.ts'
import { dynamodbStore, type DynamoClient } from '../../src/store/dynamodb/index.ts'
import { startDynalite, type Dynalite } from '../support/servers/dynalite.ts'
import { testGuard } from '../support/guard.ts'

const RECORDS = 40
const DEADLINE_MS = 600
/** Of a whole search, which a ledger of many thousand records needs, no deadline holds more than a few requests. */
const ANSWERED_IN_MS = 150

let server: Dynalite
let fill: Guard
let look: Guard
let store: Store
let records: readonly OperationRecord[] = []

/** The real client, which looks at one item a request and takes its time: as a large ledger answers. */
function slow(client: ReturnType<Dynalite['client']>): DynamoClient {
  return {
    ...Object.fromEntries(
      (['describeTable', 'getItem', 'putItem', 'updateItem', 'deleteItem', 'batchGetItem'] as const).map((verb) => [
        verb,
        (...args: readonly unknown[]) => (client[verb] as (...given: readonly unknown[]) => unknown)(...args),
      ]),
    ),
    middlewareStack: client.middlewareStack,
    query: async (input: object, options: object) => {
      await pause(ANSWERED_IN_MS)
      return await client.query({ ...input, Limit: 1 } as never, options)
    },
    scan: async (input: object, options: object) => {
      await pause(ANSWERED_IN_MS)
      return await client.scan({ ...input, Limit: 20 } as never, options)
    },
  } as unknown as DynamoClient
}

beforeAll(async () => {
  server = await startDynalite()
  const table = await server.table()
  const quiet = { sweepMs: 60_000 }
  fill = testGuard({ store: dynamodbStore({ client: server.client(), table, deadlineMs: 1_800 }), settings: quiet })
  const tool = (name: string) =>
    fill.tool({
      name,
      input: z.object({ n: z.number() }),
      effect: 'write',
      identity: 'all',
      recovery: manual(),
      execute: ({ n }) => n,
    })
  const common = tool('common')
  const rare = tool('rare')
  for (let n = 0; n < RECORDS; n += 8) await Promise.all(Array.from({ length: 8 }, (_, m) => common({ n: n + m })))
  await rare({ n: 1 })
  records = (await fill.ledger.list({ limit: 1000 })).records
  store = dynamodbStore({ client: slow(server.client()), table, deadlineMs: DEADLINE_MS })
  look = testGuard({ store, settings: { ...quiet, storeDeadlineMs: DEADLINE_MS + 300 } })
  await look.open()
})
afterAll(async () => {
  await look.close()
  await fill.close()
  await server.close()
})

it('a search that no deadline would hold comes to its end over several calls', async () => {
  expect(records.length).toBe(RECORDS + 1)
  const first = await store.list({ tenant: 'default', tool: 'rare' })
  expect([first.records.length, first.next === undefined]).toEqual([0, false])
  expect((await look.ledger.list({ tool: 'rare' })).records.map(({ tool }) => tool)).toEqual(['rare'])
})

it('an operation is found by its ticket, exactly', async () => {
  const last = records.at(-1) as OperationRecord
  expect((await look.ledger.show(ticketOf(last.key))).record.key).toBe(last.key)
  await expect(look.ledger.show('of1_')).rejects.toMatchObject({ code: 'KEY_INVALID' })
  await expect(look.ledger.show('none-has-this')).rejects.toMatchObject({ code: 'KEY_INVALID' })
})

it('counts a part at a time', async () => {
  expect((await store.stats('default')).next).toBeDefined()
  expect((await look.ledger.stats()).states).toEqual({ committed: RECORDS + 1 })
})
