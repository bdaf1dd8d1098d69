import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'vitest'
import type { ProtectedTool } from '../../src/engine/index.ts'
import { isOnefoldError } from '../../src/error/index.ts'
import type { Downstream } from './downstream.ts'
import type { OrderInput, Placed } from './order-tool.ts'
import type { Direction, TcpProxy } from './tcp-proxy.ts'

const TRIES = 400

/** Calls as an agent would, until it is told that it was done or that nobody knows. */
export async function insist(order: ProtectedTool<OrderInput, Placed>, ref: string): Promise<'done' | 'doubt'> {
  for (let n = 0; n < TRIES; n += 1) {
    try {
      await order({ ref })
      return 'done'
    } catch (error) {
      if (!isOnefoldError(error)) throw error
      if (error.code === 'IN_DOUBT') return 'doubt'
      if (!error.retryable) throw error
      await pause(20)
    }
  }
  throw new Error(`nobody says what became of ${ref}`)
}

/** What is wrong with an answer of a manual tool, by the effects that happened; undefined when nothing is. */
export async function problem(
  downstream: Downstream,
  told: 'done' | 'doubt',
  ref: string,
): Promise<string | undefined> {
  const effects = await downstream.effects(ref)
  const right = told === 'done' ? effects === 1 : effects <= 1
  return right ? undefined : `${ref}: told ${told}, ${effects} effects`
}

/** May never come to pass where so many bytes are not sent. */
function resetSoon(proxy: TcpProxy, direction: Direction, n: number): void {
  proxy.resetAtByte(direction, n).catch(() => undefined)
}

const BYTES = [1, 40, 200, 900]

/** What can become of the network between an engine and its store. */
export const CUTS: readonly (readonly [name: string, cut: (proxy: TcpProxy) => void])[] = [
  ['no answer arrives', (proxy) => proxy.set({ blackhole: ['answers'] })],
  ['no request arrives', (proxy) => proxy.set({ blackhole: ['requests'] })],
  ['connections are half open', (proxy) => proxy.halfOpen()],
  ['connections are reset', (proxy) => proxy.cut()],
  ...BYTES.map((n) => [`a request is cut at byte ${n}`, (proxy: TcpProxy) => resetSoon(proxy, 'requests', n)] as const),
  ...BYTES.map((n) => [`an answer is cut at byte ${n}`, (proxy: TcpProxy) => resetSoon(proxy, 'answers', n)] as const),
]

/** Three orders while the network is cut, then as often as it takes; what is wrong, by the effects that happened. */
export async function ordersDuring(
  [name, cut]: (typeof CUTS)[number],
  proxy: TcpProxy,
  downstream: Downstream,
  order: ProtectedTool<OrderInput, Placed>,
  about: string,
): Promise<readonly string[]> {
  proxy.set({ latencyMs: 1 })
  const refs = [1, 2, 3].map((n) => `${about} ${name} ${n}`)
  cut(proxy)
  await Promise.allSettled(refs.map((ref) => order({ ref })))
  proxy.heal()
  if (name.endsWith('half open')) proxy.cut()
  const wrong: string[] = []
  for (const ref of refs) wrong.push((await problem(downstream, await insist(order, ref), ref)) ?? '')
  return wrong.filter((one) => one !== '')
}

/** A server that a test may stop. */
interface Stoppable {
  freeze(): void
  thaw(): void
  kill(): Promise<void>
  start(): Promise<void>
}

/** A frozen server starts no effect; after it has thawed each happens once. */
export async function expectNothingWhileFrozen(
  server: Stoppable,
  downstream: Downstream,
  order: ProtectedTool<OrderInput, Placed>,
  about: string,
): Promise<void> {
  const refs = Array.from({ length: 5 }, (_, n) => `${about} frozen ${n}`)
  server.freeze()
  const refused = await Promise.allSettled(refs.map((ref) => order({ ref })))
  for (const [n, answer] of refused.entries()) {
    expect(answer).toMatchObject({ status: 'rejected', reason: { code: 'STORE_UNAVAILABLE', effect: 'none' } })
    expect(await downstream.effects(refs[n] as string)).toBe(0)
  }
  server.thaw()
  for (const ref of refs) expect(await problem(downstream, await insist(order, ref), ref)).toBeUndefined()
}

/** A server that is killed in the middle of many calls, and comes back. */
export async function expectOneEachOverAKill(
  server: Stoppable,
  downstream: Downstream,
  order: ProtectedTool<OrderInput, Placed>,
  about: string,
): Promise<void> {
  const refs = Array.from({ length: 40 }, (_, n) => `${about} killed ${n}`)
  const told = Promise.all(refs.map(async (ref) => [ref, await insist(order, ref)] as const))
  await downstream.until(refs[0] as string, 1)
  await server.kill()
  await server.start()
  for (const [ref, what] of await told) expect(await problem(downstream, what, ref)).toBeUndefined()
  for (const ref of refs) expect(await problem(downstream, await insist(order, ref), ref)).toBeUndefined()
}
