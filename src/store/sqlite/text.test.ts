import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromColumn, toColumn } from './text.ts'

const anyText = fc
  .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 20 })
  .map((units) => String.fromCharCode(...units))

describe('text columns', () => {
  it('are well-formed and give every text back', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          anyText,
          anyText.map((text) => `\u0001${text}`),
        ),
        (text) => {
          const column = toColumn(text)
          expect(column.isWellFormed()).toBe(true)
          expect(column).not.toContain('\0')
          expect(fromColumn(column)).toBe(text)
        },
      ),
    )
  })

  it('are the text itself where nothing stands against it', () => {
    expect(toColumn('a\r\n\u007fé👩')).toBe('a\r\n\u007fé👩')
  })
})
