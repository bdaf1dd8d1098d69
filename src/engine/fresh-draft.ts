import type { Claim } from './commands.ts'
import type { Draft, State } from './record.ts'

/** The first draft of an operation, or of its new attempt: everything that an earlier one left is gone. */
export function freshDraft(
  key: string,
  from: Pick<Claim, 'descriptor' | 'nonce' | 'who' | 'leaseMs'> & { readonly input: string | undefined },
  state: State,
): Draft {
  return {
    ...from.descriptor,
    key,
    state,
    fence: 0,
    nonce: from.nonce,
    writeId: '',
    owner: from.who,
    generation: 0,
    attempts: state === 'executing' ? 1 : 0,
    recoveries: 0,
    openSends: state === 'executing' ? 1 : 0,
    leaseMs: state === 'in-doubt' ? 0 : from.leaseMs,
    firstSendAt: state === 'executing' ? 'now' : 0,
    doubtAt: state === 'in-doubt' ? 'now' : 0,
    createdAt: 'now',
    input: from.input,
    outcome: undefined,
    error: undefined,
    reason: state === 'in-doubt' ? 'amnesia' : undefined,
    evidence: [],
    round: 0,
    children: [],
    delivered: false,
    closedBy: undefined,
  }
}
