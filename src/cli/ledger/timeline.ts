import { ticketOf, type Evidence, type Forensics, type HistoryEvent, type OperationRecord } from '../../engine/index.ts'
import { dateOf, span } from '../ago.ts'
import { colors, plain, table } from '../output.ts'
import { nextCommands, type NextCommand, type View } from './next.ts'
import { redacted } from './shown.ts'
import { settledBy, whoIs, wordsOf } from './words.ts'

export interface TimelineOptions extends View {
  /** Shows arguments and not only their names. @default false */
  readonly showInput?: boolean
}

/** The forensic timeline of one operation, for people: what it is, what happened to it when, what settles it. */
export function timeline({ record, history }: Forensics, options: TimelineOptions): string {
  const settled = settledBy(record)
  const next = nextCommands(record, options)
  return [
    title(record),
    ...facts(record, options).map(([name, value]) => `  ${colors.dim(name.padEnd(11))}${value}`),
    '',
    ...lines(record, history, options.now),
    '',
    ...(settled === undefined ? [] : [`  ${colors.bold('settled by')}  ${settled}`]),
    ...proposed(next),
  ]
    .join('\n')
    .trimEnd()
}

function proposed(next: readonly NextCommand[]): readonly string[] {
  if (next.length === 0) return []
  const lines = table(next.map(({ command, says }) => [command, says])).split('\n')
  return lines.map((line, at) => `  ${colors.bold(at === 0 ? 'next      ' : '          ')}  ${line}`)
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
    ...(outcome === undefined
      ? []
      : [['answer', `${outcome.size} bytes, sha256 ${outcome.sha256.slice(0, 12)}`] as const]),
    ...(error === undefined ? [] : [['refusal', plain(showInput === true ? error.message : error.name)] as const]),
    ...(parent === undefined ? [] : [['inside', parent.key] as const]),
    ...(record.state === 'superseded' ? [['now under', record.nonce] as const] : []),
    ...(closedBy === undefined ? [] : [['closed by', plain(`${closedBy.who}: ${closedBy.note}`)] as const]),
  ]
}

function argumentsOf(input: string, showInput: boolean): string {
  if (showInput) return plain(input)
  return `${plain(JSON.stringify(redacted(input)))} ${colors.dim('(--show-input shows them)')}`
}

/** History and evidence in one order of time; runs of heartbeats as one line. */
function lines(record: OperationRecord, history: readonly HistoryEvent[], now: number): readonly string[] {
  const rows: Row[] = []
  for (const event of history) {
    const last = rows.at(-1)
    if (event.transition === 'heartbeat' && last?.mark === '♥' && last.who === event.who) {
      last.times += 1
      continue
    }
    const why =
      event.why === undefined
        ? ''
        : event.transition === 'duplicate'
          ? `: ${plain(event.why)}`
          : `: “${plain(event.why)}”`
    const mark = event.transition === 'heartbeat' ? '♥' : /^T\d/.test(event.transition) ? event.transition : '·'
    rows.push({ at: event.at, mark, text: `${wordsOf(event)}${why}`, who: event.who, times: 1 })
  }
  for (const evidence of record.evidence) insert(rows, evidence)
  const start = rows[0]?.at ?? record.createdAt
  let last: string | undefined
  const shown = rows.map(({ at, mark, text, who, times }) => {
    const when = `+${span(at - start)}`.padStart(9)
    const by = who === last ? '' : colors.dim(`  ${plain(whoIs(who))}`)
    last = who
    return `  ${colors.dim(when)}  ${mark.padEnd(3)}  ${text}${times > 1 ? ` (${times} times)` : ''}${by}`
  })
  if (record.state === 'in-doubt') shown.push(`  ${colors.yellow(`in doubt for ${span(now - record.doubtAt)}`)}`)
  return shown
}

/** Behind the step that it belongs to: evidence is dated by the reading that the step was decided on, a little earlier. */
function insert(rows: Row[], { at, what, who }: Evidence): void {
  const step = rows.findIndex((row) => row.at >= at && BRINGS_EVIDENCE.includes(row.mark))
  // A person's verdict carries its note itself.
  if (rows[step]?.mark === 'T16') return
  const row = { at: rows[step]?.at ?? at, mark: '·', text: `evidence: ${plain(what)}`, who, times: 1 }
  let after = step === -1 ? rows.length - 1 : step
  while (rows[after + 1]?.text.startsWith('evidence') === true) after += 1
  rows.splice(after + 1, 0, row)
}

const BRINGS_EVIDENCE: readonly string[] = ['T0', 'T8', 'T14', 'T15', 'T16']

interface Row {
  readonly at: number
  readonly mark: string
  readonly text: string
  readonly who: string
  times: number
}
