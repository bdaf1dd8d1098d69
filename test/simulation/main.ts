import { execFileSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { withoutAmbient } from './ambient.ts'
import type { Kind } from './plan.ts'
import { runPool } from './pool.ts'
import { rowsOf, tableOf } from './report.ts'
import { simulate } from './simulate.ts'
import { missed } from './sometimes.ts'

const { values } = parseArgs({
  options: {
    schedules: { type: 'string', default: '300000' },
    seed: { type: 'string', default: '1' },
    kind: { type: 'string' },
    processes: { type: 'string', default: String(Math.min(2, availableParallelism())) },
    json: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
    trace: { type: 'boolean', default: false },
    mutants: { type: 'boolean', default: false },
  },
})

const SHOWN = 20
const kind = values.kind as Kind | undefined
const seed = Number(values.seed)

if (values.trace) await trace()
else if (values.mutants) {
  const { runMutants } = await import('./mutant-run.ts')
  process.exitCode = (await runMutants(values.json)) || !values.check ? 0 : 1
} else await run()

/** One schedule, event by event. */
async function trace(): Promise<void> {
  const result = await withoutAmbient(() => simulate(seed, { kind, trace: true }))
  console.log(JSON.stringify(result.plan))
  console.log(result.lines?.join('\n'))
  const { violation } = result
  if (violation !== undefined) {
    console.log(violation instanceof Error ? violation.stack : violation)
    process.exitCode = 1
  }
  console.log(`fingerprint ${result.fingerprint}`)
}

async function run(): Promise<void> {
  const began = performance.now()
  const batch = await runPool({
    from: seed,
    count: Number(values.schedules),
    processes: Number(values.processes),
    kind,
  })
  const ms = performance.now() - began
  const rows = rowsOf(batch, ms)
  const never = missed(batch.coverage)
  if (values.json) console.log(JSON.stringify({ commit: commit(), seed, ms, rows, never, ...batch }, null, 2))
  else {
    console.log(tableOf(rows))
    if (never.length > 0) console.log(`never happened: ${never.join(', ')}`)
    for (const failure of batch.failures.slice(0, SHOWN)) {
      console.log(`seed ${failure.seed} (${failure.kind}) ${failure.message}`)
      console.log(`  replay at ${commit()}: npm run simulate -- --seed ${failure.seed} --trace`)
    }
  }
  if (batch.failures.length > 0 || (values.check && rows.some(({ ok }) => !ok))) process.exitCode = 1
}

/** The commit that a seed belongs to; `+` when the tree has changes. */
function commit(): string {
  try {
    const git = (...words: string[]): string => execFileSync('git', words, { encoding: 'utf8' }).trim()
    return `${git('rev-parse', '--short', 'HEAD')}${git('status', '--porcelain', '--', 'src', 'test/simulation') === '' ? '' : '+'}`
  } catch {
    return 'an unknown commit'
  }
}
