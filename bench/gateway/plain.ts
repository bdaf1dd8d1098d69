/** The same proxy without a ledger: Hono and its proxy helper. `node plain.ts UPSTREAM` prints its port. */
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { proxy } from 'hono/proxy'

const upstream = process.argv[2] ?? ''
const app = new Hono()
app.all('*', (context) => {
  const { pathname, search } = new URL(context.req.url)
  return proxy(`${upstream}${pathname}${search}`, context.req)
})
serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) => console.log(port))
process.stdin.on('end', () => process.exit(0)).resume()
