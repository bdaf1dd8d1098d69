import { chance } from './fate.ts'
import type { Order } from './orders.ts'

/** A tool call as the model makes it: names and words are its own, and other ones at every attempt. */
export interface ModelCall {
  readonly name: ToolName
  readonly input: Readonly<Record<string, string | number>>
}

export type ToolName =
  | 'reserve_inventory'
  | 'release_inventory'
  | 'update_order_status'
  | 'create_transfer_order'
  | 'send_mail'

/** What the model read in answer to a call. */
export interface ModelRead {
  readonly name: ToolName
  readonly error: string | undefined
}

/** Where one attempt at an order stands; the model's whole memory of it. */
export interface Mind {
  readonly order: Order
  readonly attempt: number
  readonly seed: number
  phase: number
  /** Calls to make once more, with other words. */
  repeat: readonly ToolName[]
  patience: number
  words: number
}

export const newMind = (seed: number, order: Order, attempt: number): Mind => ({
  order,
  attempt,
  seed,
  phase: 0,
  repeat: [],
  patience: 3,
  words: 0,
})

const PHASES: readonly (readonly (readonly [ToolName, string?])[])[] = [
  [['reserve_inventory'], ['update_order_status', 'PENDING']],
  [['create_transfer_order']],
  [['update_order_status', 'CONFIRMED'], ['send_mail']],
]

/**
 * What the model does next, given what it read: the calls of a turn, or undefined when it is done. It is not
 * deterministic: each attempt orders, words and names differently. Told of an error it tries again in other words, or
 * cleans up (release, CANCELLED) and starts over; told that an outcome is unknown and not to call again, it goes on.
 */
export function nextTurn(mind: Mind, read: readonly ModelRead[]): readonly ModelCall[] | undefined {
  const failed = read.filter(({ error }) => error !== undefined && !error.includes('Do not call it again'))
  if (failed.length > 0 && mind.patience > 0) {
    mind.patience -= 1
    const cleansUp = chance(mind.seed, 'cleans-up', mind.order.id, mind.attempt, mind.words) < 0.4
    if (cleansUp && failed.some(({ name }) => name !== 'send_mail' && name !== 'release_inventory')) {
      mind.phase = 0
      return [callOf(mind, 'release_inventory'), callOf(mind, 'update_order_status', 'CANCELLED')]
    }
    return failed.map(({ name }) => callOf(mind, name, mind.phase === 1 ? 'PENDING' : 'CONFIRMED'))
  }
  const steps = PHASES[mind.phase]
  if (steps === undefined) return undefined
  mind.phase += 1
  const calls = steps.map(([name, status]) => callOf(mind, name, status))
  return chance(mind.seed, 'order-of-calls', mind.order.id, mind.attempt, mind.phase) < 0.5 ? calls : calls.toReversed()
}

function callOf(mind: Mind, name: ToolName, status?: string): ModelCall {
  const { order } = mind
  mind.words += 1
  const note = `${WORDS[Math.floor(chance(mind.seed, order.id, mind.attempt, mind.words) * WORDS.length)] ?? ''} (${mind.attempt}.${mind.words})`
  const goods = { order: order.id, sku: order.sku, quantity: order.quantity }
  switch (name) {
    case 'reserve_inventory':
    case 'release_inventory':
      return { name, input: { ...goods, note } }
    case 'create_transfer_order': {
      const transfer = `TR-${Math.floor(chance(mind.seed, 'id', order.id, mind.attempt, mind.words) * 1e9)}`
      return { name, input: { order: order.id, transfer, cents: order.cents, note } }
    }
    case 'update_order_status':
      return { name, input: { order: order.id, status: status ?? 'PENDING', note } }
    case 'send_mail':
      return { name, input: { order: order.id, note } }
  }
}

const WORDS = ['as asked', 'once more, please', 'for the customer', 'urgent', 'to be safe', 'following up'] as const
