import {
  anySchema,
  defineContract,
  keyed,
  manual,
  probe,
  type AnyToolOptions,
  type Contract,
  type ProbeContext,
  type ProbeFunction,
  type Recovery,
  type ToolContext,
} from '../../contract/index.ts'
import { fingerprintText } from '../../key/index.ts'
import type { Answer } from './answer.ts'
import type { DeclaredWrite, HttpRules } from './declared.ts'
import { errorMappings } from './judge.ts'
import { ACTIONS, CONDITIONS, rawDigest, viewOf, type FrozenRequest } from './request.ts'

/** How a contract reaches the service when nobody is there who asked: to send again, to ask, to verify. */
export interface Reach {
  /** Sends a frozen request once more. Absent where the form cannot (Express, Fastify). */
  readonly again?: (frozen: FrozenRequest, context: ToolContext) => Promise<Answer>
  readonly probe?: ProbeFunction<FrozenRequest, Answer>
  /** The recovery itself, where a program declares it; else it is made from the declaration. */
  readonly recovery?: Recovery
  readonly verify?: (answer: Answer, context: Pick<ProbeContext, 'signal' | 'run'>) => Promise<boolean | undefined>
}

const LONGEST_NAME = 128

/** Visible ASCII without blanks and percent signs, as a contract's name demands; distinct routes stay distinct. */
export function contractName(service: string, route: string): string {
  const plain = `${service}:${route.replaceAll(' ', ':')}`
  const name = plain.replace(/[^\x21-\x24\x26-\x7e]/gu, (odd) => encodeURIComponent(odd.toWellFormed()))
  return name.length <= LONGEST_NAME
    ? name
    : `${name.slice(0, LONGEST_NAME - 13)}~${fingerprintText(route).slice(0, 12)}`
}

/**
 * The contract of a route. Its input is a {@link FrozenRequest}; identity and fingerprint look at the request through
 * {@link viewOf}. What must match on a repeat is method, path, query, body without `ignore`, and headers that name the action; other headers never do.
 * @throws OnefoldError CONTRACT_INVALID
 */
export function routeContract(
  name: string,
  declared: DeclaredWrite,
  rules: HttpRules,
  reach: Reach,
  timeoutMs?: number,
): Contract {
  const inner = defineContract(
    definedOnly({
      name,
      effect: 'write',
      input: anySchema,
      version: declared.version,
      identity: declared.identity,
      ignore: declared.ignore,
      // Who asks, and the route's own scope, are compared together: isolationOf makes one text of them.
      scope: 'session',
      retention: declared.retention,
      retryHorizon: declared.retryHorizon,
      timeout: declared.timeout,
      callerKey: CALLER_KEYS[declared.key],
      occurrenceField: declared.occurrenceField,
      amount: declared.amount,
      exclusive: declared.exclusive,
      errors: errorMappings([...(declared.errors ?? []), ...rules.errors]),
      recovery: reach.recovery ?? recoveryOf(declared, reach),
      verify: reach.verify,
      sends: 'checked',
      execute: (input: FrozenRequest, context: ToolContext) => {
        if (reach.again === undefined) throw new Error('this form of the route cannot be sent again')
        return reach.again(input, context)
      },
    }),
    timeoutMs === undefined ? {} : { timeoutMs },
  )
  const view = (input: unknown): unknown => viewOf(input as FrozenRequest)
  const bound = (input: unknown, named: readonly string[] = ACTIONS): unknown =>
    bindingOf(input as FrozenRequest, named, rules.profile === 'ucp')
  return Object.freeze({
    ...inner,
    identityOf: (input: unknown) =>
      declared.identity === 'all' ? inner.bindingOf(bound(input, IDENTIFYING)) : inner.identityOf(view(input)),
    bindingOf: (input: unknown) => inner.bindingOf(bound(input)),
    occurrenceOf: (input: unknown) => inner.occurrenceOf(view(input)),
    amountOf: (input: unknown) => inner.amountOf(view(input)),
    pick: (input: unknown, fields: readonly string[]) => inner.pick(view(input), fields),
  })
}

const CALLER_KEYS = { required: 'required', accepted: 'trusted', derived: 'ignored' } as const

const IDENTIFYING = [...ACTIONS, ...CONDITIONS]

function bindingOf(frozen: FrozenRequest, named: readonly string[], raw: boolean): unknown {
  const { method, query, headers, body } = viewOf(frozen)
  const told = named.filter((name) => headers[name] !== undefined).map((name) => [name, headers[name]])
  return {
    method,
    path: samePath(frozen.path),
    query,
    body: raw ? rawDigest(frozen) : body,
    ...(told.length === 0 ? {} : { headers: Object.fromEntries(told) as Record<string, string> }),
  }
}

/** One spelling of a path that clients escape differently (RFC 3986 sections 6.2.2.1 and 6.2.2.2). */
const samePath = (path: string): string =>
  path.replaceAll(/%[\da-f]{2}/gi, (escape) => {
    const sign = String.fromCodePoint(Number.parseInt(escape.slice(1), 16))
    return /[\w.~-]/.test(sign) ? sign : escape.toUpperCase()
  })

function recoveryOf({ recovery }: DeclaredWrite, reach: Reach): Recovery {
  switch (recovery.class) {
    case 'manual':
      return manual()
    case 'probe':
      return probe(asked(reach), { settle: recovery.settle }) as Recovery
    case 'keyed':
      return (
        recovery.probe === undefined
          ? keyed(recovery.window)
          : keyed(recovery.window, { probe: asked(reach), settle: recovery.settle ?? '0s' })
      ) as Recovery
  }
}

const asked =
  (reach: Reach): ProbeFunction<FrozenRequest, Answer> =>
  (input, context) =>
    reach.probe === undefined ? { found: 'unknown', why: 'this route has no probe' } : reach.probe(input, context)

/** What is undefined was not declared. */
const definedOnly = (options: Readonly<Record<string, unknown>>): AnyToolOptions =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as unknown as AnyToolOptions
