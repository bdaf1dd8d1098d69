import { knownOptions, type NamesOf } from '../contract/index.ts'
import { OnefoldError } from '../error/index.ts'
import { isOperationKey } from '../key/index.ts'
import type { RunOptions } from './call-options.ts'
import type { ParentReference } from './record.ts'
import { currentFrame, currentRun } from './run.ts'

/** Names in HTTP headers, and the same facts in the `_meta` of an MCP request. `traceparent` is W3C Trace Context's own. */
const NAMES = {
  headers: {
    id: 'onefold-run',
    session: 'onefold-session',
    tenant: 'onefold-tenant',
    parent: 'onefold-parent',
    traceparent: 'traceparent',
  },
  meta: {
    id: 'io.onefold/run-id',
    session: 'io.onefold/session-id',
    tenant: 'io.onefold/tenant',
    parent: 'io.onefold/parent',
    traceparent: 'traceparent',
  },
} as const

type Fact = keyof typeof NAMES.headers

/** What takes a run to another process: headers of a request or a queue's message, or the `_meta` of an MCP call. */
export type RunCarrier = Readonly<Record<string, string>>

/**
 * The current run as headers (or `_meta`) for a worker or a service of your own, which resumes it with
 * `guard.run(runFrom(headers), work)`. Empty outside a run, and for a run whose id was minted below the retrier, since
 * a retry would carry another.
 *
 * Inside a protected operation that operation goes along as the parent, and every call of this function is its next
 * part: call it once for each piece of work that is handed on, not again for a retry of it.
 * @throws OnefoldError INPUT_INVALID for a name of the run that {@link runFrom} would not take, being too long
 */
export function carryRun(as: keyof typeof NAMES = 'headers'): RunCarrier {
  const run = currentRun()
  if (run === undefined || run.unanchored) return {}
  const frame = currentFrame()
  // Not handed on from a run that came with a parent itself: its two halves would count its parts each from the first.
  const parent = frame === undefined ? undefined : `${frame.key}/${frame.fence()}/${frame.nextChild++}`
  const { id, session, tenant, traceparent } = run
  const facts = Object.entries({ id, session, tenant, parent, traceparent }) as [Fact, string | undefined][]
  for (const [fact, value = ''] of facts) if (value.length > LONGEST) throw tooLong(fact)
  const written = as === 'headers' ? headerText : (text: string) => text
  return Object.fromEntries(
    facts.flatMap(([fact, value]) => (value === undefined ? [] : [[NAMES[as][fact], written(value)]])),
  )
}

/** A run that loses its id on the way is another one at every retry. */
const tooLong = (fact: Fact): OnefoldError =>
  new OnefoldError(
    'INPUT_INVALID',
    `The run's ${fact} has more than ${LONGEST} characters and cannot be carried. Nothing was handed on; give the run a shorter one.`,
    { details: { path: fact } },
  )

const ENCODED = "utf-8''"

/**
 * A name as the value of a header. One that a header cannot hold, or that would not arrive as it was sent (beyond
 * ASCII, with blanks), is written as RFC 8187 section 3.2.1 writes it: `utf-8''%D1%8F`. {@link runFrom} reads it back.
 */
export const headerText = (text: string): string =>
  /^[\x21-\x7e]*$/.test(text) && !text.startsWith(ENCODED)
    ? text
    : `${ENCODED}${encodeURIComponent(text.toWellFormed())}`

function ofHeader(text: string): string {
  if (!text.startsWith(ENCODED)) return text
  try {
    return decodeURIComponent(text.slice(ENCODED.length))
  } catch {
    return text // somebody else's: it names itself
  }
}

/** How far the sender of a carrier is trusted. */
export interface RunFromOptions {
  /** Takes the tenant from the carrier: only from a sender that you run yourself. @default false */
  readonly trustTenant?: boolean
}

const RUN_FROM: NamesOf<RunFromOptions> = { trustTenant: true }

/**
 * The run that a carrier names, for `guard.run`: by HTTP headers in any form, or by `_meta`. What is missing there is
 * left out, so that a request without a run mints one.
 */
export function runFrom(carrier: CarrierLike, options: RunFromOptions = {}): RunOptions {
  knownOptions('runFrom', options, RUN_FROM)
  const read = (name: string, decoded = (text: string): string => text): string | undefined => {
    const given = isHeaders(carrier) ? carrier.get(name) : inAnyCase(carrier, name)
    const value = typeof given === 'string' ? decoded(given) : ''
    return value !== '' && value.length <= LONGEST ? value : undefined
  }
  const readNamed = (fact: Fact): string | undefined =>
    // A slash is not allowed in a header's name, and Headers would refuse to look.
    read(NAMES.headers[fact], ofHeader) ?? (isHeaders(carrier) ? undefined : read(NAMES.meta[fact]))
  const found: Partial<Record<Exclude<Fact, 'parent'>, string>> = {}
  for (const fact of ['id', 'session', 'tenant', 'traceparent'] as const) {
    if (fact === 'tenant' && options.trustTenant !== true) continue
    const value = readNamed(fact)
    if (value !== undefined) found[fact] = value
  }
  const parent = parentFrom(readNamed('parent'))
  return parent === undefined ? found : { ...found, parent }
}

/** Undefined for what is no reference: who sends nonsense names no parent. */
function parentFrom(text = ''): ParentReference | undefined {
  const [, key, fence, ordinal] = PARENT.exec(text) ?? []
  if (key === undefined || !isOperationKey(key)) return undefined
  return { key, fence: Number(fence), ordinal: Number(ordinal) }
}

const PARENT = /^([^/]+)\/(\d{1,15})\/(\d{1,15})$/

/** `Headers`, a plain object of them, or a `_meta`. */
export type CarrierLike = Pick<Headers, 'get'> | Readonly<Record<string, unknown>>

/** Servers and events that hand on headers as they were sent write them in capitals too (RFC 9110 section 5.1). */
function inAnyCase(carrier: Readonly<Record<string, unknown>>, name: string): unknown {
  if (Object.hasOwn(carrier, name)) return carrier[name]
  const found = Object.keys(carrier).find((one) => one.length === name.length && one.toLowerCase() === name)
  return found === undefined ? undefined : carrier[found]
}

const LONGEST = 512

const isHeaders = (carrier: CarrierLike): carrier is Pick<Headers, 'get'> =>
  typeof (carrier as { get?: unknown }).get === 'function'
