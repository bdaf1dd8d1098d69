import type { Row } from '../explore/rows.ts'
import type { FuzzResult } from './fuzz.ts'

const count = (n: number): string => Math.round(n).toLocaleString('en')

/** One target: how far the search came, and what it found. */
export function rowOf(name: string, result: FuzzResult): Row {
  const { runs, ms, blocks, corpus, findings, slowestMs } = result
  return {
    name: `fuzz ${name}`,
    value: `${findings.length} findings, ${count(runs)} inputs, ${count((runs / ms) * 1_000)} a second, ${blocks.run} of ${blocks.known} blocks, ${corpus.length} kept, slowest ${slowestMs.toFixed(1)} ms`,
    target: '0 findings, 50 ms',
    ok: findings.length === 0,
    // As base64: what a terminal shows of the bytes is not what they are.
    details: findings.map(
      ({ what, input }) => `${what.slice(0, 300)}; input ${Buffer.from(input).toString('base64').slice(0, 600)}`,
    ),
  }
}

/** Shows that the search is not blind. */
export function plantedRow(result: FuzzResult): Row {
  const found = result.findings.length > 0
  return {
    name: 'planted bug, five bytes deep',
    value: found ? `found after ${count(result.runs)} inputs` : `not found in ${count(result.runs)} inputs`,
    target: 'found',
    ok: found,
  }
}
