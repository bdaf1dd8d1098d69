/**
 * `npm run requirements`: what executed tests say about each requirement of test/requirements.ts.
 * Reads the report of the last `npm test`, else runs the tagged tests. `--json` for machines;
 * `--gate` fails on a claim that no passing test bears out; `--check` fails also while anything is not met.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import pc from 'picocolors'
import { REQUIREMENTS } from '../test/requirements.ts'
import { judge, type Row } from './requirements-gate.ts'
import { readTestRun, type TestRun } from './test-report.ts'

const { values: flags } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    gate: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
    report: { type: 'string' },
  },
})

const run = readTestRun(flags.report) ?? (flags.report === undefined ? runTagged() : undefined)
if (run === undefined) {
  console.error(`no test report at ${flags.report ?? 'node_modules/.cache/onefold/tests.json'}: run npm test first`)
  process.exit(2)
}
const { rows, faults } = judge(REQUIREMENTS, run.executed)
const unmet = rows.filter(({ verdict }) => verdict !== 'met')

if (flags.json) {
  console.log(JSON.stringify({ testedAt: run.startedAt.toISOString(), rows, faults }, undefined, 2))
} else {
  if (!flags.gate) for (const row of rows) console.log(show(row))
  for (const fault of faults) console.log(`${pc.red('fault')}  ${fault}`)
  const met = rows.length - unmet.length
  console.log(
    `requirements: ${met} of ${rows.length} met, ${faults.length} faults, tested ${run.startedAt.toISOString()}`,
  )
}
process.exitCode = faults.length > 0 || (flags.check && unmet.length > 0) ? 1 : 0

/** `name · value · target · verdict`, as every command that proves something prints its rows. */
function show({ id, statement, verdict, note, passed, failed }: Row): string {
  const colour = verdict === 'met' ? pc.green : verdict === 'broken' ? pc.red : pc.yellow
  const value = `${passed} passed${failed > 0 ? `, ${failed} failed` : ''}`
  const why = note === '' ? '' : ` (${note})`
  return `${id.padEnd(5)} · ${value.padEnd(9)} · ${statement} · ${colour(verdict)}${pc.dim(why)}`
}

function runTagged(): TestRun | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'onefold-requirements-'))
  const file = join(folder, 'tests.json')
  const root = fileURLToPath(new URL('..', import.meta.url))
  const tests = ['run', '--reporter=json', `--outputFile=${file}`, '--testNamePattern', '\\[[A-Z]{2}-\\d+\\]']
  spawnSync(process.execPath, [join(root, 'node_modules/vitest/vitest.mjs'), ...tests], { cwd: root, stdio: 'inherit' })
  const result = readTestRun(file)
  rmSync(folder, { recursive: true, force: true })
  return result
}
