import { unknownState, type HistoryEvent, type State } from '../../engine/index.ts'

type Place = HistoryEvent['from'] | HistoryEvent['to']

/** States as they lie in the file. The numbers are for ever; those of open states are at most {@link LAST_OPEN}. */
const NUMBERS: Readonly<Record<Place, number>> = {
  absent: 0,
  claimed: 1,
  executing: 2,
  'awaiting-input': 3,
  accepted: 4,
  'in-doubt': 5,
  recovering: 6,
  compensating: 7,
  committed: 8,
  rejected: 9,
  released: 10,
  compensated: 11,
  abandoned: 12,
  expired: 13,
  superseded: 14,
  deleted: 15,
}

/** Highest number of an open state; also written out in the partial index of `schema.sql.ts`. */
export const LAST_OPEN = 7

const PLACES = new Map<number, Place>(Object.entries(NUMBERS).map(([place, number]) => [number, place as Place]))

/** The number of a state, or of `absent` and `deleted` in the history. */
export function numberOf(place: Place): number {
  return NUMBERS[place]
}

/** What stands under a number, for people: also what this version does not know. */
export const nameOf = (number: number): string => PLACES.get(number) ?? `number ${number}`

/** @throws OnefoldError STORE_UNSAFE for a number that is no state of a record here: unknown states fail closed */
export function stateOf(number: number, key: string): State {
  const place = PLACES.get(number)
  if (place === undefined || place === 'absent' || place === 'deleted') throw unknownState(key, nameOf(number))
  return place
}
