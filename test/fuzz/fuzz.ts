import { seeded } from '../crash/random.ts'
import { startCoverage } from './coverage.ts'
import { mutate } from './mutate.ts'
import type { Target } from './target.ts'

/** An input that broke a rule, as small as it could be made. */
export interface Finding {
  readonly what: string
  readonly input: Buffer
}

export interface FuzzOptions {
  readonly seed: number
  readonly ms: number
  readonly seeds: readonly Buffer[]
  /** Told the input before it is run, so that one that never ends is known. */
  readonly running?: (input: Buffer) => void
  /** @default 5 */
  readonly mostFindings?: number
}

export interface FuzzResult {
  readonly runs: number
  readonly ms: number
  readonly blocks: { readonly known: number; readonly run: number }
  /** Inputs that reached something new. */
  readonly corpus: readonly Buffer[]
  readonly findings: readonly Finding[]
  readonly slowestMs: number
}

/** No input may take longer. */
export const LIMIT_MS = 50

/** Looking at the coverage costs more than most runs, so it is done once for so many, and again where something is new. */
const BATCH = 24

/** Runs a target on seeds and mutations of whatever reached new code, until the time is over. */
export function fuzz(target: Target, options: FuzzOptions): FuzzResult {
  const random = seeded(options.seed)
  const corpus: Buffer[] = []
  const findings: Finding[] = []
  const seen = new Set<string>()
  const startedAt = performance.now()
  let runs = 0
  let slowestMs = 0

  function run(input: Buffer): void {
    runs += 1
    options.running?.(input)
    const from = performance.now()
    const what = failureOf(target, input)
    const took = performance.now() - from
    if (took > LIMIT_MS) note(input, tooSlow(target, input))
    else slowestMs = Math.max(slowestMs, took)
    note(input, what)
  }

  function note(input: Buffer, what: string | undefined): void {
    if (what === undefined || seen.has(kindOf(what))) return
    seen.add(kindOf(what))
    findings.push({ what, input: shrink(target, input, what) })
  }

  const coverage = startCoverage(target.covers)
  // One batch at least, however busy the machine is.
  const over = (): boolean =>
    (runs >= BATCH && performance.now() - startedAt >= options.ms) || findings.length >= (options.mostFindings ?? 5)
  try {
    coverage.look()
    for (const input of options.seeds) {
      run(input)
      if (coverage.look() || corpus.length === 0) corpus.push(input)
    }
    if (corpus.length === 0) corpus.push(Buffer.alloc(0))
    while (!over()) {
      const batch = Array.from({ length: BATCH }, () =>
        mutate(random, chosen(), target.tokens, corpus).subarray(0, target.maxBytes),
      )
      // What reaches something new is found by running the batch again, since coverage does not say which input it was.
      batch.forEach(run)
      const { fresh, settle } = coverage.peek()
      if (!fresh) continue
      for (const input of batch) {
        failureOf(target, input)
        if (coverage.look()) corpus.push(input)
      }
      settle()
    }
    return { runs, ms: performance.now() - startedAt, blocks: coverage.blocks(), corpus, findings, slowestMs }
  } finally {
    coverage.close()
  }

  /** Later inputs reached deeper: they are chosen more often. */
  function chosen(): Buffer {
    const recent = corpus.slice(-8)
    return random.chance(0.4) ? random.pick(recent) : random.pick(corpus)
  }
}

function failureOf(target: Target, input: Buffer): string | undefined {
  try {
    target.run(input)
    return undefined
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message}` : `thrown ${typeof error}`
  }
}

/** Measured again, on this thread's own time, before an input is called slow: another process may have had the core. */
function tooSlow(target: Target, input: Buffer): string | undefined {
  let least = Infinity
  for (let tries = 0; tries < 3 && least > LIMIT_MS; tries += 1) {
    const from = process.threadCpuUsage()
    failureOf(target, input)
    const { user, system } = process.threadCpuUsage(from)
    least = Math.min(least, (user + system) / 1_000)
  }
  return least > LIMIT_MS ? `took ${Math.round(least)} ms, more than ${LIMIT_MS} ms` : undefined
}

/** What makes two failures the same: their text without figures and quoted parts. */
const kindOf = (what: string): string => what.replaceAll(/\d+|"[^"]*"|'[^']*'/g, '#').slice(0, 80)

/** Leaves out what the failure does not need, largest pieces first. */
function shrink(target: Target, input: Buffer, what: string): Buffer {
  if (what.startsWith('took ')) return input
  let smallest = input
  for (let piece = Math.ceil(input.length / 2), left = 2_000; piece >= 1; piece = Math.floor(piece / 2)) {
    for (let at = 0; at < smallest.length && left > 0; left -= 1) {
      const less = Buffer.concat([smallest.subarray(0, at), smallest.subarray(at + piece)])
      const again = failureOf(target, less)
      if (again !== undefined && kindOf(again) === kindOf(what)) smallest = less
      else at += piece
    }
  }
  return smallest
}
