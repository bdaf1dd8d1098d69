import { ticketOf, type Evidence, type Forensics, type HistoryEvent, type OperationRecord } from '../../engine/index.ts'
import { dateOf, span } from '../ago.ts'
import { colors, plain } from '../output.ts'
import { nextCommands } from './next.ts'
import { redacted } from './shown.ts'
import { settledBy, whoIs, wordsOf } from './words.ts'

export interface TimelineOptions {
  /** Store time, for "so long ago". */
  readonly now: number
  /** Shows arguments and not only their names. @default false */
  readonly showInput?: boolean
  /** Appended to the commands that are proposed, such as `--store sqlite:./x.db`. @default '' */
  readonly flags?: string
}

/** The forensic timeline of one operation, for people: what it is, what happened to it when, what settles it. */
export function timeline({ record, history }: Forensics, options: TimelineOptions): string {
  const settled = settledBy(record)
  const next = nextCommands(record, options.now, options.flags ?? '')
  return [
    title(record),
    ...facts(record, options).map(([name, value]) => `  ${colors.dim(name.padEnd(10))}${value}`),
    '',
    ...lines(record, history, options.now),
    '',
    ...(settled === undefined ? [] : [`  ${colors.bold('settled by')}  ${settled}`]),
    ...next.map((command, at) => `  ${colors.bold(at === 0 ? 'next      ' : '          ')}  ${command}`),
  ]
    .join('\n')
    .trimEnd()
}

function title(record: OperationRecord): string {
  const reason = record.reason === undefined ? '' : ` (${record.reason})`
  return `${colors.bold(plain(record.tool))} · ${coloured(record)}${reason} · ticket ${colors.bold(ticketOf(record.key))}`
}

function coloured({ state }: OperationRecord): string {
  if (state === 'committed') return colors.green(state)
  return state === 'in-doubt' || state === 'abandoned' || state === 'recovering' ? colors.yellow(state) : state
}

function facts(record: OperationRecord, { now, showInput }: TimelineOptions): readonly (readonly [string, string])[] {
  const { run, session, parent, occurrence, closedBy, outcome, error } = record
  const where = [
    `tenant ${record.tenant}`,
    ...(run === undefined ? [] : [`run ${run}${record.unanchored ? ' (unanchored)' : ''}`]),
    ...(session === undefined ? [] : [`session ${session}`]),
  ]
  const attempts = `${record.attempts}, of which ${record.openSends} without a known answer; fence ${record.fence}`
  return [
    ['key', record.key],
    ['in', plain(where.join(' · '))],
    ['recovery', `${record.recovery}${occurrence > 1 ? ` · occurrence ${occurrence}` : ''}`],
    ['recorded', `${dateOf(record.createdAt)} (${span(now - record.createdAt)} ago)`],
    ['attempts', attempts],
    ...(record.input === undefined ? [] : [['arguments', argumentsOf(record.input, showInput === true)] as const]),
    ...(outcome === undefined ? [] : [['answer', `${outcome.size} bytes, sha256 ${outcome.sha256.slice(0, 12)}`] as const]),
    ...(error === undefined ? [] : [['refusal', plain(showInput === true ? error.message : error.name)] as const]),
    ...(parent === undefined ? [] : [['inside', parent.key] as const]),
    ...(closedBy === undefined ? [] : [['closed by', plain(`${closedBy.who}: ${closedBy.note}`)] as const]),
  ]
}

function argumentsOf(input: string, showInput: boolean): string {
  if (showInput) return plain(input)
  return `${plain(JSON.stringify(redacted(input)))} ${colors.dim('(--show-input shows them)')}`
}

/** History and evidence in one order of time; runs of heartbeats as one line. */
function lines(record: OperationRecord, history: readonly HistoryEvent[], now: number): readonly string[] {
  const rows: { at: number; mark: string; text: string; who: string; times: number }[] = []
  for (const event of history) {
    const last = rows.at(-1)
    if (event.transition === 'heartbeat' && last?.mark === '♥' && last.who === event.who) {
      last.times += 1
      continue
    }
    const why = event.why === undefined ? '' : `: ${plain(event.why)}`
    const mark = event.transition === 'heartbeat' ? '♥' : /^T\d/.test(event.transition) ? event.transition : '·'
    rows.push({ at: event.at, mark, text: `${wordsOf(event)}${why}`, who: event.who, times: 1 })
  }
  for (const evidence of record.evidence) insert(rows, evidence)
  const start = rows[0]?.at ?? record.createdAt
  const whos = new Set(rows.map(({ who }) => who))
  const shown = rows.map(({ at, mark, text, who, times }) => {
    const when = `+${span(at - start)}`.padStart(9)
    const by = whos.size > 1 || mark === 'T16' ? colors.dim(`  ${plain(whoIs(who))}`) : ''
    return `  ${colors.dim(when)}  ${mark.padEnd(3)}  ${text}${times > 1 ? ` (${times} times)` : ''}${by}`
  })
  const [only] = whos
  if (whos.size === 1 && only !== undefined) shown.push(colors.dim(`  all by ${plain(whoIs(only))}`))
  if (record.state === 'in-doubt') shown.push(`  ${colors.yellow(`in doubt for ${span(now - record.doubtAt)}`)}`)
  return shown
}

/** Behind the step that it belongs to: evidence is dated by the reading that the step was decided on. */
function insert(rows: { at: number; mark: string; text: string; who: string; times: number }[], evidence: Evidence): void {
  const after = rows.findIndex(({ at }) => at >= evidence.at)
  const row = { at: evidence.at, mark: '·', text: `evidence: ${plain(evidence.what)}`, who: evidence.who, times: 1 }
  if (after === -1) rows.push(row)
  else rows.splice(after + 1, 0, { ...row, at: rows[after]?.at ?? evidence.at })
}
