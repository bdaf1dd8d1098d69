/**
 * `npm run scenarios -- [ID…] [--store sqlite|memory|postgres|redis] [--json] [--check]`: every failure of the catalogue as a story, without
 * and with Onefold, counted at real programs. With `--check` a story that did not hold makes it exit 1.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { styleText, parseArgs } from 'node:util'
import {
  blackFriday,
  playStory,
  startTown,
  STORIES,
  total,
  type DayEnd,
  type Played,
} from '../../src/scenario/index.ts'
import { LEDGERS, type LedgerKind } from './ledgers.ts'

const { values: flags, positionals: wanted } = parseArgs({
  allowPositionals: true,
  options: {
    store: { type: 'string', default: 'sqlite' },
    json: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
  },
})
/** Black Friday has programs of its own, and its ledger is an embedded one whatever `--store` says. */
const BLACK_FRIDAY = { id: 'BF-10', orders: 300 } as const
const known = [...STORIES.flatMap(({ ids }) => ids), BLACK_FRIDAY.id]
const unknown = wanted.filter((id) => !known.includes(id))
if (!Object.hasOwn(LEDGERS, flags.store) || unknown.length > 0) {
  console.error(
    unknown.length > 0
      ? `No story for ${unknown.join(', ')}. There are: ${known.join(' ')}`
      : `--store takes ${Object.keys(LEDGERS).join(', ')}, not ${flags.store}`,
  )
  process.exit(2)
}

const line = (id: string, effects: readonly (string | number)[], verdict: string, title: string): string =>
  [id.padEnd(10), ...effects.map((count) => String(count).padStart(8)), ` ${verdict.padEnd(10)}`, title].join(' ')

const lineOf = ({ ids, title, baseline, without, with: guarded, verdict }: Played): string => {
  const counts = [total(baseline.books), total(without.books), total(guarded.books), guarded.doubts]
  const text = line(ids.join(' '), counts, verdict, title)
  if (verdict === 'held') return text
  return styleText('red', `${text}\n${JSON.stringify({ baseline, without, with: guarded }, undefined, 2)}`)
}

const ledgers = await LEDGERS[flags.store as LedgerKind]()
if (ledgers === undefined) process.exit(1)
async function playBlackFriday(): Promise<Played> {
  const folder = mkdtempSync(join(tmpdir(), 'onefold-black-friday-'))
  try {
    const day = await blackFriday({ orders: BLACK_FRIDAY.orders, seed: 7, folder })
    const endOf = ({ effects, inDoubt }: DayEnd): Played['with'] => ({ books: effects, doubts: inDoubt, broken: [] })
    return {
      ids: [BLACK_FRIDAY.id],
      title: `Black Friday, ${BLACK_FRIDAY.orders} orders; \`npm start\` plays 4,200`,
      baseline: endOf(day.baseline),
      without: endOf(day.without),
      with: endOf(day.with),
      verdict: day.held ? 'held' : 'broken',
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const town = await startTown()
const played: Played[] = []
try {
  if (!flags.json) console.log(line('id', ['wanted', 'without', 'with', 'in doubt'], 'verdict', `(${flags.store})`))
  for (const story of STORIES) {
    if (wanted.length > 0 && !story.ids.some((id) => wanted.includes(id))) continue
    const one = await playStory(story, { town, openStore: ledgers.open })
    played.push(one)
    if (!flags.json) console.log(lineOf(one))
  }
  if (wanted.length === 0 || wanted.includes(BLACK_FRIDAY.id)) {
    const one = await playBlackFriday()
    played.push(one)
    if (!flags.json) console.log(lineOf(one))
  }
} finally {
  await town.close()
  await ledgers.close()
}
const held = played.filter(({ verdict }) => verdict === 'held').length
if (flags.json) console.log(JSON.stringify({ store: flags.store, held, of: played.length, played }, undefined, 2))
else console.log(`\n${held} of ${played.length} stories held`)
if (flags.check && held < played.length) process.exitCode = 1
