import {
  erasesBlobs,
  stamp,
  type Draft,
  type OperationRecord,
  type Write,
  type WriteAnswer,
} from '../../engine/index.ts'
import { OnefoldError } from '../../error/index.ts'
import { dropBlobs, hasBlobs } from './blobs.ts'
import { number, numberOf, text, type Attribute, type Item } from './client.ts'
import type { Context, StepOptions } from './context.ts'
import { isConflict } from './failure.ts'
import { dropBeside, eventText, moveEvents } from './history.ts'
import { dropPieces, referenceIn, textIn, type Reference } from './large.ts'
import type { Meta, Ticket } from './meta.ts'
import { keyOfRecord, partitionOf, placeOf, recordOf, textsOf } from './record-item.ts'
import { createInputs } from './inputs.ts'

/** Reads and compare-and-set on single records. */
export interface Records {
  read(key: string, tenant: string): Promise<OperationRecord | undefined>
  write(write: Write): Promise<WriteAnswer>
  /** The record of an item that was read consistently; undefined when it has changed since. */
  parse(item: Item, options: StepOptions): Promise<OperationRecord | undefined>
  /** Erases what a process that was killed has left beside the tombstone in an item. Best effort. */
  finish(item: Item, options: StepOptions): Promise<void>
}

/** A write that was let in, or that met another record; then with that one's item where the service shows it. */
type Tried =
  | { readonly applied: true; readonly record: OperationRecord | undefined }
  | { readonly applied: false; readonly item: Item | undefined }

/** Attributes that an update removes where the next record has none. */
const OPTIONAL = ['rn', 'o', 'd', 'dx', 'dn', 'n', 'nx', 'nn', 'z'] as const

export function createRecords(context: Context, meta: Meta): Records {
  const { client, table, clock } = context
  const inputs = createInputs(context)

  async function parse(item: Item, options: StepOptions): Promise<OperationRecord | undefined> {
    const partition = item['p']?.B as Uint8Array
    const [body, input] = await Promise.all([
      textIn(context, partition, item, 'd', options),
      textIn(context, partition, item, 'n', options),
    ])
    if (body.gone || input.gone || body.value === undefined) return undefined
    const record = recordOf(item, { body: body.value, input: input.value })
    inputs.remember(partition, record.revision, input.value, referenceIn(item, 'n'))
    clock.raise(record.updatedAt)
    return record
  }

  async function readWith(partition: Uint8Array, options: StepOptions): Promise<OperationRecord | undefined> {
    for (let revision = -1; ;) {
      const { Item } = await client.getItem(
        { TableName: table, Key: keyOfRecord(partition), ConsistentRead: true },
        options,
      )
      if (Item === undefined) return undefined
      const record = await parse(Item, options)
      if (record !== undefined) return record
      // Pieces go once another write has replaced them; then there is another revision to be read.
      if (numberOf(Item['v']) === revision) throw damaged(table, partition)
      revision = numberOf(Item['v'])
    }
  }

  /** The attributes of a record's item, with what is too large written beside it. */
  async function contentOf(
    record: OperationRecord,
    partition: Uint8Array,
    expect: number,
    options: StepOptions,
  ): Promise<Item> {
    const texts = textsOf(record)
    const [body, input] = await Promise.all([
      inputs.attributes(partition, 'd', texts.body, 0, options),
      inputs.attributes(partition, 'n', texts.input, expect, options),
    ])
    return {
      v: number(record.revision),
      l: number(record.leaseUntil),
      ...placeOf(record, partition),
      ...body,
      ...input,
    }
  }

  const eventOf = (write: Write, record: OperationRecord): Attribute =>
    text(
      eventText({
        ...write.event,
        fence: write.event.fence === 0 ? record.fence : write.event.fence,
        at: record.updatedAt,
      }),
    )

  async function insert(write: Write, draft: Draft, ticket: Ticket, options: StepOptions): Promise<OperationRecord> {
    const partition = partitionOf(write.key, write.tenant)
    const record = stamp(draft, undefined, ticket.now, ticket.sequence)
    const content = await contentOf(record, partition, 0, options)
    await client.putItem(
      {
        TableName: table,
        Item: {
          ...keyOfRecord(partition),
          ...content,
          i: number(ticket.sequence),
          e: { L: [eventOf(write, record)] },
        },
        ConditionExpression: 'attribute_not_exists(p)',
        ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
      },
      options,
    )
    inputs.remember(partition, record.revision, undefined, referenceIn(content, 'n'))
    return record
  }

  async function update(
    write: Write,
    draft: Draft,
    now: number,
    sequence: number,
    options: StepOptions,
  ): Promise<OperationRecord> {
    const partition = partitionOf(write.key, write.tenant)
    const stamped = stamp(draft, { revision: write.expect, leaseUntil: 0 }, now, sequence)
    const erases = erasesBlobs(write)
    // Written with the tombstone, so that a process that is killed before it has erased is made up for.
    const left: Item = erases && (await hasBlobs(context, partition, options)) ? { z: number(1) } : {}
    const content = { ...(await contentOf(stamped, partition, write.expect, options)), ...left }
    // The lease stays as it is where the draft says so; what it is shows in the answer.
    if (draft.leaseMs === undefined) delete content['l']
    const event = eventOf(write, stamped)
    const names = Object.keys(content)
    const absent = OPTIONAL.filter((name) => content[name] === undefined)
    const { Attributes: old = {} } = await client.updateItem(
      {
        TableName: table,
        Key: keyOfRecord(partition),
        UpdateExpression:
          `SET ${names.map((name) => `#${name} = :${name}`).join(', ')}, #e = list_append(#e, :event)` +
          (absent.length === 0 ? '' : ` REMOVE ${absent.map((name) => `#${name}`).join(', ')}`),
        ConditionExpression: '#v = :expect',
        ExpressionAttributeNames: Object.fromEntries([...names, ...absent, 'e'].map((name) => [`#${name}`, name])),
        ExpressionAttributeValues: {
          ...Object.fromEntries(names.map((name) => [`:${name}`, content[name] as Attribute])),
          ':event': { L: [event] },
          ':expect': number(write.expect),
        },
        ReturnValues: 'ALL_OLD',
        ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
      },
      options,
    )
    inputs.remember(partition, stamped.revision, undefined, referenceIn(content, 'n'))
    if (erases)
      await eraseBeside(partition, stamped.revision, content['z'] !== undefined, options).catch(() => undefined)
    await tidy(partition, stamped.revision, old, content, event, options).catch(() => undefined)
    return draft.leaseMs === undefined ? { ...stamped, leaseUntil: numberOf(old['l']) } : stamped
  }

  /** What lay beside a record that is a tombstone; `noted` in its item until it is gone. */
  async function eraseBeside(
    partition: Uint8Array,
    revision: number,
    noted: boolean,
    options: StepOptions,
  ): Promise<void> {
    await dropBlobs(context, partition, options)
    if (!noted) return
    await client.updateItem(
      {
        TableName: table,
        Key: keyOfRecord(partition),
        UpdateExpression: 'REMOVE z',
        ConditionExpression: 'v = :revision',
        ExpressionAttributeValues: { ':revision': number(revision) },
      },
      options,
    )
  }

  /** After a write that is durable already. Best effort: what fails costs room, and the next write does it. */
  async function tidy(
    partition: Uint8Array,
    revision: number,
    old: Item,
    content: Item,
    event: Attribute,
    options: StepOptions,
  ): Promise<void> {
    const kept = ['d', 'n'].map((name) => referenceIn(content, name)?.name)
    const replaced = ['d', 'n']
      .map((name) => referenceIn(old, name))
      .filter((one): one is Reference => one !== undefined && !kept.includes(one.name))
    for (const reference of replaced) await dropPieces(context, partition, reference, options)
    await moveEvents(context, partition, revision, [...(old['e']?.L ?? []), event], options)
  }

  async function erase(write: Write, options: StepOptions): Promise<undefined> {
    const partition = partitionOf(write.key, write.tenant)
    const { Attributes: old } = await client.deleteItem(
      {
        TableName: table,
        Key: keyOfRecord(partition),
        ...(write.expect === 0
          ? { ConditionExpression: 'attribute_not_exists(p)' }
          : {
              ConditionExpression: 'v = :expect',
              ExpressionAttributeValues: { ':expect': number(write.expect) },
            }),
        ReturnValues: 'ALL_OLD',
        ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
      },
      options,
    )
    if (old === undefined) return undefined
    await dropBlobs(context, partition, options).catch(() => undefined)
    await dropBeside(context, partition, old, options).catch(() => undefined)
    return undefined
  }

  async function tried(work: (options: StepOptions) => Promise<OperationRecord | undefined>): Promise<Tried> {
    try {
      return { applied: true, record: await context.step('write the record', work) }
    } catch (error) {
      if (isConflict(error)) return { applied: false, item: error.Item as Item | undefined }
      throw error
    }
  }

  /** One conditional write, with the number that it counts under. */
  async function attempt(write: Write): Promise<[Tried, Ticket, now: number]> {
    const { draft, expect } = write
    if (draft !== undefined && (expect === 0 || draft.fence === 0)) {
      // The number is part of what is written.
      const ticket = await meta.next()
      const done = await tried((options) =>
        expect === 0
          ? insert(write, draft, ticket, options)
          : update(write, draft, ticket.now, ticket.sequence, options),
      )
      return [done, ticket, ticket.now]
    }
    const now = clock.now()
    const [written, counted] = await Promise.allSettled([
      tried((options) => (draft === undefined ? erase(write, options) : update(write, draft, now, 0, options))),
      meta.next(),
    ])
    if (written.status === 'rejected') throw written.reason
    if (counted.status === 'rejected')
      throw written.value.applied ? uncounted(table, counted.reason as Error) : counted.reason
    return [written.value, counted.value, now]
  }

  /** What stood in the way of a write. */
  async function found(write: Write, item: Item | undefined): Promise<OperationRecord | undefined> {
    return await context.step('read the record', async (options) => {
      const shown = item === undefined ? undefined : await parse(item, options)
      return shown ?? (await readWith(partitionOf(write.key, write.tenant), options))
    })
  }

  return {
    parse,
    async finish(item, options) {
      if (item['z'] === undefined) return
      await eraseBeside(item['p']?.B as Uint8Array, numberOf(item['v']), true, options).catch(() => undefined)
    },
    read: (key, tenant) => context.step('read the record', (options) => readWith(partitionOf(key, tenant), options)),
    async write(write) {
      for (;;) {
        const [done, { sequence, amnesiaAt }, now] = await attempt(write)
        if (done.applied) return { applied: true, record: done.record, now, sequence, amnesiaAt }
        const record = await found(write, done.item)
        // What was in the way may be gone again: then the write is let in after all.
        if ((record?.revision ?? 0) !== write.expect)
          return { applied: false, record, now: clock.now(), sequence, amnesiaAt }
      }
    },
  }
}

/** The write is there, its number is not: that the count was refused must not be told as if nothing was written. */
const uncounted = (table: string, cause: Error): OnefoldError =>
  new OnefoldError(
    'STORE_UNAVAILABLE',
    `DynamoDB table ${table} has the record, but did not count its write (${causeOf(cause)}). Read it again.`,
    { effect: 'none', retryable: true, cause, details: { applied: 'unknown' } },
  )

/** What the service said; the texts of {@link failureOf} end with what became of the step. */
const causeOf = ({ cause }: Error): string => (cause instanceof Error ? cause.message : String(cause))

const damaged = (table: string, partition: Uint8Array): OnefoldError =>
  new OnefoldError(
    'STORE_UNSAFE',
    `A record in DynamoDB table ${table} is damaged: a part of it is gone (item ${Buffer.from(partition).toString('hex')}). Somebody deleted items by hand, or a time to live did. Restore the table. Nothing was written.`,
  )
