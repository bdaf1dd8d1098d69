import { describe, expect, it } from 'vitest'
import type { Break } from '../../../test/stores/blob-twins.ts'
import { TWINS } from '../../../test/stores/twins.ts'
import { memoryStore } from '../../store/memory/index.ts'
import { benchFor } from './bench.ts'
import { casesFor, STORE_CASES, storeSuite } from './store-suite.ts'

/** The first case of a group that a twin fails, or undefined. */
async function firstFailure(group: string, broken: Break): Promise<string | undefined> {
  const harness = { means: ['stepClock'] as const, open: () => Promise.reject(new Error('not used')) }
  const open = async (): Promise<Parameters<typeof benchFor>[0]> => {
    let skewMs = 0
    const inner = memoryStore({ clock: () => Date.now() + skewMs })
    const store = { ...inner, ...broken(inner) }
    await store.open()
    return { store, stepClock: (ms) => (skewMs += ms), close: () => inner.close() }
  }
  const shared = await open()
  for (const one of casesFor(harness).filter((each) => each.group === group)) {
    try {
      await one.run(benchFor(one.alone === true ? await open() : shared))
    } catch {
      return one.name
    }
  }
  return undefined
}

describe('store suite', () => {
  it('has at least 150 cases, each with a name of its own', () => {
    const names = STORE_CASES.map((one) => `${one.group}: ${one.name}`)
    expect(names.length).toBeGreaterThanOrEqual(150)
    expect(new Set(names).size).toBe(names.length)
  })

  it.each(TWINS)('rejects a store that %s', async (_name, group, broken) => {
    expect(await firstFailure(group, broken)).toBeDefined()
  })

  it('has a twin for every group', () => {
    const groups = new Set(STORE_CASES.map((one) => one.group))
    expect([...groups].filter((group) => !TWINS.some((twin) => twin[1] === group))).toEqual([])
  })

  it.each([...new Set(STORE_CASES.map((one) => one.group))])(
    'finds nothing wrong with a sound store: %s',
    async (group) => {
      expect(await firstFailure(group, () => ({}))).toBeUndefined()
    },
  )

  it('leaves out what a harness has no means for', () => {
    const registered: string[] = []
    const runner = {
      describe: (_name: string, define: () => void) => define(),
      it: (name: string) => registered.push(name),
      afterAll: () => undefined,
    }
    storeSuite('none', { open: () => Promise.reject(new Error('not used')) }, runner)
    expect(registered.length).toBe(STORE_CASES.filter((one) => one.needs === undefined).length)
  })
})
