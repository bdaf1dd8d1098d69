import type { DynamoClient, Item } from './client.ts'
import { failureOf, isConflict } from './failure.ts'
import type { ServiceClock } from './service-clock.ts'

/** What is handed to the client with each request of a step. */
export interface StepOptions {
  readonly abortSignal: AbortSignal
}

/** What every step of the store works with. */
export interface Context {
  readonly client: DynamoClient
  readonly table: string
  readonly clock: ServiceClock
  /** How long a step may take, in milliseconds. */
  readonly deadlineMs: number
  /**
   * Runs one step of the store: within the deadline, with errors as the engine knows them; a conflict comes as it is.
   * `doing` completes "DynamoDB failed to …".
   */
  step<T>(doing: string, work: (options: StepOptions) => Promise<T>): Promise<T>
}

export function createContext(client: DynamoClient, table: string, clock: ServiceClock, deadlineMs: number): Context {
  return {
    client,
    table,
    clock,
    deadlineMs,
    async step(doing, work) {
      try {
        return await work({ abortSignal: AbortSignal.timeout(deadlineMs) })
      } catch (error) {
        throw isConflict(error) ? error : failureOf(error, table, doing)
      }
    },
  }
}

/** Every item of a query. */
export async function queryAll(
  context: Context,
  input: Omit<Parameters<DynamoClient['query']>[0], 'TableName' | 'ExclusiveStartKey'>,
  options: StepOptions,
): Promise<Item[]> {
  const items: Item[] = []
  let from: Item | undefined
  do {
    const page = await context.client.query(
      { ...input, TableName: context.table, ...(from === undefined ? {} : { ExclusiveStartKey: from }) },
      options,
    )
    items.push(...(page.Items ?? []))
    from = page.LastEvaluatedKey
  } while (from !== undefined)
  return items
}
