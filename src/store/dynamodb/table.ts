import { OnefoldError } from '../../error/index.ts'
import type { AttributeDefinition, KeyPart, TableDescription } from './client.ts'

/** Index of all records in order of recording; keys and the fields that listings filter by. */
export const RECORDED = 'recorded'
/** Sparse index of the records that somebody still has to bring to an end. */
export const OPEN = 'open'
/** Partitions of each index: one would take at most 1,000 writes a second. Fixed: records name theirs. */
export const SHARDS = 8

/** What `CreateTable` takes. */
export interface TableDefinition {
  readonly TableName: string
  readonly BillingMode: 'PAY_PER_REQUEST'
  readonly DeletionProtectionEnabled: boolean
  readonly KeySchema: { readonly AttributeName: string; readonly KeyType: 'HASH' | 'RANGE' }[]
  readonly AttributeDefinitions: { readonly AttributeName: string; readonly AttributeType: 'B' | 'N' | 'S' }[]
  readonly GlobalSecondaryIndexes: {
    readonly IndexName: string
    readonly KeySchema: { readonly AttributeName: string; readonly KeyType: 'HASH' | 'RANGE' }[]
    readonly Projection: { readonly ProjectionType: 'INCLUDE'; readonly NonKeyAttributes: string[] }
  }[]
}

const index = (
  name: string,
  partition: string,
  fields: string[],
): TableDefinition['GlobalSecondaryIndexes'][number] => ({
  IndexName: name,
  KeySchema: [
    { AttributeName: partition, KeyType: 'HASH' },
    { AttributeName: 'i', KeyType: 'RANGE' },
  ],
  Projection: { ProjectionType: 'INCLUDE', NonKeyAttributes: fields },
})

/**
 * The table of a ledger, as `CreateTable` (and `aws dynamodb create-table --cli-input-json`) takes it: on demand, with
 * protection against deletion, and without a time to live, since the service must not delete what the ledger keeps.
 *
 * @example
 * await client.createTable(tableDefinition('effects'))
 */
export function tableDefinition(table: string): TableDefinition {
  return {
    TableName: table,
    BillingMode: 'PAY_PER_REQUEST',
    DeletionProtectionEnabled: true,
    KeySchema: [
      { AttributeName: 'p', KeyType: 'HASH' },
      { AttributeName: 's', KeyType: 'RANGE' },
    ],
    AttributeDefinitions: [
      { AttributeName: 'p', AttributeType: 'B' },
      { AttributeName: 's', AttributeType: 'S' },
      { AttributeName: 'a', AttributeType: 'S' },
      { AttributeName: 'o', AttributeType: 'S' },
      { AttributeName: 'i', AttributeType: 'N' },
    ],
    GlobalSecondaryIndexes: [index(RECORDED, 'a', ['y', 'k', 'tl', 'rn']), index(OPEN, 'o', ['l', 't'])],
  }
}

const shape = (keys: readonly KeyPart[] | undefined, definitions: readonly AttributeDefinition[] | undefined): string =>
  (keys ?? [])
    .map((key) => {
      const type = definitions?.find((one) => one.AttributeName === key.AttributeName)?.AttributeType
      return `${key.KeyType ?? ''} ${key.AttributeName ?? ''}:${type ?? ''}`
    })
    .join(', ')

/** Region of a table, from its ARN (`arn:aws:dynamodb:REGION:…`). */
export const regionOf = (table: TableDescription): string => table.TableArn?.split(':')[3] ?? ''

/**
 * Looks at a table before anything in it is read.
 * @throws OnefoldError STORE_UNSAFE for a table of another program or another version, STORE_UNAVAILABLE for one that is not ready
 */
export function checkTable(table: TableDescription, name: string): void {
  const wanted = tableDefinition(name)
  const problems: string[] = []
  const compare = (what: string, found: string, expected: string): void => {
    if (found !== expected) problems.push(`${what} is (${found}) and not (${expected})`)
  }
  compare(
    'its key',
    shape(table.KeySchema, table.AttributeDefinitions),
    shape(wanted.KeySchema, wanted.AttributeDefinitions),
  )
  for (const expected of wanted.GlobalSecondaryIndexes) {
    const found = table.GlobalSecondaryIndexes?.find((one) => one.IndexName === expected.IndexName)
    if (found === undefined) problems.push(`it has no index ${expected.IndexName}`)
    else
      compare(
        `its index ${expected.IndexName}`,
        shape(found.KeySchema, table.AttributeDefinitions),
        shape(expected.KeySchema, wanted.AttributeDefinitions),
      )
  }
  if (problems.length > 0) {
    throw new OnefoldError(
      'STORE_UNSAFE',
      `The DynamoDB table ${name} is not a ledger: ${problems.join('; ')}. It may be another program's; name another table. Nothing in it was touched and no effect was started.`,
    )
  }
  const building = table.GlobalSecondaryIndexes?.find((one) => (one.IndexStatus ?? 'ACTIVE') !== 'ACTIVE')
  if (table.TableStatus === 'CREATING' || building !== undefined) {
    throw new OnefoldError(
      'STORE_UNAVAILABLE',
      `The DynamoDB table ${name} is still being made (${building === undefined ? 'the table' : `its index ${building.IndexName ?? ''}`} is not active). Try again in a minute. No effect was started.`,
      { effect: 'none', retryable: true },
    )
  }
}

/**
 * A global table whose last writer wins may only be written in one region: elsewhere a claim is overwritten by the
 * claim of another region, and both were acknowledged.
 * @param home the region that the ledger, or its user, names as the one that writes
 * @throws OnefoldError STORE_UNSAFE
 */
export function checkRegion(table: TableDescription, name: string, home: string | undefined): void {
  const region = regionOf(table)
  const others = (table.Replicas ?? []).map((one) => one.RegionName ?? '').filter((one) => one !== region)
  if (table.MultiRegionConsistency === 'STRONG') return
  const refuse = (problem: string): never => {
    throw new OnefoldError(
      'STORE_UNSAFE',
      `The DynamoDB table ${name} is a global table in which the last writer wins: ${problem}. Two regions could each acknowledge a claim of the same operation. No effect was started.`,
    )
  }
  if (home !== undefined && home !== '' && home !== region)
    refuse(`its ledger is written in ${home}, and this client writes in ${region}; use a client for ${home}`)
  if (others.length > 0 && (home === undefined || home === ''))
    refuse(
      `say which region writes (home: '${region}' or dynamodb://${name}?home=${region}); it is replicated to ${others.join(', ')}`,
    )
}
