import type { AnyWriteOptions } from './any-options.ts'
import type { Contract, ContractDescription } from './types.ts'

function identityOf(write: AnyWriteOptions): NonNullable<ContractDescription['identity']> {
  if (write.callerKey === 'required') return 'caller-key'
  if (typeof write.identity === 'function') return 'function'
  return typeof write.identity === 'string' ? write.identity : [...write.identity]
}

function recoveryOf({ recovery }: Contract): NonNullable<ContractDescription['recovery']> {
  const { class: kind } = recovery
  if (kind === 'keyed') {
    return {
      class: kind,
      windowMs: recovery.windowMs,
      settleMs: recovery.settleMs,
      probe: recovery.probe !== undefined,
    }
  }
  return kind === 'probe' ? { class: kind, settleMs: recovery.settleMs, probe: true } : { class: kind }
}

/** A contract as plain JSON, for tool lists, OpenAPI extensions and people. Says nothing of how the tool works. */
export function describeContract(contract: Contract, write: AnyWriteOptions | undefined): ContractDescription {
  const { name, description, major: version, effect } = contract
  const common = { name, version, effect, ...(description === undefined ? {} : { description }) }
  if (write === undefined) return common
  return {
    ...common,
    identity: identityOf(write),
    ...(write.ignore === undefined ? {} : { ignore: [...write.ignore] }),
    scope: contract.scope,
    retentionMs: contract.retentionMs,
    retryHorizonMs: contract.retryHorizonMs,
    recovery: recoveryOf(contract),
    callerKey: contract.callerKey,
    ...(contract.exclusive === undefined ? {} : { exclusive: [...contract.exclusive] }),
    ...(contract.near === undefined ? {} : { near: { ...contract.near, fields: [...contract.near.fields] } }),
    ...(write.occurrenceField === undefined ? {} : { occurrenceField: write.occurrenceField }),
    ...(write.amount === undefined ? {} : { amount: write.amount }),
    compensated: contract.compensate !== undefined,
    verified: contract.verify !== undefined,
    timeoutMs: contract.timeoutMs,
  }
}
