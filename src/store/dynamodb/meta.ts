import { randomUUID } from 'node:crypto'
import type { AmnesiaMark, Epoch } from '../../engine/index.ts'
import { OnefoldError } from '../../error/index.ts'
import { number, numberOf, text, type Item } from './client.ts'
import type { Context } from './context.ts'
import { isConflict } from './failure.ts'

/** Version of the items' layout. A newer one is refused. */
const LAYOUT = 1

/** The one item that is no operation's: not 32 bytes long, as every operation's partition is. */
const KEY: Item = { p: { B: Buffer.from('onefold') }, s: text('meta') }

/** A number of the store-wide sequence, given out at a moment of store time. */
export interface Ticket {
  readonly sequence: number
  readonly now: number
  /** `at` of the amnesia mark that stood then; 0 for none. */
  readonly amnesiaAt: number
}

export interface Meta {
  /** Makes the item in a fresh table and looks at it. @returns the region that the ledger is written in */
  open(region: string): Promise<string>
  /** The next number. Callers that ask while one answer is under way share the next request. */
  next(): Promise<Ticket>
  epoch(): Promise<Epoch>
  markAmnesia(mark: AmnesiaMark | undefined): Promise<void>
  /** Keeps the time that was shown last, so that it does not go back over a restart. */
  rememberTime(): Promise<void>
}

interface Waiting {
  readonly resolve: (ticket: Ticket) => void
  readonly reject: (error: unknown) => void
}

export function createMeta(context: Context): Meta {
  const { client, table, clock } = context
  let waiting: Waiting[] = []
  let asking = false

  const gone = (): OnefoldError =>
    new OnefoldError(
      'STORE_UNSAFE',
      `The ledger in DynamoDB table ${table} has lost its own item (sequence and epoch): restore the table, or open the ledger anew, which then counts as a loss of records. Nothing was written.`,
    )

  /** Adds to the sequence and moves store time on, in one atomic step on one item. */
  async function add(count: number): Promise<Item> {
    return await context.step('count a write', async (options) => {
      const input = { TableName: table, Key: KEY, ReturnValues: 'ALL_NEW' } as const
      const now = clock.now()
      try {
        const { Attributes } = await client.updateItem(
          {
            ...input,
            UpdateExpression: 'SET h = :now ADD q :count',
            ConditionExpression: 'h <= :now',
            ExpressionAttributeValues: { ':now': number(now), ':count': number(count) },
          },
          options,
        )
        return Attributes ?? {}
      } catch (error) {
        if (!isConflict(error)) throw error
      }
      // This process's time lags behind what is stamped already: it takes that one over.
      try {
        const { Attributes } = await client.updateItem(
          {
            ...input,
            UpdateExpression: 'ADD q :count',
            ConditionExpression: 'attribute_exists(p)',
            ExpressionAttributeValues: { ':count': number(count) },
          },
          options,
        )
        return Attributes ?? {}
      } catch (error) {
        throw isConflict(error) ? gone() : error
      }
    })
  }

  async function pump(): Promise<void> {
    asking = true
    while (waiting.length > 0) {
      const served = waiting
      waiting = []
      try {
        const item = await add(served.length)
        clock.raise(numberOf(item['h']))
        const last = numberOf(item['q'])
        const amnesiaAt = markOf(item)?.at ?? 0
        // As it stands in the item, so that stamps of all processes are in the order of their numbers.
        const now = numberOf(item['h'])
        for (const [n, one] of served.entries()) one.resolve({ sequence: last - served.length + 1 + n, now, amnesiaAt })
      } catch (error) {
        for (const one of served) one.reject(error)
      }
    }
    asking = false
  }

  async function read(): Promise<Item> {
    const { Item } = await context.step('read the epoch', (options) =>
      client.getItem({ TableName: table, Key: KEY, ConsistentRead: true }, options),
    )
    if (Item === undefined) throw gone()
    clock.raise(numberOf(Item['h']))
    return Item
  }

  return {
    async open(region) {
      await context.step('make the ledger’s own item', async (options) => {
        const fresh: Item = {
          ...KEY,
          e: text(randomUUID()),
          w: number(LAYOUT),
          q: number(0),
          h: number(clock.now()),
          g: text(region),
        }
        try {
          await client.putItem(
            { TableName: table, Item: fresh, ConditionExpression: 'attribute_not_exists(p)' },
            options,
          )
        } catch (error) {
          if (!isConflict(error)) throw error
        }
      })
      const item = await read()
      const layout = numberOf(item['w'])
      if (layout !== LAYOUT) {
        throw new OnefoldError(
          'STORE_UNSAFE',
          `The ledger in DynamoDB table ${table} has layout ${layout}, and this version of onefold knows ${LAYOUT}: upgrade onefold. Nothing was written and no effect was started.`,
        )
      }
      return item['g']?.S ?? ''
    },
    next: () =>
      new Promise<Ticket>((resolve, reject) => {
        waiting.push({ resolve, reject })
        if (!asking) void pump()
      }),
    async epoch() {
      const item = await read()
      return { id: item['e']?.S ?? '', sequence: numberOf(item['q']), amnesia: markOf(item) }
    },
    async markAmnesia(mark) {
      await context.step('set the amnesia mark', (options) =>
        client.updateItem(
          {
            TableName: table,
            Key: KEY,
            ConditionExpression: 'attribute_exists(p)',
            ...(mark === undefined
              ? { UpdateExpression: 'REMOVE m' }
              : {
                  UpdateExpression: 'SET m = :mark',
                  ExpressionAttributeValues: { ':mark': text(JSON.stringify(mark)) },
                }),
          },
          options,
        ),
      )
    },
    async rememberTime() {
      const now = clock.now()
      try {
        await context.step('keep the time', (options) =>
          client.updateItem(
            {
              TableName: table,
              Key: KEY,
              UpdateExpression: 'SET h = :now',
              ConditionExpression: 'h < :now',
              ExpressionAttributeValues: { ':now': number(now) },
            },
            options,
          ),
        )
      } catch {
        // Another process is ahead, or the service is not there: time then goes on from what is stamped.
      }
    },
  }
}

const markOf = (item: Item): AmnesiaMark | undefined => {
  const stored = item['m']?.S
  return stored === undefined ? undefined : (JSON.parse(stored) as AmnesiaMark)
}
