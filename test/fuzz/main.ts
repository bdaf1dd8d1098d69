/** `npm run fuzz`: searches for inputs that crash, slow down or contradict the parsers that meet what strangers send. */
import { parseArgs } from 'node:util'
import { tableOf, type Row } from '../explore/rows.ts'
import { rowOf, plantedRow } from './rows.ts'
import { runTarget } from './run.ts'
import { PLANTED, TARGETS } from './targets.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    target: { type: 'string' },
    seed: { type: 'string' },
    json: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

if (values.help) {
  process.stdout.write(
    'fuzz [--seconds N for all targets together] [--target NAME] [--seed S] [--json] [--check]\n' +
      `Targets: ${TARGETS.map(({ name }) => name).join(', ')}. A finding always exits 1; --check makes every missed target exit 1.\n`,
  )
  process.exit(0)
}

const seconds = Number(values.seconds)
const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed)
const chosen = TARGETS.filter(({ name }) => values.target === undefined || name === values.target)
if (!(seconds > 0) || !Number.isInteger(seed) || chosen.length === 0) {
  process.stderr.write(
    `fuzz: --seconds takes a number, --target one of ${TARGETS.map(({ name }) => name).join(', ')}\n`,
  )
  process.exit(2)
}

const rows: Row[] = []
const say = (text: string): void => void (values.json || process.stdout.write(text))
say(`seed ${seed}\n`)
for (const { name } of chosen) rows.push(rowOf(name, await runTarget(name, (seconds * 1_000) / chosen.length, seed)))
rows.push(plantedRow(await runTarget(PLANTED.name, 30_000, seed)))
if (values.json) process.stdout.write(`${JSON.stringify({ seed, rows }, undefined, 2)}\n`)
else say(`${tableOf(rows)}\n`)
const found = rows.some(({ name, ok }) => name.startsWith('fuzz ') && !ok)
if (found || (values.check && rows.some(({ ok }) => !ok))) process.exitCode = 1
