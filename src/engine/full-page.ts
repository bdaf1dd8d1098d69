import type { ListPage, ListQuery } from './store.ts'
import { leftOut } from './unreadable.ts'

const DEFAULT_LIMIT = 100

/** As many as any backend reads well within the deadline that each request has. */
const MOST_AT_ONCE = 1_000

/** A page as `query` asks for it, from a backend that has to search and answers with what it has found in time. */
export async function fullPage(list: (query: ListQuery) => Promise<ListPage>, query: ListQuery): Promise<ListPage> {
  const { limit = DEFAULT_LIMIT } = query
  let page = await list({ ...query, limit: Math.min(limit, MOST_AT_ONCE) })
  const records = [...page.records]
  const unreadable = [...(page.unreadable ?? [])]
  while (page.next !== undefined && records.length < limit) {
    page = await list({ ...query, limit: Math.min(limit - records.length, MOST_AT_ONCE), after: page.next })
    records.push(...page.records)
    unreadable.push(...(page.unreadable ?? []))
  }
  return { ...page, records, ...leftOut(unreadable) }
}
