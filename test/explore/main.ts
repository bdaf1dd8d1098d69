/**
 * `npm run explore`: every reachable state of the production state machine, per recovery class; then the Promela
 * model. `--mutants`: the seeded faults instead, by layer.
 */
import { parseArgs } from 'node:util'
import { checkMutant, type MutantVerdicts, type Verdict } from './mutant-check.ts'
import { MUTANTS } from './mutants.ts'
import { tableOf, type Row } from './rows.ts'
import { explore } from './search.ts'
import { SETUPS } from './setup.ts'
import { spin, SPIN_MODELS, spinMissing } from './spin.ts'
import { walkMany } from './walk.ts'

const { values } = parseArgs({
  options: {
    class: { type: 'string' },
    states: { type: 'string', default: '800000' },
    walks: { type: 'string', default: '20000' },
    mutants: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

if (values.help) {
  process.stdout.write(
    'explore [--class NAME] [--states N per class] [--walks N] [--mutants] [--json] [--check]\n' +
      'A violation always exits 1; --check makes every missed target exit 1.\n',
  )
  process.exit(0)
}

const states = Number(values.states)
const walks = Number(values.walks)
if (!(states > 0) || !(walks >= 0)) {
  process.stderr.write('explore: --states and --walks take positive numbers\n')
  process.exit(2)
}

const say = (line: string): void => {
  if (!values.json) process.stdout.write(`${line}\n`)
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`
const count = (n: number): string => n.toLocaleString('en')

function proofRows(): readonly Row[] {
  const rows: Row[] = []
  let total = 0
  let ms = 0
  const chosen = SETUPS.filter(
    (setup) => values.class === undefined || setup.name === values.class || setup.recovery === values.class,
  )
  if (chosen.length === 0) {
    process.stderr.write(`explore: no class ${values.class}; one of ${SETUPS.map((setup) => setup.name).join(', ')}\n`)
    process.exit(2)
  }
  for (const setup of chosen) {
    const found = explore(setup, { limit: states })
    total += found.states
    ms += found.ms
    const how = found.complete ? 'all' : `first ${count(states)}`
    rows.push({
      name: `explore ${setup.name}`,
      value:
        found.violation?.what ??
        `${count(found.states)} states (${how}), ${count(found.edges)} moves, ${seconds(found.ms)}`,
      target: '0 violations, 0 dead ends',
      ok: found.violation === undefined,
      ...(found.violation === undefined ? {} : { details: found.violation.path }),
    })
  }
  if (values.class === undefined) {
    rows.push({
      name: 'explore distinct states per 60 s',
      value: `${count(Math.round((total / ms) * 60_000))} (${count(total)} in ${seconds(ms)})`,
      target: '1,000,000',
      ok: total >= Math.min(1_000_000, states) && (total / ms) * 60_000 >= 1_000_000,
    })
  }
  for (const setup of chosen) {
    const walked = walkMany(setup, walks)
    rows.push({
      name: `walk ${setup.name}`,
      value: walked.violation?.what ?? `${count(walked.walks)} walks, ${count(walked.steps)} steps`,
      target: '0 violations',
      ok: walked.violation === undefined,
      ...(walked.violation === undefined
        ? {}
        : { details: [`seed ${walked.violation.seed}`, ...walked.violation.trace] }),
    })
  }
  const missing = spinMissing()
  if (missing !== undefined) {
    say(missing)
    return rows
  }
  for (const model of SPIN_MODELS) {
    if (values.class !== undefined && !model.name.startsWith(values.class)) continue
    const spun = spin(model.defines)
    rows.push({
      name: `spin ${model.name}`,
      value: `${count(spun.states)} states, ${spun.errors} errors, ${seconds(spun.ms)}`,
      target: '0 errors',
      ok: spun.errors === 0,
    })
  }
  return rows
}

const word = ({ caught, what }: Verdict): string =>
  caught === undefined ? 'not run' : caught ? (what.split(' ', 1)[0] ?? '') : 'missed'

function mutantRow(verdicts: MutantVerdicts): Row {
  const { mutant, layers } = verdicts
  return {
    name: `${mutant.name}${mutant.off === undefined ? '' : ' *'}`,
    value: `${layers} layers (explore ${word(verdicts.explore)}, walk ${word(verdicts.walk)}, spin ${word(verdicts.spin)})`,
    target: '2 layers',
    ok: layers >= 2,
  }
}

function mutantRows(): readonly Row[] {
  const missing = spinMissing()
  if (missing !== undefined) say(missing)
  const rows = MUTANTS.map((mutant) => mutantRow(checkMutant(mutant, { states, walks: walks * 10 })))
  const caught = rows.filter((row) => row.ok).length
  return [
    ...rows,
    {
      name: 'mutants caught',
      value: `${caught} of ${rows.length}`,
      target: `${rows.length} of ${rows.length}`,
      ok: caught === rows.length,
    },
  ]
}

const rows = values.mutants ? mutantRows() : proofRows()
if (values.json) process.stdout.write(`${JSON.stringify(rows, undefined, 2)}\n`)
else {
  say(tableOf(rows))
  if (values.mutants)
    for (const { name, off } of MUTANTS) if (off !== undefined) say(`* ${name}: with this defence off too: ${off}`)
}
const violated = !values.mutants && rows.some((row) => row.target.startsWith('0 ') && !row.ok)
if (violated || (values.check && rows.some((row) => !row.ok))) process.exitCode = 1
