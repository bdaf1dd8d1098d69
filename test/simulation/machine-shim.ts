import { decide as production } from '../../src/engine/machine.ts'

/** Stands in for src/engine/machine.ts in a process that runs mutants (see mutant-worker.ts). */
let current = production

/** Changes the state machine of the whole process. */
export function changeMachine(change: ((inner: typeof production) => typeof production) | undefined): void {
  current = change === undefined ? production : change(production)
}

export const decide: typeof production = (key, record, command, now) => current(key, record, command, now)
