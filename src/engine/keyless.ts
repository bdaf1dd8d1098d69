import type { LiveAttempt } from './attempt.ts'
import { alarm, type Core } from './core.ts'

/**
 * Whether the tool, which declares that the downstream honours our key, has asked for nothing that could carry one: no
 * send of ours, no key, no leave to send, no part of its own. What it sent by other means went without, so a re-send
 * would not be "under the same downstream key" (T13), and a second effect.
 */
export const isKeyless = ({ op, asked, frame }: LiveAttempt): boolean =>
  op.contract.recovery.class === 'keyed' &&
  op.contract.callerKey === 'ignored' &&
  !asked &&
  (frame?.nextChild ?? 0) === 0

const told = new WeakMap<Core, Set<string>>()

/** Says once for a tool what its first lost answer would show: nothing but a person could settle it. */
export function tellKeyless(core: Core, attempt: LiveAttempt): void {
  if (!isKeyless(attempt)) return
  const names = told.get(core) ?? new Set<string>()
  told.set(core, names)
  const { name } = attempt.op.contract
  if (names.has(name)) return
  names.add(name)
  alarm(
    core,
    attempt.record,
    'it declares keyed() recovery and sent nothing under its key. Send by ctx.fetch (in a framework’s tool onefoldFetch()), or give the client ctx.downstreamKey(), else declare manual() or probe(): after a crash it would be sent again without a key.',
  )
}
