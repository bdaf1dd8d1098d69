import type { Life } from './processes.ts'
import type { Cell } from './plan.ts'
import type { Line, Work } from './task.ts'

/** An effect as the downstream program recorded it. */
export interface Effect {
  readonly id: string
  readonly run: string | undefined
}

/** What happened to one operation, from every side. */
export interface Facts {
  readonly work: Work
  readonly cell: Cell
  /** Every process that worked on it, the settling one last. */
  readonly lives: readonly Life[]
  /** By part. */
  readonly effects: readonly (readonly Effect[])[]
}

export type Fault = 'duplicate' | 'lost' | 'wrong answer'

/** How one operation ended, and what of it breaks the promise. */
export interface Verdict {
  readonly faults: readonly (readonly [kind: Fault, what: string])[]
  /** The state at the end; `absent` where nobody got as far as a claim. */
  readonly state: string
  /** In doubt, listed, for a person. */
  readonly doubt: boolean
  /** In doubt although nothing had happened: the price of not knowing. */
  readonly falseDoubt: boolean
}

const SETTLED_WITHOUT_EFFECT = ['released', 'rejected', 'absent']

/** Judges one operation by what the downstream program counted. */
export function judge({ work, cell, lives, effects }: Facts): Verdict {
  const faults: (readonly [Fault, string])[] = []
  const of = <T extends Line['type']>(life: Life, type: T): Extract<Line, { type: T; ref: string }>[] =>
    life.lines.filter((line) => line.type === type && 'ref' in line && line.ref === work.ref) as never
  const told = lives.flatMap((life) => of(life, 'told'))
  const calls = lives.flatMap((life) => of(life, 'call')).length
  const final = lives.flatMap((life) => of(life, 'final')).at(-1)
  const state = final?.state ?? 'unseen'
  const happened = effects.every((part) => part.length === 1)
  const answers = new Set(told.flatMap((line) => (line.told === 'success' ? [line.answer] : [])))

  if (effects.some((part) => part.length > 1))
    faults.push(['duplicate', `${effects.map((part) => part.length).join('+')} effects`])
  if (answers.size > 0 && !happened) faults.push(['lost', 'a caller was told success, and nothing happened'])
  if (answers.size > 1) faults.push(['wrong answer', `callers were told ${[...answers].join(' and ')}`])
  const expected = JSON.stringify({ id: effects.map((part) => part[0]?.id).join('+'), ref: work.ref })
  for (const answer of answers) {
    if (happened && answer !== expected) faults.push(['wrong answer', `told ${answer}, but it is ${expected}`])
  }
  for (const line of told) {
    if (line.told === 'broken') faults.push(['wrong answer', `a caller was told ${line.code}`])
    if (line.told === 'none' && work.kind !== 'composite' && effects.flat().some(({ run }) => run === line.run)) {
      faults.push(['wrong answer', `told "nothing happened" (${line.code}), and it was that very call that acted`])
    }
  }
  const alwaysNone = calls > 0 && told.length === calls && told.every((line) => line.told === 'none')
  if (alwaysNone && effects.flat().length > 0) faults.push(['wrong answer', 'every caller was told "nothing happened"'])

  const mayBeInDoubt = work.kind === 'manual'
  if (state === 'committed' && !happened) faults.push(['lost', 'committed without an effect'])
  if (SETTLED_WITHOUT_EFFECT.includes(state) && work.kind !== 'composite' && effects.flat().length > 0) {
    faults.push(['lost', `${state}, but it happened`])
  }
  const doubt = state === 'in-doubt' && final?.listed === true
  if (state !== 'committed' && !SETTLED_WITHOUT_EFFECT.includes(state) && !(mayBeInDoubt && doubt)) {
    faults.push(['lost', `left ${state}${mayBeInDoubt ? ', not listed' : ''}`])
  }
  const refused = state === 'rejected' && cell.faults.get(work.ref)?.includes('refuse') === true
  if (cell.calledAgain && state !== 'committed' && !refused && !(mayBeInDoubt && doubt)) {
    faults.push([
      'lost',
      `called again at the end, and still ${state}; told ${told.map((line) => line.code ?? line.told).join(', ')}`,
    ])
  }
  const spooled = lives.some((life) => of(life, 'spooled').length > 0)
  if (spooled && state !== 'committed') faults.push(['lost', `its answer was in the spool, and it is ${state}`])
  return { faults, state, doubt, falseDoubt: doubt && effects.flat().length === 0 }
}
