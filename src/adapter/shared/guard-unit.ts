import type { NamesOf, StandardSchemaV1, ToolContext, WriteOptions } from '../../contract/index.ts'
import { operationOf, UnsentError, type Guard } from '../../engine/index.ts'
import type { WriteDeclaration } from './declaration.ts'
import { assertGiven, isGuard } from './given.ts'
import { guardTools, type AdapterCall } from './guard-tools.ts'
import type { Told } from './told.ts'

type Write = WriteOptions<StandardSchemaV1<{ readonly of: unknown }>, unknown>

/** What makes the effect of a node or a step happen once. Its state is no input: it may be large, and hold anything. */
export interface UnitContract extends Pick<
  Write,
  'recovery' | 'retention' | 'retryHorizon' | 'errors' | 'timeout' | 'sends' | 'version'
> {
  /** The unit's name in the ledger. */
  readonly name: string
  /** Where an identity of one's own is compared. @default 'tenant' */
  readonly scope?: 'tenant' | 'session' | 'run'
}

/** What a unit's contract may hold; what else a tool's has would be silently without effect here. */
export const UNIT_NAMES: NamesOf<UnitContract> = {
  name: true,
  scope: true,
  recovery: true,
  retention: true,
  retryHorizon: true,
  errors: true,
  timeout: true,
  sends: true,
  version: 'number',
}

/** One execution of the unit; `of` says which, as plain data. */
export type UnitCall = (of: unknown, call: UnitExecution) => Promise<Told>

export interface UnitExecution extends AdapterCall {
  /** What must be the same where `of` is: a repeat with anything else is refused. @default nothing */
  readonly binds?: Readonly<Record<string, string>> | undefined
}

/**
 * A unit of a framework's graph or workflow through the engine. A recovery runs it with the state that a live caller holds;
 * where none does, it waits until the framework resumes.
 * @throws OnefoldError CONTRACT_INVALID
 */
export function guardUnit(guard: Guard, door: string, contract: UnitContract): UnitCall {
  const { name } = contract
  assertGiven(door, isGuard(guard), 'the guard, onefold(…), as its first argument', guard)
  assertGiven(door, typeof (name as unknown) === 'string', 'a name, by which the ledger calls it: { name, … }', name)
  const live = new Map<string, (context: ToolContext) => unknown>()
  const again = (_input: unknown, context: ToolContext): unknown => {
    const execute = live.get(operationOf(context))
    if (execute === undefined)
      throw new UnsentError(`${name} runs again when its graph is resumed, which holds its state`)
    return execute(context)
  }
  const declared = { ...contract, identity: ['of'] } as unknown as WriteDeclaration<unknown, unknown>
  const unit = guardTools(guard, { door, how: door }, [{ name, again }], { [name]: declared }).get(name)
  return async (of, { binds, ...call }) => {
    const keys = new Set<string>()
    const execute = (context: ToolContext): unknown => {
      const key = operationOf(context)
      keys.add(key)
      live.set(key, execute)
      return call.execute(context)
    }
    try {
      return await (unit as NonNullable<typeof unit>).call(binds === undefined ? { of } : { of, state: binds }, {
        ...call,
        execute,
      })
    } finally {
      for (const key of keys) if (live.get(key) === execute) live.delete(key)
    }
  }
}
