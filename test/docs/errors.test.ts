import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { ERROR_CODES } from '../../src/error/index.ts'

const page = readFileSync(fileURLToPath(new URL('../../docs/reference/errors.md', import.meta.url)), 'utf8')
const entries = page.split(/^## /m).slice(1)
const title = (entry: string): string => (entry.split('\n')[0] ?? '').replaceAll('`', '')

describe('docs/reference/errors.md', () => {
  it('has an entry for each code, in the order of the list, and none for a code that is gone', () => {
    expect(entries.map(title)).toEqual([...ERROR_CODES])
  })

  it.each(entries.map((entry) => [title(entry), entry]))(
    '%s says what it means, what became of the effect, what to do',
    (_code, entry) => {
      for (const part of ['Means.', 'Effect.', 'Do.']) expect(entry).toMatch(new RegExp(`\\*\\*${part}\\*\\* \\S`))
      expect(entry).toMatch(/\*\*Effect\.\*\* `(done|none|unknown)`/)
    },
  )
})
