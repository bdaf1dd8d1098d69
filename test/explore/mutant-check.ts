import { decide as production } from '../../src/engine/machine.ts'
import type { Mutant } from './mutants.ts'
import { explore } from './search.ts'
import { small } from './setup.ts'
import { spin, spinMissing } from './spin.ts'
import { walkMany } from './walk.ts'

/** One layer's verdict on one mutant. */
export interface Verdict {
  /** Undefined when the layer cannot run here. */
  readonly caught: boolean | undefined
  /** The invariant that broke, in the layer's words. */
  readonly what: string
}

export interface MutantVerdicts {
  readonly mutant: Mutant
  readonly explore: Verdict
  readonly walk: Verdict
  readonly spin: Verdict
  readonly layers: number
}

const MISSED: Verdict = { caught: false, what: '-' }
const verdict = (what: string | undefined): Verdict => (what === undefined ? MISSED : { caught: true, what })

/** Breadth-first over the state machine with the fault in it. */
export function exploreMutant(mutant: Mutant, limit: number): Verdict {
  const { decide, faults = {}, ignore = [] } = mutant
  const found = explore(small(mutant.setup), { limit, faults, ignore, decide: decide?.(production) ?? production })
  return verdict(found.violation?.what)
}

/** Random walks over real records with the fault in them. */
export const walkMutant = (mutant: Mutant, walks: number): Verdict =>
  verdict(walkMany(small(mutant.setup), walks, mutant).violation?.what)

/** The independent model with the same fault written into it. */
export function spinMutant(mutant: Mutant): Verdict {
  if (mutant.spin === undefined) return MISSED
  if (spinMissing() !== undefined) return { caught: undefined, what: 'not run' }
  const lost = mutant.setup.endsWith('records lost') ? ['LOSS'] : []
  const { errors } = spin([mutant.spin.class, ...lost, `MUT_${mutant.spin.mutation}`])
  return errors > 0 ? { caught: true, what: 'safe' } : MISSED
}

/** Runs every layer on one mutant. */
export function checkMutant(
  mutant: Mutant,
  options: { readonly states: number; readonly walks: number },
): MutantVerdicts {
  const verdicts = {
    explore: exploreMutant(mutant, options.states),
    walk: walkMutant(mutant, options.walks),
    spin: spinMutant(mutant),
  }
  const layers = Object.values(verdicts).filter(({ caught }) => caught === true).length
  return { mutant, ...verdicts, layers }
}
