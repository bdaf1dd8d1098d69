import { AnsweredError, ticketOf } from '../../engine/index.ts'
import { ERROR_CODES, OnefoldError, type EffectKnowledge, type ErrorCode } from '../../error/index.ts'
import { ERROR, RECEIPT } from '../proxy/answers.ts'
import type { WireReceipt } from '../proxy/outcome-line.ts'

/** A result, as far as it is looked at. */
export interface SeenResult {
  readonly content?: readonly { readonly text?: string }[]
  readonly isError?: boolean
  readonly _meta?: Readonly<Record<string, unknown>>
}

/** What became of a call's operation, as the server or the proxy says beside its result; undefined where it says nothing. */
export function receiptOf(result: { readonly _meta?: unknown }): WireReceipt | undefined {
  const meta = result._meta as Readonly<Record<string, unknown>> | undefined
  return meta?.[RECEIPT] as WireReceipt | undefined
}

/** The typed error that a result stands for; undefined for one that is to be returned. */
export function errorOfResult(tool: string, result: SeenResult): OnefoldError | undefined {
  const told = errorOf(result._meta?.[ERROR], textOf(result))
  if (told !== undefined || result.isError !== true) return told
  const receipt = receiptOf(result)
  return receipt?.status === 'in-doubt'
    ? inDoubt(
        tool,
        'it answered an error, and may have acted before',
        new AnsweredError(textOf(result), result),
        receipt,
      )
    : undefined
}

/** The typed error that a JSON-RPC error stands for; undefined for one that is none of ours. */
export function errorOfThrown(error: unknown): OnefoldError | undefined {
  const { data, message } = (error ?? {}) as { readonly data?: unknown; readonly message?: unknown }
  const text = typeof message === 'string' ? message.replace(/^MCP error -?\d+: /, '') : ''
  return errorOf(data, text, error)
}

function errorOf(data: unknown, message: string, cause?: unknown): OnefoldError | undefined {
  if (typeof data !== 'object' || data === null) return undefined
  const { type, effect, retryable, retryAfterMs, key, ticket, ...details } = data as Record<string, unknown>
  if (!ERROR_CODES.includes(type as ErrorCode)) return undefined
  return new OnefoldError(type as ErrorCode, message, {
    effect: effect === 'done' || effect === 'none' ? effect : ('unknown' satisfies EffectKnowledge),
    retryable: retryable === true,
    ...(typeof retryAfterMs === 'number' ? { retryAfterMs } : {}),
    ...(typeof key === 'string' ? { key } : {}),
    ...(typeof ticket === 'string' ? { ticket } : {}),
    details,
    ...(cause === undefined ? {} : { cause }),
  })
}

/** What a caller is told whose answer was lost, or was an error after which nobody knows. */
export function inDoubt(tool: string, why: string, cause: unknown, about: Partial<WireReceipt> = {}): OnefoldError {
  const { key } = about
  const ticket = about.ticket ?? (key?.startsWith('of1_') === true ? ticketOf(key) : undefined)
  return new OnefoldError(
    'IN_DOUBT',
    `The outcome of ${tool} is unknown: ${why}. It may have happened. Do not call it again and do not change its arguments.${ticket === undefined ? ' Look at the downstream whether it did.' : ` Ticket ${ticket}.`}`,
    {
      effect: 'unknown',
      cause,
      ...(key === undefined ? {} : { key }),
      ...(ticket === undefined ? {} : { ticket }),
    },
  )
}

const textOf = ({ content = [] }: SeenResult): string => content.map(({ text }) => text ?? '').join('\n')
