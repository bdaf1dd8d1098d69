import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import * as z from 'zod'
import { manual } from '../../src/contract/index.ts'
import type { Store } from '../../src/engine/index.ts'
import { dynamodbStore, type DynamoClient } from '../../src/store/dynamodb/index.ts'
import { startDynalite, type Dynalite } from '../support/servers/dynalite.ts'
import { testGuard } from '../support/guard.ts'

const RECORDS = 12
const DEADLINE_MS = 600
/** Of one item that lies beside a record; those of all records take three times the deadline. */
const ANSWERED_IN_MS = 150

let server: Dynalite
let store: Store

/** The real client, which takes its time for each single item. */
function slow(client: ReturnType<Dynalite['client']>): DynamoClient {
  return {
    ...Object.fromEntries(
      (['describeTable', 'putItem', 'updateItem', 'deleteItem', 'batchGetItem', 'query', 'scan'] as const).map(
        (verb) => [
          verb,
          (...args: readonly unknown[]) => (client[verb] as (...given: readonly unknown[]) => unknown)(...args),
        ],
      ),
    ),
    middlewareStack: client.middlewareStack,
    getItem: async (input: object, options: object) => {
      await pause(ANSWERED_IN_MS)
      return await client.getItem(input as never, options)
    },
  } as unknown as DynamoClient
}

beforeAll(async () => {
  server = await startDynalite()
  const table = await server.table()
  const guard = testGuard({
    store: dynamodbStore({ client: server.client(), table, deadlineMs: 1_800 }),
    settings: { sweepMs: 600_000, leaseMs: 60_000, heartbeatMs: 20_000 },
  })
  const tool = guard.tool({
    name: 'upload',
    input: z.object({ n: z.number(), text: z.string() }),
    effect: 'write',
    identity: ['n'],
    recovery: manual(),
    execute(_, context) {
      context.checkpoint()
      throw new Error('the answer was lost')
    },
  })
  for (let n = 0; n < RECORDS; n += 1) await tool.perform({ n, text: 'x'.repeat(200_000) }, { onDoubt: 'return' })
  await guard.close()
  store = dynamodbStore({ client: slow(server.client()), table, deadlineMs: DEADLINE_MS })
  await store.open()
})
afterAll(async () => {
  await store.close()
  await server.close()
})

it('the work list of large records comes in parts, each within the deadline, and each record once', async () => {
  const seen: string[] = []
  let after: string | undefined
  do {
    const page = await store.due(200, after)
    seen.push(...page.records.map(({ key }) => key))
    after = page.next
  } while (after !== undefined)
  expect([seen.length, new Set(seen).size]).toEqual([RECORDS, RECORDS])
})
