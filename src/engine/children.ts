import { OnefoldError } from '../error/index.ts'
import type { Core } from './core.ts'
import type { Operation } from './operation.ts'
import type { OperationRecord } from './record.ts'
import type { OperationFrame } from './run.ts'

/**
 * Records, before the child is claimed, that it is the nth child of a composite operation. When the parent runs again,
 * its nth child must be the recorded one.
 * @throws OnefoldError DIVERGED
 */
export async function adoptChild(core: Core, parent: OperationFrame, op: Operation, ordinal: number): Promise<void> {
  const reading = await core.journal.read(parent.key, parent.tenant)
  const adopted = await core.journal.apply(parent.key, parent.tenant, reading, {
    type: 'adopt',
    fence: parent.fence(),
    nonce: parent.nonce(),
    who: core.processes.self,
    ordinal,
    child: op.key,
  })
  if (adopted.applied || adopted.refusal === 'already') return
  if (adopted.refusal === 'diverged') {
    const recorded = (adopted.record as OperationRecord).children[ordinal]
    // The same part, as it was named before a secret or an identity changed.
    if (op.older.some(({ key }) => key === recorded)) return
    throw new OnefoldError(
      'DIVERGED',
      `Part ${ordinal + 1} of ${parent.tool} differs from what was recorded when it ran before: now ${op.contract.name} with another identity. No effect started; make the order and the inputs of its parts depend on its own input alone.`,
      {
        effect: 'none',
        key: parent.key,
        details: { ordinal, recorded, wanted: op.key },
      },
    )
  }
  throw new OnefoldError(
    'CANCELLED',
    `${parent.tool} lost its claim, so its part ${op.contract.name} was not started. No effect started for this part.`,
    { effect: 'none', key: parent.key },
  )
}
