import { currentOperation, currentRun } from '../../engine/index.ts'
import { canonicalize, fingerprintText, operationKey } from '../../key/index.ts'
import { KEY_META } from '../proxy/call-message.ts'
import { RUN_META, SESSION_META } from '../proxy/call-meta.ts'

/** What is sent with a call, the same on every re-send. */
export interface CallKey {
  readonly meta: Readonly<Record<string, unknown>>
  /** To be told when the caller got an answer: the next equal call of the run is then new work. */
  delivered(): void
  /** Right before a send: throws CANCELLED when the operation that this call is part of may no longer send. */
  checkpoint(): void
}

export interface CallParams {
  readonly name: string
  readonly arguments?: Readonly<Record<string, unknown>> | undefined
  readonly _meta?: Readonly<Record<string, unknown>> | undefined
  readonly [name: string]: unknown
}

/** Answered equal calls by tool and arguments; of a run, by what it shares with the runs within it. */
const answeredCalls = new WeakMap<object, Map<string, number>>()

/**
 * The key of one logical call: the caller's own; else inside a protected operation that operation's key for this tool and
 * these arguments, so that a recovery sends the same; else inside a run one of run, tool, arguments and the number of
 * equal calls that were answered before, so that a retried run sends the same; else a fresh one.
 * @throws OnefoldError INPUT_INVALID for arguments without a canonical form, inside an operation or a run
 */
export function callKey(params: CallParams): CallKey {
  const run = currentRun()
  const within = {
    ...(run === undefined || run.unanchored ? {} : { [RUN_META]: run.id }),
    ...(run?.session === undefined ? {} : { [SESSION_META]: run.session }),
  }
  const keyed = (key: string | undefined, delivered = (): void => {}, checkpoint = (): void => {}): CallKey => ({
    meta: { ...within, ...params._meta, ...(key === undefined ? {} : { [KEY_META]: key }) },
    delivered,
    checkpoint,
  })
  if (params._meta?.[KEY_META] !== undefined || params['idempotencyKey'] !== undefined) return keyed(undefined)
  const operation = currentOperation()
  if (operation !== undefined && !operation.ended) {
    const { port } = operation
    let checkpoint = (): void => {
      port.beforeUnseen()
      // Every further send carries the same key: for the operation it is the same one.
      checkpoint = () => port.checkpoint()
    }
    const about = `${params.name}:${fingerprintText(canonicalize(params.arguments ?? {}))}`
    return keyed(port.downstreamKey('mcp', about), undefined, () => checkpoint())
  }
  if (run === undefined) return keyed(crypto.randomUUID())
  const counts = answeredCalls.get(run.sequences) ?? new Map<string, number>()
  answeredCalls.set(run.sequences, counts)
  const keyOf = (occurrence: number): string =>
    operationKey({
      contract: `mcp:${params.name}`,
      tenant: run.tenant,
      scope: 'run',
      scopeId: run.id,
      identity: params.arguments ?? {},
      occurrence,
    })
  const first = keyOf(1)
  const answered = counts.get(first) ?? 0
  return keyed(answered === 0 ? first : keyOf(answered + 1), () => void counts.set(first, answered + 1))
}
