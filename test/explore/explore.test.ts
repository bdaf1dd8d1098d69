import { describe, expect, it } from 'vitest'
import { exploreMutant, walkMutant } from './mutant-check.ts'
import { MUTANTS } from './mutants.ts'
import { explore } from './search.ts'
import { SETUPS } from './setup.ts'
import { spin, SPIN_MODELS, spinMissing } from './spin.ts'
import { walkMany } from './walk.ts'

/** A bounded run; `npm run explore` goes on to every state. */
const LIMIT = 60_000
const SHOWN = 200_000
/** Needs a fence to come round again after deletion; breadth-first search and Spin find it, walks hardly ever do. */
const TOO_RARE_FOR_WALKS = ['no nonce check', 'spool replays a failure']

/** A question, its answer by whichever worker, and a later round that ends. */
const ROUNDS = ['T19 executing>awaiting-input', 'T19 awaiting-input>executing', 'T8 awaiting-input>in-doubt']
/** A claim, its takeover, marker and outcome inside of the transaction, the claim that an undone one leaves. */
const TRANSACTION = ['T1 absent>claimed', 'T2 claimed>executing', 'T3 claimed>released', 'T4 claimed>claimed', 'T5 executing>committed'] // prettier-ignore

describe('exploring the production state machine', () => {
  for (const setup of SETUPS) {
    it(`finds no violation and no dead end for ${setup.name}`, { timeout: 30_000 }, () => {
      expect(explore(setup, { limit: LIMIT }).violation).toBeUndefined()
    })
    it(`walks ${setup.name} at random without a violation`, { timeout: 30_000 }, () => {
      expect(walkMany(setup, 1_000).violation).toBeUndefined()
    })
  }

  it(
    'explores every state of a class that fits, and takes every transition of the protocol',
    { timeout: 60_000 },
    () => {
      const taken = new Set<string>()
      for (const setup of SETUPS) {
        const found = explore({ ...setup, workers: 2, orphans: 1 }, { limit: LIMIT })
        if (setup.rounds && setup.recovery !== 'composite' && setup.recovery !== 'transactional')
          expect(found.transitions).toEqual(expect.arrayContaining(ROUNDS))
        if (setup.recovery === 'transactional') expect(found.transitions).toEqual(expect.arrayContaining(TRANSACTION))
        for (const transition of found.transitions) taken.add(transition.split(' ', 1)[0] as string)
        if (setup.recovery === 'manual' && !setup.amnesia) expect(found.complete).toBe(true)
      }
      const rows = Array.from({ length: 22 }, (_, row) => `T${row}`)
      expect([...rows, "T1'"].filter((row) => !taken.has(row))).toEqual([])
    },
  )
})

describe('protocol mutants', () => {
  it('has at least twenty, each with its own name', () => {
    expect(MUTANTS.length).toBeGreaterThanOrEqual(20)
    expect(new Set(MUTANTS.map((mutant) => mutant.name)).size).toBe(MUTANTS.length)
  })

  for (const mutant of MUTANTS) {
    it(`catches "${mutant.name}" by exploration and by walks`, { timeout: 30_000 }, () => {
      expect(exploreMutant(mutant, SHOWN).caught).toBe(true)
      if (!TOO_RARE_FOR_WALKS.includes(mutant.name)) expect(walkMutant(mutant, 20_000).caught).toBe(true)
    })
  }
})

const missing = spinMissing()
if (missing !== undefined) process.stdout.write(`${missing}\n`)

describe.skipIf(missing !== undefined)('the independent Promela model', () => {
  it('agrees for the small classes', { timeout: 60_000 }, () => {
    const small = SPIN_MODELS.filter(({ name }) => name === 'manual' || name === 'transactional')
    expect(small.map(({ defines }) => spin(defines).errors)).toEqual([0, 0])
  })

  it('is not blind: a broken variant is caught', { timeout: 60_000 }, () => {
    expect(spin(['PROBE', 'MUT_PROBE_AT_ONCE']).errors).toBeGreaterThan(0)
  })
})
