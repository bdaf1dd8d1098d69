import type { DynamoClient, TableDefinition } from '../store/dynamodb/index.ts'
import type { Store } from '../engine/index.ts'
import { loadClient, noClient, type RemoteKind } from './remote-store.ts'

interface Sdk {
  readonly DynamoDB: new (options: object) => DynamoClient & {
    createTable(definition: TableDefinition): Promise<unknown>
    destroy(): void
  }
}

const PACKAGE = '@aws-sdk/client-dynamodb'

/** `dynamodb://TABLE?region=…&endpoint=…&home=…`; credentials come from where the SDK finds them, never from the URL. */
export const dynamodb: RemoteKind = {
  name: 'dynamodb',
  schemes: ['dynamodb'],
  check(url) {
    if (!URL.canParse(url)) return 'write dynamodb://table?region=eu-west-1'
    const { host, username, password } = new URL(url)
    if (username !== '' || password !== '') return 'credentials belong into the environment, not into the URL'
    return /^[a-zA-Z0-9_.-]{3,255}$/u.test(host) ? undefined : 'name a table, as dynamodb://effects?region=eu-west-1'
  },
  async plan(url) {
    const { tableDefinition } = await import('../store/dynamodb/index.ts')
    return tableDefinition(new URL(url).host)
  },
  async open(url, folder) {
    const { dynamodbStore, tableDefinition } = await import('../store/dynamodb/index.ts')
    const sdk = loadClient<Sdk>(PACKAGE, folder)
    if (sdk === undefined) throw noClient('dynamodb', PACKAGE)
    const { host: table, searchParams } = new URL(url)
    const [region, endpoint, home] = ['region', 'endpoint', 'home'].map((name) => searchParams.get(name) ?? undefined)
    const client = new sdk.DynamoDB({
      ...(region === undefined ? {} : { region }),
      ...(endpoint === undefined ? {} : { endpoint }),
    })
    const store = dynamodbStore({ client, table, ...(home === undefined ? {} : { home }) })
    const end = (): Promise<void> => Promise.resolve(client.destroy())
    return {
      store: Object.assign(Object.create(store) as Store, {
        close: async () => {
          await store.close()
          await end()
        },
      }),
      async migrate() {
        try {
          await client.createTable(tableDefinition(table))
          return { from: 0, to: 1 }
        } catch (error) {
          if (error instanceof Error && error.name === 'ResourceInUseException') return { from: 1, to: 1 }
          throw error
        }
      },
      end,
    }
  },
}
