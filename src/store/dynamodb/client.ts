/** An attribute as the service has it; of the members exactly one is there. */
export interface Attribute {
  readonly S?: string | undefined
  readonly N?: string | undefined
  readonly B?: Uint8Array | undefined
  readonly L?: Attribute[] | undefined
}

export type Item = Record<string, Attribute>

/** Every member optional: so the SDK's own inputs, which allow more, are assignable to these. */
interface Condition {
  readonly TableName?: string | undefined
  readonly ConditionExpression?: string | undefined
  readonly ExpressionAttributeNames?: Record<string, string> | undefined
  readonly ExpressionAttributeValues?: Item | undefined
  readonly ReturnValues?: string | undefined
  /** On DynamoDB the error of a refused write then carries what is there; dynalite does not know it. */
  readonly ReturnValuesOnConditionCheckFailure?: string | undefined
}

interface PutInput extends Condition {
  readonly Item?: Item | undefined
}

interface UpdateInput extends Condition {
  readonly Key?: Item | undefined
  readonly UpdateExpression?: string | undefined
}

interface DeleteInput extends Condition {
  readonly Key?: Item | undefined
}

interface GetInput {
  readonly TableName?: string | undefined
  readonly Key?: Item | undefined
  readonly ConsistentRead?: boolean | undefined
}

interface PageInput {
  readonly TableName?: string | undefined
  readonly FilterExpression?: string | undefined
  readonly ExpressionAttributeValues?: Item | undefined
  readonly ExclusiveStartKey?: Item | undefined
}

interface QueryInput extends PageInput {
  readonly ProjectionExpression?: string | undefined
  readonly IndexName?: string | undefined
  readonly KeyConditionExpression?: string | undefined
  readonly ConsistentRead?: boolean | undefined
  readonly Limit?: number | undefined
}

interface ScanInput extends PageInput {
  readonly ProjectionExpression?: string | undefined
}

interface BatchGetInput {
  readonly RequestItems?:
    | Record<
        string,
        {
          readonly Keys?: Item[] | undefined
          readonly ConsistentRead?: boolean | undefined
          readonly ProjectionExpression?: string | undefined
        }
      >
    | undefined
}

interface Page {
  readonly Items?: Item[] | undefined
  readonly LastEvaluatedKey?: Item | undefined
}

interface SendOptions {
  readonly abortSignal?: AbortSignal
}

/** What is read of a table's description. */
export interface TableDescription {
  readonly TableName?: string | undefined
  readonly TableArn?: string | undefined
  readonly TableId?: string | undefined
  readonly TableStatus?: string | undefined
  readonly KeySchema?: readonly KeyPart[] | undefined
  readonly AttributeDefinitions?: readonly AttributeDefinition[] | undefined
  readonly GlobalSecondaryIndexes?:
    | readonly {
        readonly IndexName?: string | undefined
        readonly IndexStatus?: string | undefined
        readonly KeySchema?: readonly KeyPart[] | undefined
      }[]
    | undefined
  readonly Replicas?: readonly { readonly RegionName?: string | undefined }[] | undefined
  /** `STRONG` for global tables whose regions agree before they acknowledge; else the last writer wins. */
  readonly MultiRegionConsistency?: string | undefined
  readonly DeletionProtectionEnabled?: boolean | undefined
}

export interface KeyPart {
  readonly AttributeName: string | undefined
  readonly KeyType: string | undefined
}

export interface AttributeDefinition {
  readonly AttributeName: string | undefined
  readonly AttributeType: string | undefined
}

/**
 * The part of `DynamoDB` from `@aws-sdk/client-dynamodb` (the client whose commands are its methods) that the store uses.
 * Nothing of that package is imported here.
 */
export interface DynamoClient {
  putItem(input: PutInput, options?: SendOptions): Promise<unknown>
  updateItem(input: UpdateInput, options?: SendOptions): Promise<{ readonly Attributes?: Item | undefined }>
  deleteItem(input: DeleteInput, options?: SendOptions): Promise<{ readonly Attributes?: Item | undefined }>
  getItem(input: GetInput, options?: SendOptions): Promise<{ readonly Item?: Item | undefined }>
  query(input: QueryInput, options?: SendOptions): Promise<Page>
  scan(input: ScanInput, options?: SendOptions): Promise<Page>
  batchGetItem(
    input: BatchGetInput,
    options?: SendOptions,
  ): Promise<{
    readonly Responses?: Record<string, Item[]> | undefined
    readonly UnprocessedKeys?: Record<string, { readonly Keys: Item[] | undefined }> | undefined
  }>
  describeTable(
    input: { readonly TableName?: string | undefined },
    options?: SendOptions,
  ): Promise<{ readonly Table?: TableDescription | undefined }>
  describeTimeToLive(
    input: { readonly TableName?: string | undefined },
    options?: SendOptions,
  ): Promise<{
    readonly TimeToLiveDescription?:
      | { readonly TimeToLiveStatus?: string | undefined; readonly AttributeName?: string | undefined }
      | undefined
  }>
}

interface Stack {
  clone(): Stack
  add(
    middleware: (next: (args: unknown) => Promise<unknown>) => (args: unknown) => Promise<unknown>,
    options: object,
  ): unknown
}

/** When the service said what time it is, on this process's monotonic clock. */
export type HearDate = (date: number, sentAt: number, receivedAt: number) => void

/**
 * The same client, with an ear for the `Date` header of every answer: the only clock that the service shows. The user's
 * own client is left as it is. A client without middleware (another implementation) is used as it comes.
 */
export function listening(client: DynamoClient, hear: HearDate): DynamoClient {
  const stack = (client as { middlewareStack?: Stack }).middlewareStack
  if (typeof stack?.clone !== 'function') return client
  const own = stack.clone()
  own.add(
    (next) => async (args) => {
      const sentAt = performance.now()
      const answer = await next(args)
      const { response } = answer as { response?: { headers?: Record<string, string | undefined> } }
      const date = Date.parse(response?.headers?.['date'] ?? '')
      if (Number.isFinite(date)) hear(date, sentAt, performance.now())
      return answer
    },
    { step: 'deserialize', priority: 'low', name: 'onefoldDateHeader', override: true },
  )
  return Object.create(client, { middlewareStack: { value: own } }) as DynamoClient
}

/** Whole number of an attribute. */
export const numberOf = (attribute: Attribute | undefined): number => Number(attribute?.N ?? 0)

export const number = (value: number): Attribute => ({ N: String(value) })
export const text = (value: string): Attribute => ({ S: value })
