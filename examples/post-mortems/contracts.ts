import { composite, keyed, manual, probe, type Guard } from 'onefold'
import * as z from 'zod'

/** How a tool reaches the world in this example; yours calls its provider. */
export type Send = (path: string, body: unknown, send?: typeof fetch) => Promise<{ id: string }>
export type Find = (path: string) => Promise<{ id: string } | undefined>

export function contractsOf(guard: Guard, send: Send, find: Find) {
  // #region mail
  const sendMail = guard.tool({
    name: 'send_mail',
    input: z.object({ to: z.string(), subject: z.string(), body: z.string() }),
    effect: 'write',
    identity: ['to', 'subject'],
    ignore: ['body'], // the model words it anew at every attempt
    recovery: manual(), // a mail server takes no key and cannot be asked
    execute: (mail, ctx) => send(`plain/mail/${mail.to}`, mail, ctx.fetch),
  })
  // #endregion mail

  // #region subscription
  const charge = guard.tool({
    name: 'charge',
    input: z.object({ user: z.string(), plan: z.string(), cents: z.number().int() }),
    effect: 'write',
    identity: ['user', 'plan'],
    retention: '7d', // billing is retried for days
    recovery: keyed('24h'),
    execute: (input, ctx) => send(`charge/${input.user}`, input, ctx.fetch),
  })
  const grant = guard.tool({
    name: 'grant_entitlement',
    input: z.object({ user: z.string(), plan: z.string() }),
    effect: 'write',
    identity: ['user', 'plan'],
    sends: 'checked',
    recovery: probe(
      async ({ user }: { user: string }) => {
        const value = await find(`plain/grant/${user}`)
        return value === undefined ? { found: false } : { found: true, value }
      },
      { settle: '50ms' },
    ),
    execute: (input, ctx) => send(`plain/grant/${input.user}`, input, ctx.fetch),
  })
  // The retry that did the damage was one level above both: so this level is an operation too.
  const subscribe = guard.tool({
    name: 'subscribe',
    input: z.object({ user: z.string(), plan: z.string(), cents: z.number().int() }),
    effect: 'write',
    identity: ['user', 'plan'],
    retention: '7d',
    recovery: composite(),
    execute: async ({ user, plan, cents }) => {
      const { id } = await charge({ user, plan, cents })
      await grant({ user, plan })
      return { charge: id }
    },
  })
  // #endregion subscription

  // #region order
  const createOrder = guard.tool({
    name: 'create_order',
    input: z.object({ cart: z.string(), orderId: z.string(), items: z.array(z.string()) }),
    effect: 'write',
    identity: ['cart'], // what the customer has; never what the model makes up
    ignore: ['orderId'],
    recovery: keyed('24h'),
    execute: (input, ctx) => send(`order/${input.cart}`, input, ctx.fetch),
  })
  // #endregion order

  // #region ticket
  const createTicket = guard.tool({
    name: 'create_ticket',
    input: z.object({ incident: z.string(), text: z.string() }),
    effect: 'write',
    identity: ['incident'],
    ignore: ['text'],
    timeout: '200ms', // ends the waiting, not the work: a late answer is still recorded
    recovery: keyed('24h'),
    execute: (input, ctx) => send(`ticket/${input.incident}`, input, ctx.fetch),
  })
  // #endregion ticket

  // #region near
  const pay = guard.tool({
    name: 'pay_invoice',
    input: z.object({ invoice: z.string(), to: z.string(), cents: z.number().int() }),
    effect: 'write',
    identity: ['invoice'],
    near: { fields: ['to', 'cents'], within: '10m', then: 'hold' }, // almost the same is asked, not guessed
    recovery: keyed('24h'),
    execute: (input, ctx) => send(`pay/${input.to}`, input, ctx.fetch),
  })
  // #endregion near

  return { sendMail, subscribe, createOrder, createTicket, pay }
}
