/** One thing a customer sent back: the agent orders a replacement, refunds the difference, and says so by mail. */
export interface Return {
  readonly order: string
  readonly customer: string
  readonly item: string
  readonly cents: number
}

/** The tools of a return, in the order in which the model calls them. Each is one effect that is wanted once. */
export const STEPS = ['create_order', 'refund_payment', 'send_mail'] as const
export type Step = (typeof STEPS)[number]

/** A tool call as the model makes it. */
export interface Call {
  readonly name: Step
  readonly arguments: Readonly<Record<string, string | number>>
}

/** What the model read in answer to one of its calls. */
export interface Answer {
  readonly name: string
  readonly text: string
}

const ITEMS = ['kettle', 'lamp', 'rug', 'scarf', 'teapot', 'tent'] as const

/** `count` returns, always the same. */
export function returnsOf(count: number): readonly Return[] {
  return Array.from({ length: count }, (_, index) => ({
    order: `R-${String(index + 1).padStart(3, '0')}`,
    customer: `customer${index + 1}@example.com`,
    item: ITEMS[index % ITEMS.length] ?? 'lamp',
    cents: 1_500 + 250 * (index % 7),
  }))
}

/** A model gives a tool that fails a few chances, and one that says "do not call again" one more. */
const PATIENCE = 4
const PATIENCE_WHEN_TOLD = 2

/**
 * The scripted model: what it does next for one return, given every answer it has read so far. It behaves as models
 * do: an error is a reason to try again, in slightly other words. Undefined when it thinks it is through.
 */
export function nextCall(wanted: Return, answers: readonly Answer[]): Call | undefined {
  for (const step of STEPS) {
    const tries = answers.filter(({ name }) => name === step)
    if (tries.some(isSuccess)) continue
    const told = tries.filter(({ text }) => /not call (it )?again/i.test(text)).length
    if (tries.length >= PATIENCE || told >= PATIENCE_WHEN_TOLD) continue
    return { name: step, arguments: argumentsOf(step, wanted, tries.length) }
  }
  return undefined
}

/** Every success of the shop carries the id of what was done. */
const isSuccess = ({ text }: Answer): boolean => /"id"\s*:/.test(text)

const OPENINGS = ['', 'Please note: ', 'Trying once more. ', 'As asked before: '] as const

/** Only what a contract ignores changes from try to try. */
function argumentsOf(step: Step, { order, customer, item, cents }: Return, tries: number): Call['arguments'] {
  const opening = OPENINGS[tries % OPENINGS.length] ?? ''
  switch (step) {
    case 'create_order':
      return { order, item, note: `${opening}replacement for ${order}` }
    case 'refund_payment':
      return { order, cents, reason: `${opening}the ${item} was damaged` }
    case 'send_mail':
      return { to: customer, subject: `Your return ${order}`, body: `${opening}A new ${item} is on its way.` }
  }
}
