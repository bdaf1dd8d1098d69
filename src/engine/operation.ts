import type { Contract, Scope } from '../contract/index.ts'
import { OnefoldError } from '../error/index.ts'
import { canonicalize, fingerprintText, operationKey, parseCallerKey, type Secret } from '../key/index.ts'
import { tenantWithoutRun, type ActiveRun, type OperationFrame } from './run.ts'
import { copyOf, freeze } from './frozen.ts'
import type { Descriptor, ParentReference } from './record.ts'

/** How one call names its operation beside its input. */
export interface CallOptions {
  /** A key that the caller gives; what it means is the contract's `callerKey`. */
  readonly idempotencyKey?: string | undefined
  /** 2 for the second wanted operation with the same identity, and so on. @default 1 */
  readonly occurrence?: number | undefined
  /** The framework's name of this call: a reference, never an identity. */
  readonly callId?: string | undefined
}

/** A name under which an older major, an older secret, or both would have recorded an operation. */
export interface OlderName {
  readonly key: string
  readonly major: number
  /** What the call must match there: taken under that name's secret. */
  readonly fingerprint: string
}

/** One logical operation, named. */
export interface Operation {
  readonly key: string
  readonly tenant: string
  readonly contract: Contract
  readonly input: unknown
  /** Text of the whole input: what is frozen with the marker. */
  readonly frozen: string
  readonly descriptor: Descriptor
  /** How older majors and older secrets would have named it; newest first. */
  readonly older: readonly OlderName[]
  /** Set for `identity: 'sequence'`. */
  readonly index: number | string | undefined
}

export interface Naming {
  readonly defaultTenant: string
  readonly keySecret: Secret | undefined
  /** Undefined stands for the time before there was one. */
  readonly previousSecrets: readonly (Secret | undefined)[]
  readonly maxInputBytes: number
  /** The guard's, where it is longer than the default. */
  readonly quarantineMs?: number | undefined
}

/**
 * The operation that a call is about: scope, identity, key, fingerprint. `index` is the call's place for `sequence`.
 * @throws OnefoldError KEY_MISSING, KEY_INVALID, INPUT_INVALID, CONTRACT_INVALID
 */
export function nameOperation(
  naming: Naming,
  contract: Contract,
  input: unknown,
  options: CallOptions,
  run: ActiveRun | undefined,
  frame: OperationFrame | undefined,
  index: number | string | undefined,
): Operation {
  const tenant = run?.tenant ?? tenantWithoutRun(naming, frame)
  const limits = { maxBytes: naming.maxInputBytes }
  const canonical = canonicalize(input ?? null, limits)
  const binding = contract.bindingOf(input)
  const bindingText = binding === input ? canonical : canonicalize(binding, limits)
  const callerKey = options.idempotencyKey === undefined ? undefined : parseCallerKey(options.idempotencyKey)
  if (contract.callerKey === 'required' && callerKey === undefined) {
    throw new OnefoldError(
      'KEY_MISSING',
      `${contract.name} demands an idempotency key from its caller. No effect started; give one as idempotencyKey with the call, one per wanted operation, the same on every retry.`,
    )
  }
  const occurrence = options.occurrence ?? contract.occurrenceOf(input) ?? 1
  const parent = parentOf(run, frame)
  const own = scopeOf(contract, run, parent?.place)
  const identity = identityOf(contract, input, callerKey, index)
  const keyWith = (value: unknown, [scope, scopeId]: Place, secret: Secret | undefined): string =>
    operationKey({
      contract: contract.name,
      tenant,
      scope,
      scopeId,
      identity: value,
      occurrence,
      ...(secret === undefined ? {} : { secret }),
    })
  const key = keyWith(identity, own, naming.keySecret)
  const identities = [{ identity, major: contract.major, scope: undefined }, ...contract.supersededIdentitiesOf(input)]
  const older = new Map<string, OlderName>()
  for (const past of identities) {
    const place = past.scope === undefined ? own : placeIn(past.scope, run, parent?.place)
    // A call outside of every run is no retry of one that was made in a run.
    if (place === undefined) continue
    for (const secret of [naming.keySecret, ...naming.previousSecrets]) {
      const name = keyWith(past.identity, place, secret)
      if (name === key || older.has(name)) continue
      older.set(name, { key: name, major: past.major, fingerprint: fingerprintText(bindingText, secret) })
    }
  }
  return {
    key,
    tenant,
    contract,
    // Its caller may change its own at any time: the effect would then be another than the key and the record say.
    input: copyOf(input),
    frozen: freeze(input ?? null, canonical),
    older: [...older.values()],
    index,
    descriptor: {
      tenant,
      tool: contract.name,
      major: contract.major,
      recovery: contract.recovery.class,
      fingerprint: fingerprintText(bindingText, naming.keySecret),
      occurrence,
      run: run?.id,
      session: run?.session,
      call: options.callId,
      parent: parent?.reference,
      retentionMs: contract.retentionMs,
      retryHorizonMs: contract.retryHorizonMs,
      amount: contract.amountOf(input),
      unanchored: run?.unanchored ?? false,
      checked: contract.sends === 'checked',
      quarantineMs: naming.quarantineMs,
    },
  }
}

/** A read as an operation: nothing identifies it, nothing is recorded. */
export function namelessOperation(
  naming: Naming,
  contract: Contract,
  input: unknown,
  run: ActiveRun | undefined,
  nonce: string,
): Operation {
  const tenant = run?.tenant ?? naming.defaultTenant
  return {
    key: operationKey({ contract: contract.name, tenant, scope: 'call', scopeId: nonce, identity: null }),
    tenant,
    contract,
    input,
    frozen: 'null',
    older: [],
    index: undefined,
    descriptor: {
      tenant,
      tool: contract.name,
      major: contract.major,
      recovery: contract.recovery.class,
      fingerprint: '',
      occurrence: 1,
      run: run?.id,
      session: run?.session,
      call: undefined,
      parent: undefined,
      retentionMs: 0,
      retryHorizonMs: 0,
      amount: undefined,
      unanchored: run?.unanchored ?? false,
      checked: false,
    },
  }
}

function identityOf(
  contract: Contract,
  input: unknown,
  callerKey: string | undefined,
  index: number | string | undefined,
): unknown {
  // Tagged, so that it never equals an identity made of fields.
  if (callerKey !== undefined && contract.callerKey !== 'ignored') return ['caller-key', callerKey]
  if (contract.sequence) return ['sequence', index]
  return contract.identityOf(input)
}

/** The operation that this one is a part of, here or in another process, and which part it is. */
function parentOf(
  run: ActiveRun | undefined,
  frame: OperationFrame | undefined,
): { readonly reference: ParentReference; readonly place: string } | undefined {
  if (frame !== undefined) {
    const { key, nextChild: ordinal } = frame
    return { reference: { key, fence: frame.fence(), ordinal }, place: `${key}/${ordinal}` }
  }
  if (run?.parent === undefined) return undefined
  const { key, fence, ordinal, nextChild } = run.parent
  return { reference: { key, fence, ordinal }, place: `${key}/${ordinal}/${nextChild}` }
}

/** A scope and which one of its kind. */
type Place = readonly [scope: string, id: string]

function scopeOf(contract: Contract, run: ActiveRun | undefined, place: string | undefined): Place {
  const scope = contract.sequence ? 'run' : contract.scope
  const found = placeIn(scope, run, place)
  if (found !== undefined) return found
  if (scope === 'parent') throw outside(contract, 'parent', 'inside another protected operation')
  throw outside(contract, scope, run === undefined ? 'inside guard.run' : 'inside guard.run with a session')
}

/** Undefined where the call is in none of that kind. */
function placeIn(scope: Scope, run: ActiveRun | undefined, place: string | undefined): Place | undefined {
  if (scope === 'tenant') return ['tenant', '']
  const id = scope === 'parent' ? place : scope === 'run' ? run?.id : run?.session
  return id === undefined ? undefined : [scope, id]
}

const outside = (contract: Contract, scope: string, where: string): OnefoldError =>
  new OnefoldError(
    'CONTRACT_INVALID',
    `${contract.name} compares its identity within the ${scope}, so it must be called ${where}. No effect started.`,
  )

/** The name under which a person finds and settles the operation. */
export const ticketOf = (key: string): string => key.slice(4, 16)
