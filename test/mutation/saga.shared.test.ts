import { expect, it } from 'vitest'
import { bench, type OrderInput } from './bench.ts'

const refOf =
  (name: string) =>
  ({ ref }: OrderInput) => ({ ref: `${name}-${ref}` })

/** Two trips that share their flight; the second finds no car. */
function trips() {
  const b = bench()
  const flight = b.tool({ name: 'flight' })
  const undo = { tool: b.tool({ name: 'cancel' }), input: refOf('cancel') }
  const first = { tool: flight, input: refOf('flight'), undo }
  const hotel = b.guard.saga<OrderInput>('hotel_trip', [
    first,
    { tool: b.tool({ name: 'hotel' }), input: refOf('hotel') },
  ])
  const car = b.guard.saga<OrderInput>('car_trip', [first, { tool: b.tool({ name: 'car' }), input: refOf('car') }])
  b.downstream.plan('car-a', 'refuse')
  return { b, flight, hotel, car }
}

it('a saga undoes what it did itself', async () => {
  const { b, car } = trips()
  expect(await b.until(car({ ref: 'a' }))).toMatchObject({ status: 'undone', failed: 'car' })
  expect(b.downstream.log).toEqual(['flight-a:ok', 'car-a:refuse', 'cancel-a:ok'])
})

it('and leaves alone what another saga did, which stands on it', async () => {
  const { b, hotel, car } = trips()
  expect(await b.until(hotel({ ref: 'a' }))).toMatchObject({ status: 'done' })
  expect(await b.until(car({ ref: 'a' }))).toMatchObject({ status: 'undone', failed: 'car' })
  expect(b.downstream.effects('cancel-a')).toBe(0)
  expect(await b.until(hotel({ ref: 'a' }))).toMatchObject({ status: 'done' })
})

it('and what was called by itself', async () => {
  const { b, flight, car } = trips()
  await b.until(flight({ ref: 'flight-a' }))
  expect(await b.until(car({ ref: 'a' }))).toMatchObject({ status: 'undone' })
  expect(b.downstream.effects('cancel-a')).toBe(0)
  expect(await b.until(flight({ ref: 'flight-a' }))).toMatchObject({ ref: 'flight-a' })
})
