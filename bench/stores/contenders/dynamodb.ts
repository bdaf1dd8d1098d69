import { DynamoDB } from '@aws-sdk/client-dynamodb'
import { dynamodbStore, tableDefinition } from '../../../src/store/dynamodb/index.ts'
import { untilActive } from '../../../test/support/servers/dynalite.ts'
import { InProgress, type Contender, type Place } from '../contender.ts'
import { oursOn } from '../ours.ts'

const connect = (place: Place): DynamoDB =>
  new DynamoDB({
    endpoint: `http://127.0.0.1:${place.dynamoPort}`,
    region: 'eu-west-1',
    credentials: { accessKeyId: 'bench', secretAccessKey: 'bench' },
  })

function ignoreExisting(error: unknown): void {
  if (!(error instanceof Error) || error.name !== 'ResourceInUseException') throw error
}

/** A conditional PutItem, the effect, an UpdateItem. */
const floor: Contender = {
  name: 'floor: PutItem + UpdateItem',
  store: 'dynamodb',
  floor: true,
  async make(place) {
    const client = connect(place)
    const TableName = `floor-${place.prefix}`
    await client
      .createTable({
        TableName,
        AttributeDefinitions: [{ AttributeName: 'k', AttributeType: 'S' }],
        KeySchema: [{ AttributeName: 'k', KeyType: 'HASH' }],
        BillingMode: 'PAY_PER_REQUEST',
      })
      .catch(ignoreExisting)
    return {
      async call(key, effect) {
        const now = Date.now()
        try {
          await client.putItem({
            TableName,
            Item: { k: { S: key }, u: { N: String(now + place.leaseMs) } },
            ConditionExpression: 'attribute_not_exists(k) OR (attribute_not_exists(v) AND u <= :now)',
            ExpressionAttributeValues: { ':now': { N: String(now) } },
          })
        } catch (error) {
          if (!(error instanceof Error) || error.name !== 'ConditionalCheckFailedException') throw error
          const { Item } = await client.getItem({ TableName, Key: { k: { S: key } }, ConsistentRead: true })
          if (Item?.['v']?.S === undefined) throw new InProgress(key)
          return JSON.parse(Item['v'].S)
        }
        const value = await effect({ send: fetch })
        await client.updateItem({
          TableName,
          Key: { k: { S: key } },
          UpdateExpression: 'SET v = :value',
          ExpressionAttributeValues: { ':value': { S: JSON.stringify(value) } },
        })
        return value
      },
      close: async () => client.destroy(),
    }
  },
}

export const contenders: readonly Contender[] = [
  floor,
  ...oursOn('dynamodb', 'dynamodb', async (place) => {
    const client = connect(place)
    const table = `ours-${place.prefix}`
    await client.createTable(tableDefinition(table)).catch(ignoreExisting)
    await untilActive(client, table)
    return { store: dynamodbStore({ client, table, deadlineMs: 10_000 }), end: async () => client.destroy() }
  }),
]
