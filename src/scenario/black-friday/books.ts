/** What the inventory database holds at the end of a day. */
export interface Day {
  /** Effects by kind. */
  readonly effects: Readonly<Record<string, number>>
  /** Effects that stand more than once for one order (a status: more than once for one order and status). */
  readonly duplicates: number
  /** Orders with anything twice, missing, or cycled. */
  readonly corrupted: number
  /** Stock-keeping units below zero. */
  readonly negativeStock: number
  /** Orders whose status was set more often than PENDING, then CONFIRMED. */
  readonly cycles: number
  readonly mails: number
  readonly cents: number
  /** Everything, in one text: two days are the same when this is. */
  readonly state: string
}

type Query = <Row>(sql: string) => Promise<readonly Row[]>

const PER_ORDER = `SELECT "order", count(*) AS n, count(DISTINCT kind || coalesce(status, '')) AS distinct_n,
  sum(kind = 'status') AS statuses FROM effects GROUP BY "order"`

/** Reads the end state. `wanted` is the number of effects that one order needs. */
export async function readDay(query: Query, wanted: number): Promise<Day> {
  const kinds = await query<{ kind: string; n: number }>(
    'SELECT kind, count(*) AS n FROM effects GROUP BY kind ORDER BY kind',
  )
  const [orders] = await query<{ duplicates: number; corrupted: number; cycles: number }>(
    `SELECT sum(n - distinct_n) AS duplicates, sum(n <> ${wanted} OR distinct_n <> ${wanted}) AS corrupted,
       sum(statuses > 2) AS cycles FROM (${PER_ORDER})`,
  )
  const stock = await query<{ sku: string; free: number }>('SELECT sku, free FROM stock ORDER BY sku')
  const [sums] = await query<{ mails: number; cents: number }>(
    `SELECT sum(kind = 'mail') AS mails, coalesce(sum(cents), 0) AS cents FROM effects`,
  )
  const each = await query<{ text: string }>(
    `SELECT "order" || kind || coalesce(sku, '') || coalesce(quantity, '') || coalesce(cents, '') || coalesce(status, '') AS text
     FROM effects ORDER BY text`,
  )
  return {
    effects: Object.fromEntries(kinds.map(({ kind, n }) => [kind, n])),
    duplicates: orders?.duplicates ?? 0,
    corrupted: orders?.corrupted ?? 0,
    negativeStock: stock.filter(({ free }) => free < 0).length,
    cycles: orders?.cycles ?? 0,
    mails: sums?.mails ?? 0,
    cents: sums?.cents ?? 0,
    state: JSON.stringify([stock, each.map(({ text }) => text)]),
  }
}
