import {
  anySchema,
  defineContract,
  keyed,
  ledgerName,
  manual,
  probe,
  type AnyToolOptions,
  type Contract,
  type Recovery,
  type ToolContext,
} from '../../contract/index.ts'
import { canonicalize } from '../../key/index.ts'
import { valueOf, type PlacedKey } from './call-message.ts'
import type { DeclaredRecovery, DeclaredWrite, KeyPlace } from './declared.ts'
import { askProbe } from './probe.ts'
import { errorMappings } from './refusals.ts'
import type { OwnCalls } from './own-calls.ts'

/** A tool's contract and where its key goes. */
export interface ToolContract {
  readonly contract: Contract
  readonly place: KeyPlace | undefined
}

/**
 * The contract of a declared tool; `apart` where callers are told apart, and identities compared within each. Its `execute` is only used to send again: frozen arguments, the same key.
 * @throws OnefoldError CONTRACT_INVALID
 */
export function declaredContract(
  name: string,
  tool: string,
  declared: DeclaredWrite,
  timeoutMs: number | undefined,
  own: () => OwnCalls,
  apart: boolean,
): ToolContract {
  const { recovery } = declared
  const place = recovery.class === 'keyed' ? recovery.key : undefined
  const contract = defineContract(
    definedOnly({
      name: ledgerName(name, tool),
      effect: 'write',
      input: anySchema,
      version: declared.version,
      identity: declared.identity,
      ignore: ignored(declared, place),
      scope: apart ? 'session' : declared.scope,
      retention: declared.retention,
      retryHorizon: declared.retryHorizon,
      timeout: declared.timeout,
      callerKey: declared.callerKey,
      notice: declared.notice,
      occurrenceField: declared.occurrenceField,
      amount: declared.amount,
      exclusive: declared.exclusive,
      errors: errorMappings(tool, declared.errors),
      recovery: recoveryOf(recovery, own),
      // The proxy checks right before it writes into the pipe, with nothing in between.
      sends: 'checked',
      execute: (input: unknown, context: ToolContext) => sendAgain(own(), tool, input, context, place),
    }),
    timeoutMs === undefined ? {} : { timeoutMs },
  )
  return { contract, place }
}

/** The contract of a tool that nobody has declared: every argument identifies, a person settles. */
export function undeclaredContract(
  name: string,
  tool: string,
  scope: 'tenant' | 'run' | 'session',
  timeoutMs: number | undefined,
): Contract {
  return defineContract(
    definedOnly({
      name: ledgerName(name, tool),
      effect: 'write',
      input: anySchema,
      identity: 'all',
      scope,
      errors: errorMappings(tool),
      recovery: manual(),
      sends: 'checked',
      execute: () => {
        throw new Error('undeclared tools are never sent again')
      },
    }),
    timeoutMs === undefined ? {} : { timeoutMs },
  )
}

async function sendAgain(
  own: OwnCalls,
  tool: string,
  input: unknown,
  context: ToolContext,
  place: KeyPlace | undefined,
): Promise<unknown> {
  const again = {
    tool,
    argumentsJson: canonicalize(input ?? {}),
    placed: placedKey(place, context),
    operation: context,
  }
  const about = { signal: context.signal, operation: context.key }
  return valueOf(await own.call(again, () => context.checkpoint(), about), tool)
}

export const placedKey = (place: KeyPlace | undefined, context: ToolContext): PlacedKey | undefined =>
  place === undefined ? undefined : { place, key: context.downstreamKey() }

function recoveryOf(recovery: DeclaredRecovery, own: () => OwnCalls): Recovery {
  switch (recovery.class) {
    case 'manual':
      return manual()
    case 'probe':
      return probe((input: unknown, context) => askProbe(own(), recovery.probe, input, context), {
        settle: recovery.settle,
      }) as Recovery
    case 'keyed': {
      const { probe: asked, settle = '0s' } = recovery
      if (asked === undefined) return keyed(recovery.window) as Recovery
      return keyed(recovery.window, {
        probe: (input: unknown, context) => askProbe(own(), asked, input, context),
        settle,
      }) as Recovery
    }
  }
}

/** The argument that carries the key is ours: what a caller puts there never identifies and never differs. */
function ignored(declared: DeclaredWrite, place: KeyPlace | undefined): readonly string[] | undefined {
  if (place?.in !== 'arguments') return declared.ignore
  return [...new Set([...(declared.ignore ?? []), place.path.join('.')])]
}

const definedOnly = (options: Readonly<Record<string, unknown>>): AnyToolOptions =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as unknown as AnyToolOptions
