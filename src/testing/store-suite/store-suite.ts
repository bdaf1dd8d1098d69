import { attempts } from './attempts.ts'
import { benchFor } from './bench.ts'
import { blobs } from './blobs.ts'
import assert from 'node:assert/strict'
import type { Case, Means, StoreUnderTest } from './case.ts'
import { clock } from './clock.ts'
import { compareAndSet } from './compare-and-set.ts'
import { concurrentHistories } from './concurrent-histories.ts'
import { contents } from './contents.ts'
import { lifeCases } from './life.ts'
import { listings } from './listings.ts'
import { races } from './races.ts'
import { text } from './text.ts'
import { transitions } from './transitions.ts'

/** How the suite gets at a store. */
export interface StoreHarness {
  /** Which of the optional members `open` gives. Cases that need others are left out. @default [] */
  readonly means?: readonly Means[]
  /** A fresh store with nothing in it, open, and what can be done to it from outside. */
  open(): Promise<StoreUnderTest>
}

/** The part of a test runner that the suite needs; vitest's and node:test's both fit. */
export interface SuiteRunner {
  describe(name: string, define: () => void): unknown
  it(name: string, run: () => Promise<void>): unknown
  afterAll(run: () => Promise<void>): unknown
}

/** What every store must do, as data. */
export const STORE_CASES: readonly Case[] = [
  ...compareAndSet,
  ...transitions,
  ...races,
  ...attempts,
  ...clock,
  ...text,
  ...contents,
  ...blobs,
  ...listings,
  ...lifeCases,
  ...concurrentHistories,
]

/** The cases that a harness has the means for. */
export function casesFor(harness: StoreHarness): readonly Case[] {
  return STORE_CASES.filter((one) => (one.needs ?? []).every((need) => harness.means?.includes(need) === true))
}

/**
 * Registers the conformance suite for a store: cases for everything that the engine relies on.
 *
 * @example
 * storeSuite('memory', { open: async () => ({ store: await opened(), close: async () => {} }) }, { describe, it, afterAll })
 */
export function storeSuite(name: string, harness: StoreHarness, runner: SuiteRunner): void {
  const cases = casesFor(harness)
  let shared: Promise<StoreUnderTest> | undefined

  async function opened(): Promise<StoreUnderTest> {
    const under = await harness.open()
    for (const means of harness.means ?? [])
      assert.ok(under[means] !== undefined, `the harness promises ${means} and has it not`)
    return under
  }

  async function runCase(one: Case): Promise<void> {
    if (one.alone !== true) {
      shared ??= opened()
      return await one.run(benchFor(await shared))
    }
    const under = await opened()
    try {
      await one.run(benchFor(under))
    } finally {
      await under.close()
    }
  }

  runner.describe(`store suite: ${name}`, () => {
    for (const group of new Set(cases.map((one) => one.group))) {
      runner.describe(group, () => {
        for (const one of cases.filter((each) => each.group === group)) {
          runner.it(one.name, () => runCase(one))
        }
      })
    }
    runner.afterAll(async () => {
      await (await shared)?.close()
    })
  })
}
