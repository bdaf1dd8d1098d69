import { registerHooks } from 'node:module'
import type { Batch } from './batch.ts'

// The journal gets its state machine through the shim, so that a mutant can change it without touching production.
registerHooks({
  resolve: (specifier, context, next) => {
    const isMachine = specifier === './machine.ts' && context.parentURL?.endsWith('/src/engine/journal.ts') === true
    return isMachine ? next(new URL('machine-shim.ts', import.meta.url).href, context) : next(specifier, context)
  },
})

const { runBatch } = await import('./batch.ts')
const { changeMachine } = await import('./machine-shim.ts')
const { MUTANTS } = await import('./mutants.ts')

/** Runs one mutant until it breaks a promise that holds without it, or until its schedules are over. */
async function judge(
  name: string,
  count: number,
): Promise<{ schedules: number; failure: Batch['failures'][number] | undefined }> {
  const mutant = MUTANTS.find((known) => known.name === name)
  if (mutant === undefined) throw new Error(`there is no mutant ${name}`)
  const { kind, plan, mutation } = mutant
  for (let from = 1; from <= count;) {
    changeMachine(mutation.decide)
    const batch = await runBatch({ from, count: count - from + 1, kind, plan, mutation, untilFailure: true })
    from += batch.schedules
    const [failure] = batch.failures
    if (failure === undefined) break
    changeMachine(undefined)
    const sound = await runBatch({ from: failure.seed, count: 1, kind, plan })
    if (sound.failures.length === 0) return { schedules: failure.seed, failure }
  }
  return { schedules: count, failure: undefined }
}

process.on('message', ({ name, count }: { readonly name: string; readonly count: number }) => {
  void judge(name, count).then(
    (verdict) => process.send?.({ name, ...verdict }),
    (error: unknown) => {
      process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
      process.exit(1)
    },
  )
})
