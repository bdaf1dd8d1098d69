import { readFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { quarantineEnd, ticketOf, type Forensics, type OperationRecord, type Verdict } from '../../engine/index.ts'
import { dateOf, span } from '../ago.ts'
import { EXIT, wrongUse } from '../exit-code.ts'
import { colors, plain, print, printJson } from '../output.ts'
import { quarantineLeft, type View } from './next.ts'
import { asksBack } from './person.ts'
import { withLedger, type OpenLedger } from './open.ts'
import type { WhereOptions } from './locate.ts'
import { dataOf } from './shown.ts'
import { timeline } from './timeline.ts'
import { whoIs } from './words.ts'

export interface ResolveOptions extends WhereOptions {
  readonly done?: boolean
  readonly notDone?: boolean
  readonly abandon?: boolean
  readonly note?: string
  readonly by?: string
  readonly value?: string
  readonly valueFile?: string
  readonly yes?: boolean
  readonly json?: boolean
}

/**
 * `onefold ledger resolve KEY`: a person's word on a doubt (T16). It asks back on a terminal; without one it wants --yes,
 * so that no program settles a doubt by accident.
 */
export async function ledgerResolve(keyOrTicket: string, options: ResolveOptions): Promise<number> {
  const verdict = verdictOf(options)
  const given = valueOf(options, verdict)
  const asks = asksBack(options, 'Settling a doubt')
  if (!asks && options.note === undefined) throw wrongUse('Say why with --note "…". Nothing was changed.')
  return await withLedger(options, async (ledger) => {
    const found = await ledger.all.show(keyOrTicket, options.tenant)
    const note = asks ? await confirmed(found, verdict, ledger, options) : options.note
    if (note === undefined) {
      print('Nothing was changed.')
      return EXIT.findings
    }
    const who = options.by ?? userInfo().username
    const { key, tenant, generation } = found.record
    const resolved = await ledger.all.resolve(key, { verdict, who, note, generation, ...given }, tenant)
    if (options.json === true) printJson(dataOf(resolved, false))
    else print(told(resolved, who, 'value' in given))
    return EXIT.ok
  })
}

function verdictOf({ done, notDone, abandon }: ResolveOptions): Verdict['verdict'] {
  const said = [done === true, notDone === true, abandon === true].filter(Boolean).length
  if (said !== 1) throw wrongUse('Say one of --done, --not-done and --abandon. Nothing was changed.')
  if (done === true) return 'committed'
  return notDone === true ? 'released' : 'abandoned'
}

function valueOf({ value, valueFile }: ResolveOptions, verdict: Verdict['verdict']): { readonly value?: unknown } {
  if (value === undefined && valueFile === undefined) return {}
  if (value !== undefined && valueFile !== undefined) throw wrongUse('Give one of --value and --value-file.')
  if (verdict !== 'committed') throw wrongUse('A value goes with --done only: it is what repeats are answered.')
  let text = value ?? ''
  if (valueFile !== undefined) {
    try {
      text = readFileSync(valueFile, 'utf8')
    } catch {
      throw wrongUse(`${plain(valueFile)} cannot be read. Nothing was changed.`)
    }
  }
  try {
    return { value: JSON.parse(text) as unknown }
  } catch {
    throw wrongUse(`${valueFile === undefined ? '--value' : plain(valueFile)} is not JSON. Nothing was changed.`)
  }
}

/** Shows the operation and what the word will mean, and asks. The note, or undefined for "no". */
async function confirmed(
  found: Forensics,
  verdict: Verdict['verdict'],
  { view }: OpenLedger,
  options: ResolveOptions,
): Promise<string | undefined> {
  const { confirm, isCancel, text } = await import('@clack/prompts')
  print(timeline(found, view))
  print(`\n${meaning(found.record, verdict, view)}\n`)
  let { note } = options
  if (note === undefined) {
    const typed = await text({
      message: 'How do you know?',
      validate: (typed) => ((typed ?? '').trim() === '' ? 'A reason is recorded with every verdict.' : undefined),
    })
    if (isCancel(typed)) return undefined
    note = typed
  }
  const sure = await confirm({ message: QUESTIONS[verdict], initialValue: false })
  return sure === true ? note : undefined
}

const QUESTIONS = {
  committed: 'It happened. Record that?',
  released: 'It did not happen. Record that, and let it be tried again?',
  abandoned: 'Nobody will ever know. Close it for good?',
} as const

/** What a verdict means for later calls, and what it rests on. */
function meaning(record: OperationRecord, verdict: Verdict['verdict'], view: View): string {
  if (verdict === 'committed') {
    return 'Repeats of this call will be told that it is done, and get --value as their answer; nothing will run again.'
  }
  if (verdict === 'abandoned') {
    return 'Repeats of this call will be told that its outcome is unknown for good; nothing will run again.'
  }
  const left = quarantineLeft(record, view)
  const quarantine =
    left > 0
      ? `A request of this attempt could still land for ${span(left)} (the quarantine); until then this is refused.`
      : `The quarantine is over: since ${dateOf(quarantineEnd(record, view.quarantineMs))} nothing that was sent can still land.`
  return `${quarantine}
An answer that could not be recorded may lie in the spool of ${hostOf(record)}: start the program there first.
A repeat of this call will run, and act. If it did happen after all, it will then have happened twice.`
}

const hostOf = (record: OperationRecord): string => plain(whoIs(record.owner).split(' on ').at(-1) ?? record.owner)

function told(record: OperationRecord, who: string, hasValue: boolean): string {
  const ticket = colors.bold(ticketOf(record.key))
  const by = `${ticket} is ${colors.bold(record.state)}, on the word of ${plain(who)}.`
  switch (record.state) {
    case 'committed':
      return `${by} Repeats are answered ${hasValue ? 'with the value you gave' : 'that it is done, without a result'}.`
    case 'released':
      return `${by} The next equal call runs. Not asked: the spool of ${hostOf(record)}, where an answer may lie.`
    default:
      return `${by} Repeats are told that its outcome is unknown for good.`
  }
}
