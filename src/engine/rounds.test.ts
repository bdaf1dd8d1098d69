import { describe, expect, it } from 'vitest'
import { recordIn } from '../../test/explore/machine-fixture.ts'
import { wasSent } from './record.ts'
import { createQuestions } from './rounds.ts'

const evidence = (...facts: string[]) => facts.map((what) => ({ at: 1, who: 'me', what }))

describe('whether a round was sent', () => {
  it('is known by its name; the first is what the named ones leave over, whatever else is known', () => {
    const asked = recordIn('awaiting-input', { round: 2, evidence: evidence('round x was sent', 'a webhook') })
    expect(['x', 'y', undefined].map((round) => wasSent(asked, round))).toEqual([true, false, true])
    const named = recordIn('awaiting-input', { round: 1, evidence: evidence('round x was sent', 'a webhook') })
    expect(wasSent(named, undefined)).toBe(false)
    expect(wasSent(recordIn('awaiting-input', { round: 1 }), undefined)).toBe(true)
  })
})

describe('questions', () => {
  const asker = (key: string, fence = 1) => recordIn('awaiting-input', { key, fence })

  it('are known of a thousand operations, of which the one that was asked longest ago goes first', () => {
    const questions = createQuestions()
    for (let n = 0; n < 1_000; n += 1) questions.ask(asker(`k${n}`), undefined, n)
    expect(questions.of(asker('k0'), undefined)).toBe(0)
    questions.ask(asker('k0'), 'x', 'again')
    questions.ask(asker('k1000'), undefined, 1_000)
    expect(questions.of(asker('k0'), undefined)).toBe(0)
    expect(questions.of(asker('k0'), 'x')).toBe('again')
    expect(questions.of(asker('k1'), undefined)).toBeUndefined()
    expect(questions.of(asker('k2'), undefined)).toBe(2)
  })

  it('are of one attempt', () => {
    const questions = createQuestions()
    questions.ask(asker('k'), undefined, 'old')
    questions.ask(asker('k', 2), 'x', 'new')
    expect(questions.of(asker('k', 2), undefined)).toBeUndefined()
    expect(questions.of(asker('k', 2), 'x')).toBe('new')
    expect(questions.of(asker('k'), undefined)).toBeUndefined()
  })
})
