import type { createClient as createClientOf } from 'redis'
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import type { Contender, Instance, Place, Sending } from '../contender.ts'
import { peer } from '../peers.ts'

type Effect = (sending: Sending) => Promise<unknown>

/** The part of @aws-lambda-powertools/idempotency that is used; its package is not the repository's. */
interface Powertools {
  readonly IdempotencyConfig: new (options: object) => {
    registerLambdaContext(context: { getRemainingTimeInMillis(): number }): void
  }
  makeIdempotent(
    work: (event: object, run: { effect: Effect }) => Promise<unknown>,
    options: object,
  ): (event: object, run: { effect: Effect }) => Promise<unknown>
}

const PACKAGE = '@aws-lambda-powertools/idempotency'

async function instance(place: Place, persistenceStore: object, close: () => Promise<void>): Promise<Instance> {
  const { IdempotencyConfig, makeIdempotent } = await peer<Powertools>(PACKAGE)
  const config = new IdempotencyConfig({
    eventKeyJmesPath: 'key',
    throwOnNoIdempotencyKey: true,
    expiresAfterSeconds: 86_400,
  })
  // Its lease is what is left of the Lambda's time.
  config.registerLambdaContext({ getRemainingTimeInMillis: () => place.leaseMs })
  const call = makeIdempotent((_event, run) => run.effect({ send: fetch }), {
    persistenceStore,
    config,
    keyPrefix: `${place.prefix}powertools`,
  })
  return { call: (key, effect) => call({ key }, { effect }), close }
}

const redis: Contender = {
  name: 'powertools (Redis)',
  store: 'redis',
  async make(place) {
    const { CachePersistenceLayer } = await peer<{ CachePersistenceLayer: new (options: object) => object }>(
      `${PACKAGE}/cache`,
    )
    const { createClient } = await peer<{ readonly createClient: typeof createClientOf }>('redis')
    const client = createClient({ url: `redis://127.0.0.1:${place.redisPort}` })
    client.on('error', () => undefined)
    await client.connect()
    return await instance(place, new CachePersistenceLayer({ client }), async () => client.destroy())
  },
}

const dynamo: Contender = {
  name: 'powertools (DynamoDB)',
  store: 'dynamodb',
  async make(place) {
    const { DynamoDBPersistenceLayer } = await peer<{ DynamoDBPersistenceLayer: new (options: object) => object }>(
      `${PACKAGE}/dynamodb`,
    )
    const sdk = await peer<{
      readonly DynamoDBClient: typeof DynamoDBClient
      readonly CreateTableCommand: new (input: object) => Parameters<DynamoDBClient['send']>[0]
    }>('@aws-sdk/client-dynamodb')
    const client = new sdk.DynamoDBClient({
      endpoint: `http://127.0.0.1:${place.dynamoPort}`,
      region: 'eu-west-1',
      credentials: { accessKeyId: 'bench', secretAccessKey: 'bench' },
    })
    const tableName = `powertools-${place.prefix}`
    await client
      .send(
        new sdk.CreateTableCommand({
          TableName: tableName,
          AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
          KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
          BillingMode: 'PAY_PER_REQUEST',
        }),
      )
      .catch(ignoreExisting)
    const layer = new DynamoDBPersistenceLayer({ tableName, awsSdkV3Client: client })
    return await instance(place, layer, async () => client.destroy())
  },
}

function ignoreExisting(error: unknown): void {
  if (!(error instanceof Error) || error.name !== 'ResourceInUseException') throw error
}

export const contenders: readonly Contender[] = [redis, dynamo]
