import type { Contract } from '../contract/index.ts'
import { isOnefoldError } from '../error/index.ts'
import { encode } from './codec.ts'
import { DIVERGED, type DoubtReason, type StoredError } from './record.ts'

/** One physical send of an attempt, as `ctx.fetch` reports it. */
export interface Send {
  /** `unsent`: proof that no byte of the request left. `sent`: bytes left, no answer. */
  state: 'unsent' | 'sent' | 'answered'
  status?: number
  /** What was thrown to the tool for this send. */
  error?: unknown
  /** True for a method that changes nothing. */
  isRead?: true
  /** True where a client of the tool's own sends, whose answer is never known here. */
  isUnseen?: true
  /** True where the answer says of itself that nobody knows what came of the request, as another Onefold's does. */
  isDoubtful?: true
}

/**
 * Thrown by a tool whose downstream *answered* an error (MCP `isError`, an error object in a 200). After the marker
 * this proves nothing, since servers turn lost answers into such errors, unless the contract maps it.
 */
export class AnsweredError extends Error {
  override readonly name = 'AnsweredError'
  /** The answer as the downstream gave it. */
  readonly answer: unknown
  constructor(message: string, answer: unknown) {
    super(message)
    this.answer = answer
  }
}

/**
 * Thrown by adapters that can prove that no byte of the request left (refused connection, name resolution): the
 * attempt is released (T7), not rejected, and the same call may be made again.
 */
export class UnsentError extends Error {
  override readonly name = 'UnsentError'
}

/** How an attempt that threw is read (protocol.md section 8: by phase, not by error class). */
export type FailureVerdict =
  | { readonly kind: 'rejected'; readonly error: StoredError }
  | { readonly kind: 'unsent' }
  | { readonly kind: 'done' }
  | { readonly kind: 'doubt'; readonly reason: DoubtReason; readonly evidence: string }

/** The verdict on an error thrown after the marker. Without a mapping or proof, it is doubt. */
export function classifyFailure(contract: Contract, error: unknown, sends: readonly Send[]): FailureVerdict {
  if (error instanceof UnsentError) return { kind: 'unsent' }
  const mapped = mappingOf(contract, error)
  if (mapped === 'none' && tellsOfAll(contract, sends)) return { kind: 'rejected', error: storedError(error) }
  if (mapped === 'done' && sends.at(-1)?.isDoubtful !== true) return { kind: 'done' }
  if (contract.recovery.class === 'composite' && isDivergence(error))
    return { kind: 'doubt', reason: 'diverged', evidence: DIVERGED }
  if (mapped === undefined && sends.length > 0) {
    if (sends.every((send) => send.state === 'unsent') && sends.some((send) => isCausedBy(error, send.error))) {
      return { kind: 'unsent' }
    }
    // The only answer there was is a refusal of the request itself (RFC 9110 section 15.5.1, 15.5.21).
    const [only] = sends
    if (sends.length === 1 && only !== undefined && isRefusal(contract, only) && mayComeFrom(error, only))
      return { kind: 'rejected', error: storedError(error) }
  }
  return doubtOf(error, sends, mapped === 'none' ? ', beside a send that may have acted' : '')
}

/** Of the operation itself: what a part of it met has the part's own error around it. */
const isDivergence = (error: unknown): boolean =>
  causesOf(error).find((one) => isOnefoldError(one))?.code === 'DIVERGED'

/** @param beside what speaks against an error that means "no effect" */
export const doubtOf = (
  error: unknown,
  sends: readonly Send[],
  beside: string,
): Extract<FailureVerdict, { kind: 'doubt' }> => ({
  kind: 'doubt',
  reason: reasonOf(error, sends),
  evidence: describe(error) + beside,
})

/**
 * Whether an error that means "no effect" means that of the whole attempt. It tells of one send: of the only write where
 * that was the last thing sent, since a success may be answered that says "no" in its body. With more than one, or a
 * read after it, it proves nothing about a write that may have acted.
 */
function tellsOfAll(contract: Contract, sends: readonly Send[]): boolean {
  // Who knows of a doubt knows more than a contract that reads statuses.
  if (sends.some((send) => send.isDoubtful === true)) return false
  const writes = sends.filter((send) => send.isRead !== true)
  return (writes.length === 1 && writes[0] === sends.at(-1)) || !writes.some((send) => mayHaveActed(contract, send))
}

/** Answers that may come beside, or before, the request's own effect (RFC 9110 section 15.5.9 and 15.5.10, RFC 8470). */
const UNSETTLED: readonly number[] = [408, 409, 425]

function mayHaveActed({ errors }: Contract, { state, status = 0 }: Send): boolean {
  if (state !== 'answered' || status < 400) return state !== 'unsent'
  const effect = errors.find(({ match }) => match === status)?.effect
  return effect === undefined ? status >= 500 || UNSETTLED.includes(status) : effect !== 'none'
}

/** What refuses a read says nothing of a write that another client may have sent, unless the contract excludes those. */
const isRefusal = (contract: Contract, { state, status, isRead, isDoubtful }: Send): boolean =>
  state === 'answered' &&
  (status === 400 || status === 422) &&
  isDoubtful !== true &&
  (isRead !== true || contract.sends === 'checked')

const OF_A_CONNECTION = /^(?:ECONN|ENOTFOUND$|EAI_|EHOST|ENET|EPIPE$|ETIMEDOUT$|UND_ERR_|HPE_)/

/** False for an error that says of itself that it tells of something else than this answer. */
function mayComeFrom(error: unknown, { status }: Send): boolean {
  const chain = causesOf(error)
  if (chain.some((one) => isOnefoldError(one))) return false
  const codes = chain.flatMap((one) => codesOf(one))
  if (codes.some((code) => code === 'TimeoutError' || code === 'AbortError')) return false
  if (codes.some((code) => typeof code === 'string' && OF_A_CONNECTION.test(code))) return false
  const statuses = chain.flatMap(statusesOf)
  return statuses.length === 0 || statuses.includes(status)
}

/** The HTTP statuses that an error carries. */
function statusesOf(error: unknown): readonly unknown[] {
  if (typeof error !== 'object' || error === null) return []
  const { status, statusCode } = error as Record<string, unknown>
  return [status, statusCode].filter((code) => typeof code === 'number' && code >= 100 && code <= 599)
}

function mappingOf(contract: Contract, error: unknown): 'none' | 'done' | 'unknown' | undefined {
  const subject = error instanceof AnsweredError ? error.answer : error
  for (const { match, effect } of contract.errors) {
    if (typeof match !== 'function') {
      if (codesOf(subject, error).includes(match)) return effect
      continue
    }
    const matches = matchesSafely(match, subject)
    // An answer that comes later is none: what it would say of the effect is not known.
    if (isPromise(matches)) return 'unknown'
    if (matches !== false) return effect
  }
  return undefined
}

/** A predicate that throws has not recognised the error; the effect stays unknown. */
function matchesSafely(match: (error: unknown) => unknown, subject: unknown): unknown {
  try {
    return match(subject) || false
  } catch {
    return false
  }
}

function isPromise(answer: unknown): boolean {
  if (typeof answer !== 'object' || answer === null || !('then' in answer)) return false
  // Its failure would otherwise be nobody's.
  Promise.resolve(answer).catch(() => undefined)
  return true
}

function codesOf(...subjects: readonly unknown[]): readonly unknown[] {
  return subjects.flatMap((subject) => {
    if (typeof subject !== 'object' || subject === null) return [subject]
    // Its status is a sign for retry engines, no answer of a downstream.
    if (isOnefoldError(subject)) return [subject.code, subject.name]
    const { code, status, statusCode, name, type } = subject as Record<string, unknown>
    return [code, status, statusCode, name, type]
  })
}

const isCausedBy = (error: unknown, cause: unknown): boolean => causesOf(error).includes(cause)

/** An error and what it names as its cause, as far as anybody would follow. */
function causesOf(error: unknown): readonly unknown[] {
  const chain: unknown[] = []
  let current = error
  for (let depth = 0; depth < 16 && current !== undefined && current !== null; depth += 1) {
    chain.push(current)
    current = current instanceof Error ? current.cause : undefined
  }
  return chain
}

function reasonOf(error: unknown, sends: readonly Send[]): DoubtReason {
  if (error instanceof AnsweredError) return 'answered-error'
  const last = sends.at(-1)
  if (last?.state === 'answered' && (last.status ?? 0) >= 500) return 'server-error'
  const codes = codesOf(error, error instanceof Error ? error.cause : undefined)
  if (codes.some((code) => typeof code === 'number' && code >= 500 && code <= 599)) return 'server-error'
  if (codes.some((code) => code === 'ECONNRESET' || code === 'EPIPE' || code === 'UND_ERR_SOCKET')) return 'reset'
  if (codes.some((code) => code === 'TimeoutError' || code === 'ETIMEDOUT' || code === 'UND_ERR_HEADERS_TIMEOUT'))
    return 'timeout'
  if (codes.includes('UPSTREAM_DIED')) return 'upstream-died'
  // What Node's HTTP parser calls an answer that is no HTTP.
  if (codes.some((code) => typeof code === 'string' && code.startsWith('HPE_'))) return 'unreadable-answer'
  return 'threw'
}

/** Name and code only: messages of foreign errors may hold arguments. */
export function describe(error: unknown): string {
  if (isOnefoldError(error)) return `${error.name} ${error.code}`
  if (!(error instanceof Error)) return `thrown ${typeof error}`
  const code: unknown = (error as { code?: unknown }).code
  const isCode = typeof code === 'number' || (typeof code === 'string' && CODE.test(code))
  return isCode ? `${nameOf(error)} ${code}` : nameOf(error)
}

/** What is shown without being asked for is a word of a program: anybody's text may have been made a name, or a code. */
const NAME = /^[A-Za-z_$][\w$.]{0,63}$/
const CODE = /^[\w.:/-]{1,64}$/

/** `name` may be anything. */
function nameOf(error: Error): string {
  const { name }: { readonly name: unknown } = error
  return typeof name === 'string' && NAME.test(name) ? name : 'Error'
}

export function storedError(error: unknown): StoredError {
  const name = error instanceof Error ? nameOf(error) : 'Error'
  const message = error instanceof Error ? error.message : textOf(error)
  try {
    return { name, message, text: encode(error instanceof AnsweredError ? error.answer : error) }
  } catch {
    return { name, message }
  }
}

/** Anything may be thrown, also what has no text (an object without a prototype). */
function textOf(thrown: unknown): string {
  try {
    return String(thrown)
  } catch {
    return typeof thrown
  }
}
