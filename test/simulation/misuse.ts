import { createGuard } from '../../src/engine/index.ts'
import { isOnefoldError } from '../../src/error/index.ts'
import type { Engine } from './engine.ts'
import { anyEngine, inProcess } from './agent.ts'
import { demand } from './oracle.ts'
import type { World } from './world.ts'

/** Calls that must be refused before anything starts. */
export async function misuse(world: World): Promise<void> {
  const engine = anyEngine(world)
  if (engine === undefined) return
  const { internals } = engine.guard
  const { contract } = engine.main
  const input = { id: 'id1', amount: 1, account: 'acct', intent: 'default/id1#1' }
  const run = internals.runOf({ id: 'run1' })
  const expect = async (code: string, work: () => unknown): Promise<void> => {
    await inProcess(world, engine, async () => {
      try {
        await work()
      } catch (error) {
        const found = isOnefoldError(error) ? error.code : String(error)
        // The world may be in the way of what must be tried from inside an operation.
        if (found === 'STORE_UNAVAILABLE' || (code === 'RECURSIVE_OPERATION' && found !== code)) return
        demand(found === code, 'misuse', () => `expected ${code}, got ${found}`)
        world.coverage.hit(`code:${found}`)
      }
    })
  }
  await expect('KEY_MISSING', () => internals.perform(contract, input, { run }))
  await expect('KEY_INVALID', () => internals.perform(contract, input, { run, idempotencyKey: '' }))
  await expect('CONTRACT_INVALID', () => internals.perform(contract, input, { idempotencyKey: 'key-1' }))
  await expect('INPUT_INVALID', () =>
    internals.perform(contract, { ...input, amount: Number.NaN }, { run, idempotencyKey: 'key-1' }),
  )
  await expect('RECURSIVE_OPERATION', () => nested(engine))
  await expect('STORE_UNSAFE', () => createGuard({ ...notDurable(world), settings: {} } as never))
  await expect('CONFIG_INVALID', () => {
    const { process } = engine
    const store = { guarantees: { durability: 'process' } }
    const guard = createGuard({
      store,
      keySecret: '',
      clock: process.clock,
      ids: process.ids,
      processes: process.processes,
    } as never)
    guard.internals.name(contract, input, { run, idempotencyKey: 'key-1' })
  })
  demand(world.downstream.sends.length === 0, 'misuse', () => 'something was sent')
}

/** An operation that calls itself: throws what the inner call was refused with. */
async function nested(engine: Engine): Promise<void> {
  const refusals: Error[] = []
  await engine.guard.once('outer', () =>
    engine.guard.once('outer', () => undefined).catch((error: unknown) => void refusals.push(error as Error)),
  )
  for (const refusal of refusals) throw refusal
}

const notDurable = (world: World): object => ({
  store: { name: 'volatile', guarantees: { durability: 'none', transactions: false, shared: false } },
  clock: world.engines[0]?.process.clock,
})
