/**
 * `npm run bench -- NAME [--json] [--check] [--quick]`: measures, and says what it measured against.
 * With `--check` a missed target makes it exit 1. `stores` also takes `--only NAMES` (stores and measures) and `--write`.
 */
import { parseArgs } from 'node:util'
import { isOk, report, type Measured } from './lib.ts'

/** What a bench is told: `quick` trades steadiness for a minute less. */
export interface BenchOptions {
  readonly quick: boolean
  /** What to measure, by names that the bench knows; empty for everything. */
  readonly only: readonly string[]
  /** Puts the figures into docs/reference/benchmarks.md. */
  readonly write: boolean
}

const BENCHES: Readonly<Record<string, () => Promise<{ run: (options: BenchOptions) => Promise<Measured> }>>> = {
  adapters: () => import('./adapters.ts'),
  fetch: () => import('./fetch.ts'),
  gateway: () => import('./gateway.ts'),
  mcp: () => import('./mcp.ts'),
  sqlite: () => import('./sqlite.ts'),
  stores: () => import('./stores.ts'),
}

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    quick: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
  },
})

const [name = ''] = positionals
const bench = BENCHES[name]
if (bench === undefined) {
  console.error(`Which bench? npm run bench -- ${Object.keys(BENCHES).join(' | ')} [--json] [--check] [--quick]`)
  process.exit(2)
}
const measured = await (
  await bench()
).run({
  quick: flags.quick,
  only: flags.only.split(',').filter((one) => one !== ''),
  write: flags.write,
})
report(measured, { json: flags.json })
// At once: with what the measured libraries leave behind, Node's own end has been seen to wait for ever, at full speed.
process.exit(flags.check && !measured.rows.every(isOk) ? 1 : 0)
