import { blackFriday, LOAD, type BlackFriday, type DayEnd } from '../../scenario/index.ts'
import { span } from '../ago.ts'
import { EXIT } from '../exit-code.ts'
import { colors, print, printJson, table } from '../output.ts'
import { inFolder } from './folder.ts'

export interface BlackFridayFlags {
  readonly seed: number
  readonly orders: number
  readonly keep?: boolean
  readonly json?: boolean
}

/** Plays the day and prints its end; 1 when the guarded day differs from single executions, or the bare one does not. */
export async function runBlackFriday(
  flags: BlackFridayFlags,
  form: { readonly agentProgram?: string; readonly again: string },
): Promise<number> {
  const told = await inFolder(flags.keep === true, (folder) =>
    blackFriday({
      orders: flags.orders,
      seed: flags.seed,
      folder,
      ...(form.agentProgram === undefined ? {} : { agentProgram: form.agentProgram }),
      onOrder: progress(flags.orders),
    }),
  )
  if (flags.json === true) printJson(forMachines(told, flags.keep === true))
  else print(report(told, form.again, flags.keep === true))
  return told.held ? EXIT.ok : EXIT.findings
}

const NAMES = { baseline: 'single executions', without: 'without Onefold', with: 'with Onefold' } as const

/** One line on a terminal, written over; nothing elsewhere. */
function progress(orders: number): (day: keyof typeof NAMES, done: number) => void {
  if (!process.stderr.isTTY) return () => undefined
  let shown = 0
  return (day, done) => {
    if (done < orders && performance.now() - shown < 100) return
    shown = performance.now()
    const text = `${NAMES[day].padEnd(18)} ${done.toLocaleString('en')} of ${orders.toLocaleString('en')} orders`
    process.stderr.write(`\r${text}${done === orders ? `\r${' '.repeat(text.length)}\r` : ''}`)
  }
}

const withoutState = ({ state: _, ...day }: DayEnd): Omit<DayEnd, 'state'> => day

function forMachines(told: BlackFriday, kept: boolean): object {
  const { ledger, ...rest } = told
  return {
    ...rest,
    baseline: withoutState(told.baseline),
    without: withoutState(told.without),
    with: withoutState(told.with),
    ...(kept ? { store: `sqlite:${ledger}` } : {}),
  }
}

function report(told: BlackFriday, again: string, kept: boolean): string {
  const { baseline, without, with: guarded } = told
  const row = (name: string, of: (day: DayEnd) => number | string): string[] => [
    name,
    ...[baseline, without, guarded].map((day) => {
      const value = of(day)
      return typeof value === 'number' ? value.toLocaleString('en') : value
    }),
  ]
  const effects = (day: DayEnd): number => Object.values(day.effects).reduce((sum, count) => sum + count, 0)
  const money = (day: DayEnd): string => (day.cents / 100).toLocaleString('en', { minimumFractionDigits: 2 })
  const [head = '', ...lines] = table(
    [
      ['', 'single executions', 'without Onefold', 'with Onefold'],
      row('orders corrupted', (day) => day.corrupted),
      row('effects', effects),
      row('duplicate effects', (day) => day.duplicates),
      row('mails', (day) => day.mails),
      row('money moved', money),
      row('stock below zero', (day) => day.negativeStock),
      row('status cycles', (day) => day.cycles),
      row('in doubt', (day) => day.inDoubt),
      row('took', (day) => span(day.tookMs)),
    ],
    [1, 2, 3],
  ).split('\n')
  return [
    colors.bold(`Black Friday: ${told.orders.toLocaleString('en')} orders at ${LOAD} times the ordinary load.`),
    'A slow model makes the gateway give up and send the order again; the first run goes on all the same. Answers of the',
    'inventory get lost. The agent tries again, in another order, in other words, under other ids, or cleans up first.',
    '',
    colors.dim(head),
    ...lines,
    '',
    told.held
      ? colors.green('With Onefold the databases hold exactly what single executions leave behind.')
      : colors.red('The verdict did not hold: see the figures above.'),
    colors.dim(`Counted in the inventory's own database. Seed ${told.seed}.`),
    '',
    colors.bold('Next'),
    ...(kept
      ? [`  npx onefold ledger stats --store sqlite:${told.ledger}`]
      : [`  ${again} --keep        the same, and the ledger stays`]),
    '  npx onefold demo         every story there is',
    '  npx onefold mcp -- COMMAND   the same protection in front of your own MCP server',
  ].join('\n')
}
