import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Failure } from './batch.ts'
import { MUTANTS } from './mutants.ts'

/** Schedules that a mutant may survive before it counts as missed. */
const PATIENCE = 40_000

/** What became of one mutant. */
export interface Verdict {
  readonly name: string
  readonly schedules: number
  readonly failure: Failure | undefined
}

/** Runs every mutant, each until it is caught. */
export function judgeMutants(onVerdict: (verdict: Verdict) => void, patience = PATIENCE): Promise<void> {
  return new Promise((resolve, reject) => {
    const left = MUTANTS.filter(({ hidden }) => hidden === undefined).map(({ name }) => name)
    const child = fork(fileURLToPath(new URL('mutant-worker.ts', import.meta.url)), {
      execArgv: ['-C', 'onefold-source'],
      env: { ...process.env, NODE_OPTIONS: '' },
    })
    const next = (): void => {
      const name = left.shift()
      if (name === undefined) child.disconnect()
      else child.send({ name, count: patience })
    }
    child.on('message', (verdict: Verdict) => {
      onVerdict(verdict)
      next()
    })
    child.on('error', reject)
    child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`the mutants' worker ended with ${code}`))))
    next()
  })
}

/** Prints the table; true when every mutant was caught. */
export async function runMutants(json: boolean): Promise<boolean> {
  const verdicts: Verdict[] = []
  await judgeMutants((verdict) => {
    verdicts.push(verdict)
    if (json) return
    const { name, schedules, failure } = verdict
    const how = failure === undefined ? 'short' : `ok     ${failure.message.slice(0, 70)}`
    console.log(`${name.padEnd(36)}  ${String(schedules).padStart(6)}  ${how}`)
  })
  if (!json)
    for (const { name, hidden } of MUTANTS)
      if (hidden !== undefined) console.log(`${name.padEnd(36)}       -  hidden ${hidden}`)
  const caught = verdicts.filter(({ failure }) => failure !== undefined).length
  if (json) console.log(JSON.stringify({ caught, of: verdicts.length, verdicts }, null, 2))
  else console.log(`${caught} of ${verdicts.length} mutants caught`)
  return caught === verdicts.length
}
