import { afterEach, expect, it } from 'vitest'
import { attemptReport, clearAttempts, count } from './attempt-book.ts'
import { createLines } from './lines.ts'

afterEach(clearAttempts)

const attempt = (tool: string, call = {}, request = createLines().begin('POST /a', '', undefined)) => ({
  tool,
  host: 'h',
  client: 'c',
  call,
  request,
  refused: false,
  keyless: false,
})

it('counts calls, requests and attempts apart', () => {
  const lines = createLines()
  const [first, second] = [lines.begin('POST /a', '', 'A'), lines.begin('POST /a', '', 'B')]
  const call = {}
  for (const of of [first, first, first, second]) count(attempt('t', call, of))
  count({ ...attempt('t', {}, first), refused: true, keyless: true })
  const [row] = attemptReport().rows
  expect(row).toMatchObject({ calls: 2, requests: 2, attempts: 4, refused: 1, keyless: 0, amplification: 2 })
})

it('keeps a bounded number of rows, and loses no count', () => {
  for (let n = 0; n < 1_200; n += 1) count(attempt(`tool-${n}`))
  const { rows, attempts } = attemptReport()
  expect([rows.length, attempts]).toEqual([1_001, 1_200])
  expect(rows.find(({ tool }) => tool === '(others)')?.attempts).toBe(200)
})
