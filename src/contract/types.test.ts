import { type } from 'arktype'
import * as v from 'valibot'
import { expect, expectTypeOf, it } from 'vitest'
import * as z from 'zod'
import { idempotent, keyed, manual, probe } from './recovery.ts'
import type { StandardSchemaV1 } from './standard-schema.ts'
import type { FieldPath, ToolOptions } from './types.ts'

/** Infers as a guard's `tool` does. */
function tool<Schema extends StandardSchemaV1, Output>(
  options: ToolOptions<Schema, Output>,
): (input: StandardSchemaV1.InferOutput<Schema>) => Promise<Output> {
  return async () => Promise.reject(new Error(`${options.name}: only types are tested here`))
}

const zod = z.object({
  orderId: z.string(),
  customer: z.object({ id: z.string() }).optional(),
  lines: z.array(z.object({ sku: z.string() })),
})
const valibot = v.object({ orderId: v.string(), customer: v.optional(v.object({ id: v.string() })) })
const arktype = type({ orderId: 'string', 'customer?': { id: 'string' } })

const common = { name: 'ship', effect: 'write', recovery: manual() } as const

it('a write without identity or recovery is a type error', () => {
  // @ts-expect-error -- identity is missing
  tool({ name: 'ship', effect: 'write', input: zod, recovery: manual(), execute: () => 1 })
  // @ts-expect-error -- recovery is missing
  tool({ name: 'ship', effect: 'write', input: zod, identity: ['orderId'], execute: () => 1 })
  // @ts-expect-error -- a list of no field identifies nothing
  tool({ ...common, input: zod, identity: [], execute: () => 1 })
  // @ts-expect-error -- an effect must be declared
  tool({ name: 'ship', input: zod, execute: () => 1 })
  // @ts-expect-error -- a read has no identity
  tool({ name: 'ship', effect: 'read', input: zod, identity: ['orderId'], execute: () => 1 })
  tool({ name: 'ship', effect: 'read', input: zod, execute: () => 1 })
  tool({ ...common, input: zod, identity: 'all', execute: () => 1 })
  tool({ ...common, input: zod, identity: 'sequence', execute: () => 1 })
  expect(true).toBe(true)
})

it('identity, ignore and their like are typed as fields of the input', () => {
  tool({ ...common, input: zod, identity: ['orderId', 'customer.id', 'lines'], ignore: ['customer'], execute: () => 1 })
  tool({ ...common, input: valibot, identity: ['orderId', 'customer.id'], amount: 'orderId', execute: () => 1 })
  tool({
    ...common,
    input: arktype,
    identity: ['orderId', 'customer.id'],
    exclusive: ['customer.id'],
    execute: () => 1,
  })
  // @ts-expect-error -- no such field
  tool({ ...common, input: zod, identity: ['orderID'], execute: () => 1 })
  // @ts-expect-error -- no such nested field
  tool({ ...common, input: zod, identity: ['customer.name'], execute: () => 1 })
  // @ts-expect-error -- no such field
  tool({ ...common, input: valibot, identity: ['customer.name'], execute: () => 1 })
  // @ts-expect-error -- no such field
  tool({ ...common, input: arktype, identity: ['customer.name'], execute: () => 1 })
  // @ts-expect-error -- no such field
  tool({ ...common, input: zod, identity: ['orderId'], ignore: ['reason'], execute: () => 1 })
  expectTypeOf<FieldPath<z.output<typeof zod>>>().toEqualTypeOf<'orderId' | 'customer' | 'customer.id' | 'lines'>()
  expectTypeOf<FieldPath<unknown>>().toEqualTypeOf<never>()
})

it('functions of the input know it, and the output is inferred', () => {
  const ship = tool({
    ...common,
    input: zod,
    identity: (input) => {
      expectTypeOf(input).toEqualTypeOf<z.output<typeof zod>>()
      return input.orderId
    },
    execute: async (input) => ({ id: input.orderId }),
    verify: (outcome) => outcome.id !== '',
    compensate: async (outcome) => outcome.id,
  })
  expectTypeOf(ship).toEqualTypeOf<(input: z.output<typeof zod>) => Promise<{ id: string }>>()
  const byArktype = tool({ ...common, input: arktype, identity: ['orderId'], execute: (input) => input.orderId })
  expectTypeOf(byArktype).returns.resolves.toEqualTypeOf<string>()
  const byValibot = tool({ ...common, input: valibot, identity: ['orderId'], execute: (input) => input.customer?.id })
  expectTypeOf(byValibot).returns.resolves.toEqualTypeOf<string | undefined>()
})

it('keyed() fits every tool; a probe must fit the input that it declares and the output', () => {
  const shared = { name: 'ship', effect: 'write', input: zod, identity: ['orderId'] } as const
  const execute = (input: { orderId: string }): { id: string } => ({ id: input.orderId })
  const plain = tool({ ...shared, recovery: keyed('24h'), execute })
  expectTypeOf(plain).returns.resolves.toEqualTypeOf<{ id: string }>()
  // TypeScript calls probe() before it knows the schema, so its input is declared; what is declared is checked.
  const ask = probe(async (input: { orderId: string }) => ({ found: true, value: { id: input.orderId } }), {
    settle: '5s',
  })
  tool({ ...shared, recovery: ask, execute })
  tool({ ...shared, recovery: keyed('24h', { probe: ask.probe }), execute })
  tool({
    ...shared,
    recovery: idempotent({ precondition: (input: { orderId: string }) => input.orderId !== '' }),
    execute,
  })
  const otherInput = probe((input: { invoiceId: string }) => ({ found: input.invoiceId === '' ? 'unknown' : false }), {
    settle: '5s',
  })
  // @ts-expect-error -- the input has no `invoiceId`
  tool({ ...shared, recovery: otherInput, execute })
  const otherValue = probe((input: { orderId: string }) => ({ found: true, value: input.orderId.length }), {
    settle: '5s',
  })
  // @ts-expect-error -- the probe's value is not the tool's output
  tool({ ...shared, recovery: otherValue, execute })
  // @ts-expect-error -- not a duration
  expect(() => keyed('a day')).toThrow('keyed()')
})
