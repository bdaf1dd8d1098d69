import type { Moments, OperationRecord, Stamped } from '../../engine/index.ts'

/**
 * What time and sequence make of a draft's moments: the engine's `momentsOf`, held equal to it by a test. A copy, so that
 * the worker does not have to load the engine to start.
 */
export function momentsInWorker(
  draft: Moments,
  current: Pick<OperationRecord, 'revision' | 'leaseUntil'> | undefined,
  now: number,
  sequence: number,
): Stamped {
  const { leaseMs } = draft
  return {
    fence: draft.fence === 0 ? sequence : draft.fence,
    revision: current === undefined ? sequence : current.revision + 1,
    leaseUntil: leaseMs === undefined ? (current?.leaseUntil ?? 0) : leaseMs === 0 ? 0 : now + leaseMs,
    firstSendAt: draft.firstSendAt === 'now' ? now : draft.firstSendAt,
    doubtAt: draft.doubtAt === 'now' ? now : draft.doubtAt,
    createdAt: draft.createdAt === 'now' ? now : draft.createdAt,
    updatedAt: now,
  }
}
