/** The same protection inside an app: a handler of the Fetch kind, and Express. */
// #region fetch
import { keyed, manual, onefold } from 'onefold'
import { protectHandler } from 'onefold/http'
// #endregion fetch
import express from 'express'
import { expressMiddleware } from 'onefold/http'
import { sqliteStore } from 'onefold/sqlite'
import type { Guard } from 'onefold'

/** Charges downstream; the key makes the provider do it once. */
export type Charge = (order: unknown, key: string) => Promise<{ readonly id: string }>

export function fetchApp(file: string, charge: Charge) {
  // #region handler
  const guard = onefold({ store: sqliteStore(file) })

  const handle = protectHandler(
    guard,
    {
      routes: [
        // The caller's Idempotency-Key is the identity; what it may not change is the body.
        { match: 'POST /orders', key: 'required', recovery: keyed('24h') },
        { match: 'GET /**', effect: 'read' },
      ],
    },
    async (request, context) => {
      if (context === undefined) return Response.json([])
      const order = await request.json()
      // The same key on every attempt of this operation, also on those that recovery makes.
      const { id } = await charge(order, context.downstreamKey('stripe'))
      return Response.json({ id }, { status: 201 })
    },
  )
  // #endregion handler
  return { guard, handle }
}

export function expressApp(guard: Guard, charge: Charge) {
  // #region express
  const app = express()
  app.use(express.json())
  app.use(
    expressMiddleware(guard, {
      name: 'shop',
      routes: [{ match: 'POST /refunds/:id', identity: ['path.id'], ignore: ['body.reason'], recovery: manual() }],
    }),
  )
  app.post('/refunds/:id', async (request, response) => {
    response.status(201).json(await charge(request.params.id, request.get('idempotency-key') ?? ''))
  })
  // #endregion express
  return app
}
