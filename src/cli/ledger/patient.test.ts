import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { Ledger } from '../../engine/index.ts'
import { patient } from './patient.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const PAGE = { records: [], next: undefined, now: 1 }
const taking = (ms: number): Ledger =>
  ({ list: () => new Promise((resolve) => setTimeout(() => resolve(PAGE), ms)) }) as unknown as Ledger

async function toldOf(ms: number): Promise<readonly string[]> {
  const told: string[] = []
  const listed = patient(taking(ms), (text) => told.push(text)).list()
  await vi.advanceTimersByTimeAsync(ms)
  expect(await listed).toBe(PAGE)
  await vi.advanceTimersByTimeAsync(60_000)
  return told
}

it('says nothing of a search that is over at once', async () => {
  expect(await toldOf(1_500)).toEqual([])
})

it('says how long a search has taken, until it is over', async () => {
  expect(await toldOf(13_000)).toEqual([
    'onefold: still looking through the ledger, 2 s',
    'onefold: still looking through the ledger, 12 s',
  ])
})
