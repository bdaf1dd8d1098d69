import type { Core } from './core.ts'
import type { OlderName, Operation } from './operation.ts'
import type { OperationRecord } from './record.ts'
import type { Reading } from './store.ts'

/** An operation under the name that it stands under, and what stands there. */
export interface Standing {
  readonly op: Operation
  readonly reading: Reading
}

/** What stands under an older name is judged as if it stood under the new one. */
const under = (op: Operation, { key, fingerprint }: OlderName): Operation => ({
  ...op,
  key,
  older: [],
  descriptor: { ...op.descriptor, fingerprint },
})

/**
 * Leaves a `superseded` marker under every key that an older major or secret would have used. A record that is
 * already there decides: it is handed back. Of two that took over each other's key the smaller could be given back
 * ({@link heirOf}), so that marker is made this operation's own.
 */
export async function takeOver(core: Core, op: Operation): Promise<Standing | undefined> {
  const takers = new Map<string, string>()
  for (const name of op.older) {
    const found = await take(core, op, name)
    const { state, nonce } = found.reading.record
    if (state !== 'superseded') return found
    if (takers.get(nonce) === name.key) {
      const [smaller, over] = name.key < nonce ? [name.key, nonce] : [nonce, name.key]
      const given = await take(core, op, op.older.find(({ key }) => key === smaller) as OlderName, over)
      if (given.reading.record.state !== 'superseded') return given
    }
    takers.set(name.key, nonce)
  }
  return undefined
}

type Found = Standing & { readonly reading: Reading & { readonly record: OperationRecord } }

/** @param over whose marker is replaced as well @returns our marker, or what refused it: an absent record takes it */
async function take(core: Core, op: Operation, name: OlderName, over?: string): Promise<Found> {
  const { key, major } = name
  const reading = await core.journal.apply(key, op.tenant, await core.journal.read(key, op.tenant), {
    type: 'supersede',
    who: core.processes.self,
    by: op.key,
    over,
    descriptor: { ...op.descriptor, major },
  })
  return { op: under(op, name), reading: { ...reading, record: reading.record as OperationRecord } }
}

/**
 * Where the operation stands, for those who do not mean to run it: nothing is written. Its own key may have been taken over
 * by one whose name is older here and newer there, as while a secret is rotated by processes that know both, or taken back.
 */
export async function standing(core: Core, op: Operation): Promise<Standing> {
  const own = { op, reading: await core.journal.read(op.key, op.tenant) }
  // Its own key is claimed only when nothing can stand under an older one any more.
  if (own.reading.record !== undefined && own.reading.record.state !== 'superseded') return own
  for (const name of op.older) {
    const reading = await core.journal.read(name.key, op.tenant)
    if (reading.record !== undefined && reading.record.state !== 'superseded') return { op: under(op, name), reading }
  }
  return own
}

/**
 * Where an operation can be begun whose own key was taken over by one of its older names, as while a secret is rotated by
 * processes that know both, or taken back: there, since nobody can claim the own key any more. Two processes that began at
 * once may each have taken over the other's key: then the smaller of the two is given back (which one does not matter, so
 * long as all choose the same), and `undefined` tells to look again. Nobody acts under the larger one, whose marker stays.
 */
export async function heirOf(
  core: Core,
  op: Operation,
  own: Reading & { readonly record: OperationRecord },
): Promise<Standing | 'none' | undefined> {
  const name = op.older.find(({ key, major }) => key === own.record.nonce && major === op.contract.major)
  if (name === undefined) return 'none'
  const reading = await core.journal.read(name.key, op.tenant)
  if (reading.record?.state !== 'superseded') {
    const older = op.older.filter((one) => one !== name)
    return { op: { ...under(op, name), older }, reading }
  }
  if (reading.record.nonce !== op.key) return 'none'
  const [key, other, from] = op.key < name.key ? [op.key, name.key, own] : [name.key, op.key, reading]
  await core.journal.apply(key, op.tenant, from, { type: 'give-back', who: core.processes.self, by: other })
  return undefined
}
