/**
 * A ledger in a DynamoDB table, for effects of any number of hosts in one region.
 *
 * @example
 * import { DynamoDB } from '@aws-sdk/client-dynamodb'
 * const guard = onefold({ store: dynamodbStore({ client: new DynamoDB({ region: 'eu-west-1' }), table: 'effects' }) })
 * @module
 */
export type { DynamoClient } from './client.ts'
export { dynamodbStore, type DynamodbOptions } from './dynamodb-store.ts'
export { tableDefinition, type TableDefinition } from './table.ts'
