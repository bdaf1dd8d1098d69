import type { HistoryEvent } from '../../engine/index.ts'
import { number, numberOf, text, type Attribute, type Item } from './client.ts'
import { queryAll, type Context, type StepOptions } from './context.ts'
import { dropPieces, getPieces, putPieces, referenceIn, type Reference } from './large.ts'
import { keyOfRecord, partitionOf } from './record-item.ts'

/** Events that lie in the record's item; older ones are moved beside it. */
const EARLY_EVENTS = 32

export const eventText = (event: HistoryEvent): string => JSON.stringify(event)

/** A note, and the revision of the record that it was made on. */
interface Note {
  readonly event: HistoryEvent
  readonly revision: number
}

const movedIn = (item: Item): Reference[] => (item['x']?.L ?? []).map((one) => JSON.parse(one.S ?? '{}') as Reference)

/** Notes carry the number of their record, so that those of a deleted one are nobody's. */
const notesOf = (id: number): string => `n#${String(id).padStart(16, '0')}#`

/** Moves events out of a record's item, of which it may hold 400 KB, into one beside it. */
export async function moveEvents(
  context: Context,
  partition: Uint8Array,
  revision: number,
  events: readonly Attribute[],
  options: StepOptions,
): Promise<void> {
  if (events.length <= EARLY_EVENTS) return
  const lines = events.map((line) => line.S ?? '').join('\n')
  const moved = await putPieces(context, partition, Buffer.from(lines), options)
  await context.client.updateItem(
    {
      TableName: context.table,
      Key: keyOfRecord(partition),
      UpdateExpression: 'SET e = :none, x = list_append(if_not_exists(x, :none), :moved)',
      ConditionExpression: 'v = :revision',
      ExpressionAttributeValues: {
        ':none': { L: [] },
        ':moved': { L: [text(JSON.stringify(moved))] },
        ':revision': number(revision),
      },
    },
    options,
  )
}

/** Drops what lies beside a record that was deleted. */
export async function dropBeside(
  context: Context,
  partition: Uint8Array,
  old: Item,
  options: StepOptions,
): Promise<void> {
  const references = [referenceIn(old, 'd'), referenceIn(old, 'n'), ...movedIn(old)]
  for (const reference of references)
    if (reference !== undefined) await dropPieces(context, partition, reference, options)
  for (const note of await noteItems(context, partition, numberOf(old['i']), options)) {
    const key = { p: { B: partition }, s: note['s'] as Attribute }
    await context.client.deleteItem({ TableName: context.table, Key: key }, options)
  }
}

const noteItems = (context: Context, partition: Uint8Array, id: number, options: StepOptions): Promise<Item[]> =>
  queryAll(
    context,
    {
      KeyConditionExpression: 'p = :partition AND begins_with(s, :notes)',
      ExpressionAttributeValues: { ':partition': { B: partition }, ':notes': text(notesOf(id)) },
      ConsistentRead: true,
    },
    options,
  )

export interface Histories {
  read(key: string, tenant: string): Promise<readonly HistoryEvent[]>
  note(key: string, tenant: string, event: Omit<HistoryEvent, 'at'>): Promise<void>
}

export function createHistories(context: Context): Histories {
  const { client, table, clock } = context
  let notes = 0

  const itemOf = async (partition: Uint8Array, options: StepOptions): Promise<Item | undefined> =>
    (await client.getItem({ TableName: table, Key: keyOfRecord(partition), ConsistentRead: true }, options)).Item

  async function readWith(partition: Uint8Array, options: StepOptions): Promise<readonly HistoryEvent[]> {
    const item = await itemOf(partition, options)
    if (item === undefined) return []
    const id = numberOf(item['i'])
    const lines: string[] = []
    for (const reference of movedIn(item)) {
      const bytes = await getPieces(context, partition, reference, options)
      // Gone with its record, a moment ago.
      if (bytes === undefined) return []
      lines.push(...Buffer.from(bytes).toString().split('\n'))
    }
    for (const line of item['e']?.L ?? []) lines.push(line.S ?? '')
    const made = (await noteItems(context, partition, id, options)).map((one) => JSON.parse(one['j']?.S ?? '') as Note)
    // A record's revisions begin at its number and grow by one with each event.
    return lines.flatMap((line, n) => {
      const revision = id + n
      const last = n === lines.length - 1
      const after = made.filter((note) => note.revision === revision || (last && note.revision > revision))
      return [JSON.parse(line) as HistoryEvent, ...after.map((note) => note.event)]
    })
  }

  return {
    read: (key, tenant) => context.step('read the history', (options) => readWith(partitionOf(key, tenant), options)),
    note: (key, tenant, event) =>
      context.step('note an event', async (options) => {
        const partition = partitionOf(key, tenant)
        const item = await itemOf(partition, options)
        if (item === undefined) return
        const at = clock.now()
        const note: Note = { event: { ...event, at }, revision: numberOf(item['v']) }
        const order = `${String(at).padStart(16, '0')}#${String((notes += 1)).padStart(9, '0')}#${crypto.randomUUID()}`
        await client.putItem(
          {
            TableName: table,
            Item: {
              p: { B: partition },
              s: text(notesOf(numberOf(item['i'])) + order),
              j: text(JSON.stringify(note)),
            },
          },
          options,
        )
      }),
  }
}
