import { describe, expect, it } from 'vitest'
import { fuzz } from './fuzz.ts'
import { runTarget } from './run.ts'
import type { Target } from './target.ts'
import { PLANTED, TARGETS } from './targets.ts'

/** `npm run fuzz -- --seconds 600` is the long form; the seeds, with what was found before, run in any case. */
const MS = 350
const SEED = 20_251_122

describe('parsers that meet what strangers send', () => {
  it.each(TARGETS.map(({ name }) => name))(
    '%s: no crash, no other error than documented, under 50 ms',
    async (name) => {
      const { findings, runs, blocks } = await runTarget(name, MS, SEED)
      expect(findings.map(({ what, input }) => `${what}: ${Buffer.from(input).toString('base64')}`)).toEqual([])
      expect(runs).toBeGreaterThan(10)
      expect(blocks.run).toBeGreaterThan(5)
    },
    30_000,
  )
})

describe('the fuzzer', () => {
  it('finds a bug five bytes deep', { timeout: 60_000 }, async () => {
    const { findings } = await runTarget(PLANTED.name, 30_000, SEED)
    expect(findings.map(({ what }) => what)).toEqual(['TypeError: the planted bug'])
    expect(Buffer.from(findings[0]!.input).toString('latin1')).toBe('one{\xff')
  })

  const target = (run: Target['run']): Target => ({ name: 'own', covers: /nothing/, tokens: [], run })

  it('finds an input that takes too long, on this thread’s own time', () => {
    const spin = target(() => {
      const from = process.threadCpuUsage()
      while (process.threadCpuUsage(from).user < 70_000);
    })
    const { findings } = fuzz(spin, { seed: 1, ms: 10, seeds: [Buffer.from('a')], mostFindings: 1 })
    expect(findings[0]?.what).toMatch(/^took \d+ ms, more than 50 ms$/)
  })

  it('makes a finding as small as it can', () => {
    const picky = target((input) => {
      if (input.includes('needle')) throw new RangeError('found')
    })
    const { findings } = fuzz(picky, { seed: 1, ms: 10, seeds: [Buffer.from('much hay, a needle, more hay')] })
    expect(findings.map(({ input }) => input.toString())).toEqual(['needle'])
  })
})
