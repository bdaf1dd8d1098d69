import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { reportText, writeReport } from './report.ts'

const row = { tool: 'pay', host: 'api.stripe.com', client: 'stripe 23.1.0', calls: 1, refused: 0, keyless: 0 }
const report = {
  requests: 3,
  attempts: 10,
  refused: 2,
  keyless: 1,
  amplification: 3.33,
  rows: [
    { ...row, requests: 1, attempts: 8, refused: 2, keyless: 1, amplification: 8 },
    { ...row, tool: 'quiet', requests: 2, attempts: 2, amplification: 1 },
  ],
}

it('names who retries, and leaves out who does not', () => {
  expect(reportText(report)).toBe(
    'onefold: 3 requests were wanted, 10 were made (3.33 for each), 2 stopped before the first byte, 1 writes of tools carried no key\n' +
      '  pay  stripe 23.1.0 → api.stripe.com: 1 wanted, 8 made, 2 stopped, 1 without a key\n',
  )
})

it('is written to a file as data', () => {
  const folder = mkdtempSync(join(tmpdir(), 'onefold-report-'))
  const file = join(folder, 'attempts.json')
  writeReport(file, report)
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(report)
  rmSync(folder, { recursive: true })
})
