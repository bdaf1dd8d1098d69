import { expect, it } from 'vitest'
import { fullPage } from './full-page.ts'
import type { OperationRecord } from './record.ts'
import type { ListQuery } from './store.ts'
import { unknownState } from './unreadable.ts'

const NAMES = ['a', 'b', 'c', 'd', 'e']

/** Answers with at most one record, every second time with none. */
function searching(): { readonly asked: ListQuery[]; list: Parameters<typeof fullPage>[0] } {
  const asked: ListQuery[] = []
  return {
    asked,
    list: async (query) => {
      asked.push(query)
      const at = Number(query.after ?? 0)
      const found = at % 2 === 1 ? NAMES.slice((at - 1) / 2, (at + 1) / 2) : []
      const records = found.map((key) => ({ key }) as OperationRecord)
      return { records, next: at === 2 * NAMES.length - 1 ? undefined : String(at + 1), now: at }
    },
  }
}

const keysOf = ({ records }: { readonly records: readonly OperationRecord[] }): string =>
  records.map(({ key }) => key).join('')

it('asks until the page is full', async () => {
  const { asked, list } = searching()
  const page = await fullPage(list, { tenant: 't', limit: 2 })
  expect([keysOf(page), page.next, page.now]).toEqual(['ab', '4', 3])
  expect(asked.at(-1)).toEqual({ tenant: 't', limit: 1, after: '3' })
  const rest = await fullPage(list, { tenant: 't', after: '4' })
  expect([keysOf(rest), rest.next]).toEqual(['cde', undefined])
})

it('asks for no more at once than a backend reads in its time', async () => {
  const limits: (number | undefined)[] = []
  const page = await fullPage(
    async ({ limit = 0, after = '0' }) => {
      limits.push(limit)
      const records = Array.from({ length: limit }, () => ({ key: 'k' }) as OperationRecord)
      return { records, next: String(Number(after) + limit), now: 0 }
    },
    { tenant: 't', limit: 2_500 },
  )
  expect([limits, page.records.length, page.next]).toEqual([[1_000, 1_000, 500], 2_500, '2500'])
})

it('names what all of its parts leave out', async () => {
  const { list } = searching()
  const one = unknownState('of1_x', 'frozen')
  const page = await fullPage(async (query) => ({ ...(await list(query)), unreadable: [one] }), {
    tenant: 't',
    limit: 1,
  })
  expect([keysOf(page), page.unreadable]).toEqual(['a', [one, one]])
  expect(await fullPage(list, { tenant: 't', limit: 1 })).not.toHaveProperty('unreadable')
})
