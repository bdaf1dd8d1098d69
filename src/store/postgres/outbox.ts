import { inNoRun, type Guard } from '../../engine/index.ts'
import { isOnefoldError, OnefoldError } from '../../error/index.ts'
import { canonicalize } from '../../key/index.ts'
import {
  knownOptions,
  type NamesOf,
  type Recovery,
  type StandardSchemaV1,
  type ToolContext,
} from '../../contract/index.ts'
import type { PostgresClient } from './clients.ts'
import type { Row } from './columns.ts'
import { driverFor } from './driver-for.ts'
import { errorOf } from './failure.ts'
import { quotedSchema } from './names.ts'
import { fromColumn, toColumn } from './text.ts'

/** A message as it waits in the outbox. */
export interface OutboxMessage {
  /** The operation's key and the message's place in it: the same for every attempt to publish it. */
  readonly id: string
  readonly topic: string
  /**
   * Messages of one topic and key are published one after the other, in the order in which they were put. Transactions
   * side by side have an order only where they take turns by a lock of their own before they put.
   */
  readonly key: string
  readonly payload: unknown
}

export interface OutboxPut {
  readonly topic: string
  /** JSON that may be a tool's input: at most 1 MiB and 63 deep, no integer beyond 2^53-1, no lone surrogate. */
  readonly payload: unknown
  /** @default the operation's key */
  readonly key?: string
  /** The ledger's schema. @default 'onefold' */
  readonly schema?: string
}

const PUT: NamesOf<OutboxPut> = { topic: true, payload: true, key: true, schema: true }

/**
 * The message's place in its transaction, counted by the server: a tool may put by a savepoint's object, or by a wrapper's,
 * which are as many objects as it likes; and what a savepoint undoes is not counted.
 */
const PLACE = `set_config('onefold.placed', (coalesce(nullif(current_setting('onefold.placed', true), ''), '0')::int + 1)::text, true)`
const HIGHEST_PLACE = 2 ** 31 - 1

/**
 * Puts a message into the outbox, in the transaction of a transactional tool: it is committed with the effect and its
 * record, or not at all. {@link relayOutbox} publishes it.
 * @throws OnefoldError CONTRACT_INVALID outside a transactional tool, INPUT_INVALID for what could never be published,
 * CONFIG_INVALID for an option that there is not
 */
export async function putIntoOutbox(
  context: Pick<ToolContext, 'key' | 'transaction'>,
  message: OutboxPut,
): Promise<void> {
  const { topic, payload, key = context.key, schema = 'onefold' } = knownOptions('putIntoOutbox', message, PUT)
  const { transaction } = context
  if ((typeof transaction !== 'object' && typeof transaction !== 'function') || transaction === null) {
    throw new OnefoldError(
      'CONTRACT_INVALID',
      'A message is put into the outbox within the transaction of its effect: declare recovery: transactional(). Nothing was put.',
    )
  }
  const text = `INSERT INTO ${quotedSchema(schema)}.outbox (id, topic, key, payload) VALUES (concat($1::text, '/', ${PLACE}), $2, $3, $4)`
  const body = JSON.stringify(payload ?? null)
  // As the relay will read it: once it is committed, what is refused there blocks its topic and key for ever.
  canonicalize({ id: `${context.key}/${HIGHEST_PLACE}`, topic, key, payload: JSON.parse(body) as unknown })
  const values = [context.key, toColumn(topic), toColumn(key), body]
  const open = transaction as {
    readonly unsafe?: (text: string, values: readonly string[]) => Promise<unknown>
    readonly query: (text: string, values: readonly string[]) => Promise<unknown>
  }
  await (typeof open.unsafe === 'function' ? open.unsafe(text, values) : open.query(text, values))
}

export interface RelayOptions {
  readonly client: PostgresClient
  /** The ledger's schema. @default 'onefold' */
  readonly schema?: string
  /** What settles it when nobody knows whether a message was published. */
  readonly recovery: Recovery<OutboxMessage, unknown>
  /** Sends one message, by `ctx.fetch` or with `ctx.downstreamKey()`. */
  readonly publish: (message: OutboxMessage, context: ToolContext) => Promise<unknown>
  /** Name of the tool under which messages are recorded: the same in every relay of one outbox. @default 'outbox' */
  readonly tool?: string
  /** Messages that are sent side by side. @default 16 */
  readonly atOnce?: number
  /**
   * How often an idle relay looks, in milliseconds. What could not be published waits twice as long after each time, up
   * to five seconds. @default 200
   */
  readonly everyMs?: number
  /**
   * Told of messages that could not be published now; they stay and are tried again.
   * @default an `alarm` of the guard, one a message, for errors that do not pass by themselves
   */
  readonly onTrouble?: (message: OutboxMessage, error: unknown) => void
}

const NAMES: NamesOf<RelayOptions> = {
  client: true,
  schema: true,
  recovery: true,
  publish: true,
  tool: true,
  atOnce: 'number',
  everyMs: 'number',
  onTrouble: true,
}

/** Of every message, whoever publishes it. */
const TENANT = 'default'

/** The longest time between two tries of a message. */
const LONGEST_WAIT_MS = 5_000

export interface Relay {
  /**
   * Publishes what can be published now, also what would wait for another try; resolves to the number of messages that
   * left the outbox.
   */
  drain(): Promise<number>
  /** Ends after what is under way. */
  close(): Promise<void>
}

/**
 * Publishes the outbox, each message once: every message is an operation of `guard` with its own record, so a relay that
 * dies between sending and removing finds the record, and one that dies while sending leaves a doubt that `recovery`
 * settles. Any number of relays may run, by guards of any tenants (the records lie in the tenant `default`) with the same
 * `keySecret`. A message leaves the outbox only when it is known to be published.
 */
export function relayOutbox(guard: Guard, options: RelayOptions): Relay {
  const { client, schema = 'onefold', atOnce = 16, everyMs = 200 } = knownOptions('relayOutbox', options, NAMES)
  if (typeof (options.publish as unknown) !== 'function')
    throw new OnefoldError(
      'CONFIG_INVALID',
      'relayOutbox has no publish: every message would become a doubt. Write publish: async (message, context) => …. Nothing was started.',
    )
  const s = quotedSchema(schema)
  const driver = driverFor(client, { deadlineMs: 5_000, prepare: false })
  const publish = guard.tool({
    name: options.tool ?? 'outbox',
    input: MESSAGE,
    effect: 'write',
    identity: ['id'],
    recovery: options.recovery,
    execute(message, context) {
      // A broker may take the message's id for a key: it is the same at every attempt as well.
      void context.key
      return options.publish(message, context)
    },
  })
  const alarmed = new Set<string>()
  /** Messages that could not be published. */
  const waits = new Map<string, { readonly ms: number; readonly until: number }>()
  let closing = false
  let timer: NodeJS.Timeout | undefined
  let round: Promise<number> | undefined

  /**
   * The oldest message of each of the next topics and keys; the later ones of these wait for it. From key to key along the
   * index: a question to every message, whether it is the oldest, would read a whole backlog of one key for each of them.
   */
  const heads = (behind: string): string => {
    const next = (condition: string): string =>
      `SELECT o.n, o.topic, o.key FROM ${s}.outbox o WHERE ${condition} ORDER BY o.topic, o.key, o.n LIMIT 1`
    return `
    WITH RECURSIVE head AS (
      (SELECT first.*, 1 AS place FROM (${next(behind)}) AS first)
      UNION ALL
      SELECT next.*, head.place + 1 FROM head, LATERAL (${next('(o.topic, o.key) > (head.topic, head.key)')}) AS next
      WHERE head.place < ${atOnce}
    )
    SELECT o.n::float8 AS n, o.id, o.topic, o.key, o.payload FROM head JOIN ${s}.outbox o ON o.n = head.n ORDER BY head.place`
  }
  const ask = (text: string, values: readonly unknown[]): Promise<readonly Row[]> =>
    driver.query(text, values).catch((error: unknown) => {
      throw errorOf(error, `the outbox in the schema ${schema}`)
    })
  const headsFrom = (last: Row | undefined): Promise<readonly Row[]> =>
    last === undefined
      ? ask(heads('true'), [])
      : ask(heads('(o.topic, o.key) > ($1, $2)'), [last['topic'], last['key']])

  function alarm({ id }: OutboxMessage, error: unknown): void {
    if (alarmed.has(id) || (isOnefoldError(error) && error.retryable)) return
    alarmed.add(id)
    const code = isOnefoldError(error) ? error.code : 'an unknown error'
    guard.internals.alarm(
      publish.contract.name,
      `message ${id} of the outbox cannot be published (${code}); the later ones of its topic and key wait for it`,
    )
  }

  async function one(n: number, message: OutboxMessage): Promise<boolean> {
    try {
      // Whoever made this relay, or drains it, may be in a run, and the relays of one outbox may have guards of several
      // tenants: with the tenant of either the message would be another operation, and published once for each.
      await inNoRun(() => guard.run({ id: message.id, tenant: TENANT }, () => publish(message)))
    } catch (error) {
      // The record has outlived its result: it was published.
      if (!(isOnefoldError(error) && error.code === 'RESULT_EXPIRED')) {
        const ms = Math.min((waits.get(message.id)?.ms ?? everyMs / 2) * 2, LONGEST_WAIT_MS)
        waits.set(message.id, { ms, until: performance.now() + ms })
        ;(options.onTrouble ?? alarm)(message, error)
        return false
      }
    }
    forget(message.id)
    await ask(`DELETE FROM ${s}.outbox WHERE n = $1`, [n])
    return true
  }

  function forget(id: string): void {
    alarmed.delete(id)
    waits.delete(id)
  }

  const isDue = (row: Row): boolean => (waits.get(row['id'] as string)?.until ?? 0) <= performance.now()

  async function drain(all: boolean): Promise<number> {
    let left = 0
    // What could not be published now is not tried again at once, and does not hide what lies behind it.
    const stuck = new Set<number>()
    const seen = new Set<string>()
    /** From the first topic and key to the last, one message of each: a long backlog of one does not hold up the others. */
    async function pass(): Promise<number> {
      let gone = 0
      for (let last: Row | undefined; !closing;) {
        const rows = await headsFrom(last)
        if (rows.length === 0) break
        last = rows.at(-1)
        for (const row of rows) seen.add(row['id'] as string)
        const tried = rows.filter((row) => !stuck.has(Number(row['n'])) && (all || isDue(row)))
        const done = await Promise.all(tried.map((row) => one(Number(row['n']), messageOf(row))))
        for (const [at, row] of tried.entries()) if (done[at] !== true) stuck.add(Number(row['n']))
        gone += done.filter(Boolean).length
      }
      return gone
    }
    for (let gone = -1; gone !== 0; left += gone) gone = await pass()
    // Another relay may have published them.
    for (const id of waits.keys()) if (!seen.has(id)) forget(id)
    return left
  }

  /** One round at a time, those that were asked for among them. */
  function drainNext(all: boolean): Promise<number> {
    const next = (round?.catch(() => 0) ?? Promise.resolve(0)).then(() => drain(all))
    round = next
    return next
  }

  /** What passes is tried again in silence; what stays, such as a right that is missing, holds everything up. */
  let held = false
  function tellHeld(error: unknown): void {
    if (held || !isOnefoldError(error) || error.retryable) return
    held = true
    guard.internals.alarm(publish.contract.name, `the outbox is not emptied: ${error.message}`)
  }

  function schedule(): void {
    if (closing) return
    const round = async (): Promise<void> => {
      try {
        await drainNext(false)
        held = false
      } catch (error) {
        tellHeld(error)
      }
      schedule()
    }
    timer = setTimeout(() => void round(), everyMs)
    timer.unref()
  }

  schedule()
  return {
    drain: () => drainNext(true),
    async close() {
      closing = true
      clearTimeout(timer)
      await round?.catch(() => undefined)
    },
  }
}

const messageOf = (row: Row): OutboxMessage => ({
  id: row['id'] as string,
  topic: fromColumn(row['topic'] as string),
  key: fromColumn(row['key'] as string),
  payload: JSON.parse(row['payload'] as string),
})

/** Messages are made here and read back from the database: nothing is left to check. */
const MESSAGE: StandardSchemaV1<OutboxMessage> = {
  '~standard': { version: 1, vendor: 'onefold', validate: (value) => ({ value: value as OutboxMessage }) },
}
