import { span } from '../ago.ts'
import { colors, table } from '../output.ts'
import type { Kind } from './shop-books.ts'

/** What became of the wishes of one kind, counted in the shop's own database. */
export interface Row {
  readonly kind: Kind
  readonly wanted: number
  readonly done: number
  readonly duplicates: number
  /** Wanted, and not done. */
  readonly missing: number
  /** What the ledger lists as unknown; undefined where nothing keeps a list. */
  readonly inDoubt: number | undefined
}

export interface EndState {
  readonly rows: readonly Row[]
  readonly tookMs: number
}

/** Both end states of the demonstration, and what to look at next. */
export interface Story {
  readonly seed: number
  readonly returns: number
  readonly without: EndState
  readonly with: EndState
  /** One operation as `onefold ledger show` prints it. */
  readonly shown: { readonly name: string; readonly timeline: string } | undefined
  /** `name` is what a command takes. */
  readonly doubts: readonly { readonly name: string; readonly tool: string }[]
  /** The ledger that was kept. */
  readonly store?: string
}

/** The demonstration's end for people. `again` is the command that runs it, such as `npm start --`. */
export function report(story: Story, again: string): string {
  const effects = sum(story.with.rows, 'wanted')
  return [
    colors.bold(`${story.returns} returns, ${effects} effects wanted. The shop does what it is asked,`),
    colors.bold('and 30 % of its answers never arrive; the agent tries again, in other words.'),
    '',
    endStates(story),
    '',
    colors.dim(
      `Counted in the shop's own database. Seed ${story.seed}; ${span(story.without.tookMs)} without, ${span(story.with.tookMs)} with Onefold.`,
    ),
    ...(story.doubts.length === 0 ? [] : [doubtsExplained(story)]),
    '',
    ...(story.shown === undefined
      ? []
      : [
          colors.bold(`What the ledger tells about one operation (onefold ledger show ${story.shown.name})`),
          '',
          story.shown.timeline,
          '',
        ]),
    colors.bold('Next'),
    ...next(story, again).map((line) => `  ${line}`),
  ].join('\n')
}

function endStates({ without, with: guarded }: Story): string {
  const total = (rows: readonly Row[], name: 'wanted' | 'done' | 'duplicates' | 'inDoubt'): string =>
    String(sum(rows, name))
  const body = guarded.rows.map((row, at) => {
    const bare = without.rows[at] ?? row
    const doubt = String(row.inDoubt ?? 0)
    return [
      `${row.kind}s`,
      String(row.wanted),
      '',
      String(bare.done),
      String(bare.duplicates),
      '?',
      '',
      String(row.done),
      String(row.duplicates),
      doubt,
    ]
  })
  const text = table(
    [
      ['', 'wanted', ' ', 'done', 'duplicates', 'in doubt', ' ', 'done', 'duplicates', 'in doubt'],
      ...body,
      [
        'all',
        total(guarded.rows, 'wanted'),
        '',
        total(without.rows, 'done'),
        total(without.rows, 'duplicates'),
        '?',
        '',
        total(guarded.rows, 'done'),
        total(guarded.rows, 'duplicates'),
        total(guarded.rows, 'inDoubt'),
      ],
    ],
    [1, 3, 4, 5, 7, 8, 9],
  )
  const [head = '', ...lines] = text.split('\n')
  const over = head.indexOf('done')
  const second = head.indexOf('done', over + 1)
  const title = `${' '.repeat(over)}${colors.red('without Onefold'.padEnd(second - over))}${colors.green('with Onefold')}`
  return [title, colors.dim(head), ...lines].join('\n')
}

const sum = (rows: readonly Row[], name: 'wanted' | 'done' | 'duplicates' | 'inDoubt'): number =>
  rows.reduce((so, row) => so + (row[name] ?? 0), 0)

const doubtsExplained = ({ doubts }: Story): string =>
  `In doubt: ${doubts.length} ${doubts.length === 1 ? 'mail' : 'mails'}, of which the answer was lost. Nothing can be asked, so none was sent a second time;
each has a ticket, and a person's word settles it. Without Onefold nobody knows which they are.`

function next({ store, doubts }: Story, again: string): readonly string[] {
  if (store === undefined) {
    return table([
      [`${again} --keep`, 'the same, and the ledger stays: list its doubts, settle one'],
      [OWN, 'the same protection in front of your own MCP server'],
    ]).split('\n')
  }
  const [doubt] = doubts
  const flag = `--store ${store}`
  return [
    `npx onefold ledger list --in-doubt ${flag}`,
    ...(doubt === undefined
      ? []
      : [`npx onefold ledger resolve ${doubt.name} --done --note "asked the customer" ${flag}`]),
    OWN,
  ]
}

const OWN = 'npx onefold mcp -- COMMAND'
