import type { HistoryEvent, State } from '../../engine/index.ts'
import { OnefoldError } from '../../error/index.ts'

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

/** @throws OnefoldError STORE_UNSAFE for a number that this version does not know: unknown states fail closed */
export function placeOf(number: number): Place {
  const place = PLACES.get(number)
  if (place === undefined) {
    throw new OnefoldError(
      'STORE_UNSAFE',
      `The ledger holds state ${number}, which this version of onefold does not know. Nothing was done: update onefold.`,
    )
  }
  return place
}

/** @throws OnefoldError STORE_UNSAFE for a number that is no state of a record */
export function stateOf(number: number): State {
  return placeOf(number) as State
}
