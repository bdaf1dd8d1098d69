import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { machine } from '../lib.ts'
import { FAULTS } from './faults.ts'
import type { Growth } from './growth.ts'
import { isRight, type Matrix } from './rows.ts'
import type { SameKey } from './same-key.ts'
import type { Speed } from './speed.ts'

const PAGE = fileURLToPath(new URL('../../docs/reference/benchmarks.md', import.meta.url))
const BEGIN = '<!-- bench: stores -->'
const END = '<!-- end of bench: stores -->'

/** What a whole run found. */
export interface Figures {
  readonly speed: readonly Speed[]
  readonly sameKey: readonly SameKey[]
  readonly growth: readonly Growth[]
  readonly faults: readonly Matrix[]
}

const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
const table = (head: readonly string[], lines: readonly (readonly string[])[]): string =>
  [row(head), row(head.map(() => '---')), ...lines.map(row)].join('\n')

const times = (value: number): string => (Number.isFinite(value) ? `${value.toFixed(2)} ×` : '–')

function text({ speed, sameKey, growth, faults }: Figures, setup: Readonly<Record<string, string>>): string {
  const all = { ...machine(), ...setup }
  const parts = [
    Object.entries(all)
      .map(([name, value]) => `${name} ${value}`)
      .join(' · '),
  ]
  if (speed.length > 0) {
    parts.push(
      '### Speed\n\nRatios to the floor of the same store in the same run (medians over rounds in turns); µs and calls a second are of this machine.',
      table(
        [
          '',
          'first p50',
          'first p99',
          'replay p50',
          'replay p99',
          'again p50',
          '64 at once',
          'calls/s',
          'client CPU/call',
        ],
        speed.map(({ contender, ratios, ...found }) => [
          contender.name,
          `${times(ratios.firstP50)} (${Math.round(found.firstP50)} µs)`,
          times(ratios.firstP99),
          `${times(ratios.replayP50)} (${Math.round(found.replayP50)} µs)`,
          times(ratios.replayP99),
          times(ratios.againP50),
          times(ratios.perSecond),
          Math.round(found.perSecond).toLocaleString('en'),
          `${found.cpuUs.toFixed(0)} µs`,
        ]),
      ),
    )
  }
  if (sameKey.length > 0) {
    parts.push(
      '### 64 callers of one key\n\nSpread over four clients; the effect takes 100 to 300 ms. The delay is from the end of the effect to the answer.',
      table(
        ['', 'executions', 'answered', 'delay p50', 'delay p99', 'store commands'],
        sameKey.map(({ contender, ...found }) => [
          contender.name,
          found.executions.toFixed(1),
          `${(found.answered * 100).toFixed(1)} %`,
          `${found.delayP50.toFixed(1)} ms`,
          `${found.delayP99.toFixed(1)} ms`,
          Number.isNaN(found.commands) ? '–' : found.commands.toFixed(0),
        ]),
      ),
    )
  }
  if (faults.length > 0) {
    parts.push(
      '### Faults\n\nEffects at the downstream, and how it ended: **1** is right. *doubt*: listed for a person, who settled it. *stuck*: neither an answer nor a doubt after the lease.',
      table(
        ['', ...FAULTS],
        faults.map(({ contender, cells }) => [
          contender.name,
          ...FAULTS.map((fault) => {
            const cell = cells[fault]
            if (cell === undefined) return '–'
            const found = cell.end === 'answered' ? `${cell.effects}` : `${cell.effects}, ${cell.end}`
            return isRight(contender.name, cell) ? found : `**${found}**`
          }),
        ]),
      ),
    )
  }
  if (growth.length > 0) {
    parts.push(
      '### Growth\n\nOne claim after the other (p50) on a ledger of that many records.',
      table(
        ['', 'records: claim', 'last ÷ first'],
        growth.map(({ name, points }) => [
          name,
          points.map((point) => `${point.records.toLocaleString('en')}: ${Math.round(point.p50)} µs`).join(' · '),
          times((points.at(-1)?.p50 ?? Number.NaN) / (points[0]?.p50 ?? Number.NaN)),
        ]),
      ),
    )
  }
  return parts.join('\n\n')
}

/** Puts the figures of a run between the page's marks. @throws when the page has no marks */
export function writePage(figures: Figures, setup: Readonly<Record<string, string>>): void {
  const page = readFileSync(PAGE, 'utf8')
  const [from, to] = [page.indexOf(BEGIN), page.indexOf(END)]
  if (from === -1 || to < from) throw new Error(`${PAGE} has no marks ${BEGIN} … ${END}`)
  writeFileSync(PAGE, `${page.slice(0, from + BEGIN.length)}\n\n${text(figures, setup)}\n\n${page.slice(to)}`)
}
