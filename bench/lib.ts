import { cpus, release, totalmem } from 'node:os'
import { styleText } from 'node:util'

/** One measured value. Without a target it is there to be read: a floor, a cost, a count. */
export interface Row {
  readonly name: string
  readonly value: number
  readonly unit: string
  readonly target?: { readonly atLeast: number } | { readonly atMost: number }
  /** What the value stands for, where the name cannot say it. */
  readonly note?: string
}

/** Named values of one command. */
export interface Measured {
  readonly bench: string
  readonly rows: readonly Row[]
  /** Versions and settings that the values depend on. */
  readonly setup: Readonly<Record<string, string>>
}

/** True when the row has no target or meets it. */
export function isOk({ value, target }: Row): boolean {
  if (target === undefined) return true
  return 'atLeast' in target ? value >= target.atLeast : value <= target.atMost
}

/** The machine that was measured on. */
export function machine(): Readonly<Record<string, string>> {
  const all = cpus()
  return {
    cpu: `${all.length} × ${all[0]?.model.trim() ?? 'unknown'}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `${process.platform} ${release()}`,
    node: process.version,
  }
}

const figure = (value: number): string =>
  Number.isInteger(value) ? value.toLocaleString('en') : value.toLocaleString('en', { maximumSignificantDigits: 3 })

function targetText(row: Row): string {
  if (row.target === undefined) return ''
  return 'atLeast' in row.target ? `≥ ${figure(row.target.atLeast)}` : `≤ ${figure(row.target.atMost)}`
}

/** Prints `name · value · target · ok/short` for people, or one JSON document for machines. */
export function report(measured: Measured, options: { readonly json: boolean }): void {
  const { bench, rows, setup } = measured
  const all = { ...machine(), ...setup }
  if (options.json) {
    const lines = rows.map((row) => ({ ...row, ok: isOk(row) }))
    console.log(JSON.stringify({ bench, setup: all, rows: lines }, undefined, 2))
    return
  }
  console.log(
    `${bench}: ${Object.entries(all)
      .map(([name, value]) => `${name} ${value}`)
      .join(' · ')}\n`,
  )
  const cells = rows.map((row) => [
    row.name,
    `${figure(row.value)}${row.unit === '' ? '' : ` ${row.unit}`}`,
    targetText(row),
    row.target === undefined ? '' : isOk(row) ? 'ok' : 'short',
    row.note ?? '',
  ])
  const widths = [0, 1, 2, 3].map((column) => Math.max(...cells.map((line) => line[column]?.length ?? 0)))
  for (const line of cells) {
    const text = line
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()
    console.log(line[3] === 'short' ? styleText('red', text) : text)
  }
}

/** How often the event loop's delay is sampled; Node counts this interval into the delay that it tells. */
export const RESOLUTION_MS = 1

/** The value below which `share` of the samples lie. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = Float64Array.from(samples).toSorted()
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

export const median = (samples: readonly number[]): number => percentile(samples, 0.5)

/** Runs `work` until `count` times have begun, `concurrent` at a time; resolves to its rate per second. */
export async function rate(count: number, concurrent: number, work: () => Promise<void>): Promise<number> {
  let begun = 0
  const started = performance.now()
  await Promise.all(
    Array.from({ length: concurrent }, async () => {
      while (begun < count) {
        begun += 1
        await work()
      }
    }),
  )
  return (count / (performance.now() - started)) * 1000
}

/** Milliseconds that each of `count` calls took, one after the other. */
export async function times(count: number, work: () => Promise<void> | void): Promise<number[]> {
  const samples: number[] = []
  for (let n = 0; n < count; n += 1) {
    const started = performance.now()
    await work()
    samples.push(performance.now() - started)
  }
  return samples
}
