import { OPEN_STATES, STATES, ticketOf, type OperationRecord, type State } from '../../engine/index.ts'
import { span } from '../ago.ts'
import { EXIT, wrongUse } from '../exit-code.ts'
import { colors, plain, print, printJson, table } from '../output.ts'
import { withLedger } from './open.ts'
import type { WhereOptions } from './locate.ts'
import { dataOf } from './shown.ts'

export interface ListOptions extends WhereOptions {
  readonly inDoubt?: boolean
  readonly open?: boolean
  readonly state?: string
  readonly tool?: string
  readonly run?: string
  readonly allTenants?: boolean
  readonly limit: number
  readonly json?: boolean
}

const DOUBTFUL: readonly State[] = ['in-doubt', 'recovering']
/** Of what is being undone, nobody knows whether it stands: an undo whose process went away must not go unseen. */
const UNKNOWN: readonly State[] = [...DOUBTFUL, 'compensating']

/** `onefold ledger list` */
export async function ledgerList(options: ListOptions): Promise<number> {
  const states = statesOf(options)
  return await withLedger(options, async (ledger) => {
    // One more than is shown: a full page alone does not say that there is more.
    const page = await (options.allTenants === true ? ledger.all : ledger.own).list({
      limit: options.limit + 1,
      ...(states === undefined ? {} : { states }),
      ...(options.tool === undefined ? {} : { tool: options.tool }),
      ...(options.run === undefined ? {} : { run: options.run }),
    })
    const shown = page.records.slice(0, options.limit)
    const more = page.records.length > options.limit
    if (options.json === true) {
      const records = shown.map((record) => dataOf(record, false))
      const unreadable = page.unreadable?.map(({ key, message }) => ({ key, message }))
      printJson({ ledger: ledger.where.url, now: page.now, records, more, ...(unreadable && { unreadable }) })
      return EXIT.ok
    }
    for (const { message } of page.unreadable ?? []) print(colors.yellow(plain(message)))
    if (shown.length === 0) print(options.inDoubt === true ? 'Nothing is in doubt.' : 'No such operation.')
    else print(rows(shown, page.now, options.allTenants === true))
    if (more) print(colors.dim(`There are more; --limit ${options.limit * 10} shows more of them.`))
    if (options.allTenants !== true) {
      const hidden = await elsewhere(ledger)
      if (hidden > 0) print(colors.yellow(`${hidden} more in doubt in other tenants: --all-tenants`))
    }
    if (options.inDoubt === true && shown.length > 0) {
      print(`\n${colors.bold('next')}  onefold ledger show TICKET${ledger.where.flags}`)
    }
    return EXIT.ok
  })
}

function statesOf({ inDoubt, open, state }: ListOptions): readonly State[] | undefined {
  if ([inDoubt === true, open === true, state !== undefined].filter(Boolean).length > 1) {
    throw wrongUse('Give one of --in-doubt, --open and --state.')
  }
  if (inDoubt === true) return UNKNOWN
  if (open === true) return OPEN_STATES
  if (state === undefined) return undefined
  const known = STATES.find((one) => one === state)
  if (known === undefined) throw wrongUse(`${plain(state)} is no state. The states are ${STATES.join(', ')}.`)
  return [known]
}

function rows(records: readonly OperationRecord[], now: number, tenants: boolean): string {
  const head = [
    'TICKET',
    'TOOL',
    'STATE',
    'WHY',
    'RECOVERY',
    'ATTEMPTS',
    'SINCE',
    ...(tenants ? ['TENANT'] : []),
    'RUN',
  ]
  const body = records.map((record) => [
    ticketOf(record.key),
    plain(record.tool),
    record.state,
    record.reason ?? '',
    record.recovery,
    String(record.attempts),
    span(now - (DOUBTFUL.includes(record.state) ? record.doubtAt : record.updatedAt)),
    ...(tenants ? [plain(record.tenant)] : []),
    plain(record.run ?? ''),
  ])
  const [first = '', ...rest] = table([head, ...body], [5]).split('\n')
  return [colors.dim(first), ...rest].join('\n')
}

/** Doubts in tenants that this listing does not show: nothing in doubt may go unseen. */
async function elsewhere({ own, all }: { own: Stats; all: Stats }): Promise<number> {
  const [here, everywhere] = [await own.stats(), await all.stats()]
  const doubts = ({ states }: { states: Readonly<Record<string, number>> }): number =>
    UNKNOWN.reduce((sum, state) => sum + (states[state] ?? 0), 0)
  return doubts(everywhere) - doubts(here)
}

interface Stats {
  stats(): Promise<{ readonly states: Readonly<Record<string, number>> }>
}
