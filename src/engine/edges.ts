import type { State } from './record.ts'

/** A row of protocol.md section 4. `T0` is ours: under the amnesia mark, absent, or a record from before it that would let a caller act, becomes a doubt. */
export type Transition =
  | 'T0'
  | 'T1'
  | "T1'"
  | 'T2'
  | 'T3'
  | 'T4'
  | 'T5'
  | 'T6'
  | 'T7'
  | 'T8'
  | 'T9'
  | 'T10'
  | 'T11'
  | 'T12'
  | 'T13'
  | 'T14'
  | 'T15'
  | 'T16'
  | 'T17'
  | 'T18'
  | 'T19'
  | 'T20'
  | 'T21'
  | 'superseded'
  | 'heartbeat'
  | 'evidence'
  | 'adopted'
  | 'delivered'

type From = State | 'absent'
type To = State | 'deleted'

const OPEN_BEFORE_EVIDENCE: readonly From[] = [
  'claimed',
  'executing',
  'awaiting-input',
  'accepted',
  'in-doubt',
  'recovering',
  'released',
  'rejected',
  'abandoned',
]

const edges = (froms: readonly From[], tos: readonly To[]): readonly string[] =>
  froms.flatMap((from) => tos.map((to) => `${from}>${to}`))

/** Every legal edge, by the transition that takes it. */
const EDGES: Readonly<Record<Transition, ReadonlySet<string>>> = {
  T0: new Set(edges(['absent', 'claimed', 'released', 'rejected'], ['in-doubt'])),
  T1: new Set(edges(['absent'], ['claimed'])),
  "T1'": new Set(edges(['absent', 'released', 'rejected'], ['executing'])),
  T2: new Set(edges(['claimed'], ['executing'])),
  T3: new Set(edges(['claimed'], ['released'])),
  T4: new Set(edges(['claimed'], ['claimed'])),
  T5: new Set(edges(['executing', 'awaiting-input'], ['committed'])),
  T6: new Set(edges(['executing'], ['rejected'])),
  T7: new Set(edges(['executing'], ['released'])),
  T8: new Set(edges(['executing', 'awaiting-input'], ['in-doubt'])),
  T9: new Set(edges(['in-doubt'], ['committed', 'rejected', 'released'])),
  T10: new Set(edges(['in-doubt'], ['recovering'])),
  T11: new Set(edges(['recovering'], ['committed'])),
  T12: new Set(edges(['recovering'], ['released'])),
  T13: new Set(edges(['recovering'], ['executing'])),
  T14: new Set(edges(['recovering'], ['in-doubt'])),
  T15: new Set(edges(OPEN_BEFORE_EVIDENCE, ['committed'])),
  T16: new Set(edges(['in-doubt'], ['committed', 'released', 'abandoned'])),
  T17: new Set([
    ...edges(['committed', 'compensated', 'abandoned'], ['expired']),
    ...edges(['released', 'rejected'], ['deleted']),
  ]),
  T18: new Set(edges(['released', 'rejected'], ['claimed'])),
  T19: new Set([...edges(['executing'], ['awaiting-input']), ...edges(['awaiting-input'], ['executing'])]),
  T20: new Set([...edges(['executing'], ['accepted']), ...edges(['accepted'], ['accepted', 'committed', 'in-doubt'])]),
  T21: new Set([...edges(['committed'], ['compensating']), ...edges(['compensating'], ['compensated'])]),
  superseded: new Set([
    ...edges(['absent', 'released', 'rejected', 'superseded'], ['superseded']),
    ...edges(['superseded'], ['released']),
  ]),
  heartbeat: new Set(
    ['claimed', 'executing', 'recovering', 'accepted', 'awaiting-input', 'compensating'].map((s) => `${s}>${s}`),
  ),
  evidence: new Set(['in-doubt', 'rejected', 'expired'].map((s) => `${s}>${s}`)),
  adopted: new Set(['executing>executing']),
  delivered: new Set(
    ['committed', 'rejected', 'released', 'in-doubt', 'abandoned', 'compensated'].map((s) => `${s}>${s}`),
  ),
}

/** Thrown when the state machine itself is wrong: better to stop than to go on. Never expected by a caller. */
export class InvariantViolation extends Error {
  override readonly name = 'InvariantViolation'
}

/** @throws InvariantViolation when the edge is none of protocol.md's. Stays on in production. */
export function assertEdge(transition: Transition, from: From, to: To): void {
  if (!EDGES[transition].has(`${from}>${to}`)) {
    throw new InvariantViolation(`${transition} does not lead from ${from} to ${to}`)
  }
}

/** @throws InvariantViolation with `message` unless `holds`. */
export function assertInvariant(holds: boolean, message: string): asserts holds {
  if (!holds) throw new InvariantViolation(message)
}
