import { registerHooks } from 'node:module'

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

/** Runs one mutant until a promise is broken, or its schedules are over. */
process.on('message', ({ name, count }: { readonly name: string; readonly count: number }) => {
  const mutant = MUTANTS.find((known) => known.name === name)
  if (mutant === undefined) throw new Error(`there is no mutant ${name}`)
  changeMachine(mutant.mutation.decide)
  void runBatch({
    from: 1,
    count,
    kind: mutant.kind,
    plan: mutant.plan,
    mutation: mutant.mutation,
    untilFailure: true,
  }).then((batch) => process.send?.({ name, schedules: batch.schedules, failure: batch.failures[0] }))
})
