import { afterAll, describe, it } from 'vitest'
import { startDynalite } from '../../../test/support/servers/dynalite.ts'
import { startTcpProxy } from '../../../test/support/tcp-proxy.ts'
import type { Store } from '../../engine/index.ts'
import { storeSuite } from '../../testing/index.ts'
import { dynamodbStore } from './index.ts'

const server = await startDynalite()
afterAll(() => server.close())

// A longer deadline than the default, since dynalite answers slowly on a busy machine; the suite waits for at most two seconds.
// Steps of the clock are left out: the service shows whole seconds. service-clock.test.ts has them.
storeSuite(
  'dynamodb on dynalite [OR-11]',
  {
    means: ['crash', 'another', 'obstruct', 'contents'],
    async open() {
      const table = await server.table()
      const proxy = await startTcpProxy(server.port)
      const stores: Store[] = []
      const opened = async (port: number): Promise<Store> => {
        const store = dynamodbStore({ client: server.client(port), table, deadlineMs: 1_800 })
        await store.open()
        stores.push(store)
        return store
      }
      const store = await opened(proxy.port)
      return {
        store,
        async crash() {
          proxy.refuse(true)
          proxy.cut()
          return await opened(server.port)
        },
        another: () => opened(server.port),
        obstruct: () => server.holdWrites(),
        async contents() {
          const items: unknown[] = []
          let from: Record<string, never> | undefined
          do {
            const page = await server.client().scan({
              TableName: table,
              ...(from === undefined ? {} : { ExclusiveStartKey: from }),
            })
            items.push(...(page.Items ?? []))
            from = page.LastEvaluatedKey as typeof from
          } while (from !== undefined)
          return JSON.stringify(items, (_, value: unknown) =>
            value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value,
          )
        },
        async close() {
          for (const one of stores) await one.close()
          await proxy.close()
        },
      }
    },
  },
  { describe, it, afterAll },
)
