import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { eventually, inShop, listed, receiptOf, textOf, TOOLS, type Shop, PATIENCE } from './fixtures/harness.ts'
import { callLine, inRawProxy, read, type RawProxy } from './fixtures/raw-proxy.ts'
import type { RawClient } from './fixtures/raw-client.ts'

const INITIALIZE =
  '{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}'
const mail = { to: 'a@example', subject: 's', body: 'b' }

describe.concurrent('an effect that has started', PATIENCE, () => {
  async function started(shop: Shop): Promise<RawClient> {
    const client = shop.raw(true)
    await client.ask(INITIALIZE)
    client.send('{"jsonrpc":"2.0","method":"notifications/initialized"}\n')
    shop.downstream.next('messages', 'hold')
    client.send(`${callLine(1, 'send_message', mail)}\n`)
    await shop.downstream.happened('messages', 1)
    return client
  }

  it(
    'is followed into the ledger after the client has closed its end',
    inShop(async (shop) => {
      const client = await started(shop)
      client.end()
      shop.downstream.release()
      expect(await client.exited).toBe(0)
      expect(await listed(await shop.ledger(), ['committed'])).toMatchObject([
        { tool: 'shop:send_message', attempts: 1 },
      ])
    }),
  )

  it(
    'is followed into the ledger after SIGTERM, and its caller still gets the answer',
    inShop(async (shop) => {
      const client = await started(shop)
      client.child.kill('SIGTERM')
      shop.downstream.release()
      expect(read(await client.line()).result?._meta['io.onefold/receipt']).toMatchObject({ status: 'executed' })
      expect(await client.exited).toBe(0)
      expect(await listed(await shop.ledger(), ['committed'])).toHaveLength(1)
    }),
  )

  it(
    'is left in doubt by a second signal, which does not wait',
    inShop(async (shop) => {
      const client = await started(shop)
      client.child.kill('SIGTERM')
      await client.says('stopping when 1 started calls have ended')
      const other = read(await client.ask(callLine(2, 'send_message', { ...mail, to: 'b' })))
      expect(other, 'nothing new is begun').toMatchObject({
        id: 2,
        error: { data: { type: 'CANCELLED', effect: 'none' } },
      })
      client.child.kill('SIGINT')
      expect(await client.exited).toBe(1)
      expect(await listed(await shop.ledger(), ['in-doubt'])).toMatchObject([{ reason: 'shutdown' }])
    }),
  )

  it(
    'is not started by a proxy whose client goes away while another one runs it',
    inShop(async (shop) => {
      const first = await started(shop)
      const second = shop.raw(true)
      await second.ask(INITIALIZE)
      second.send(`${callLine(1, 'send_message', mail)}\n`)
      second.end()
      expect(await second.exited, 'it does not wait for the other').toBe(0)
      shop.downstream.release()
      await first.line()
      expect(shop.downstream.effects('messages')).toHaveLength(1)
    }),
  )
})

describe.concurrent('a request that passes, when its client has written everything', PATIENCE, () => {
  /** Reads when the service answers, and ends with its input, as many servers do. */
  const SERVER = `
    process.stdin.on('end', () => process.exit(0))
    require('node:readline').createInterface({ input: process.stdin }).on('line', async (line) => {
      const text = await (await fetch(process.env.SERVICE)).text()
      console.log(JSON.stringify({ jsonrpc: '2.0', id: JSON.parse(line).id, result: { content: [{ type: 'text', text }] } }))
    })`

  /** A client that asks one thing and closes its end, as \`printf … | onefold mcp -- server\` does. */
  async function asked(work: (client: RawClient, answer: () => void) => Promise<void>): Promise<void> {
    let answer = (): void => undefined
    let arrived = (): void => undefined
    const asking = new Promise<void>((resolve) => (arrived = resolve))
    const service = createServer((_request, response) => {
      answer = () => void response.end('what was asked')
      arrived()
    })
    await new Promise<void>((resolve) => void service.listen(0, '127.0.0.1', resolve))
    const SERVICE = `http://127.0.0.1:${(service.address() as AddressInfo).port}`
    await inRawProxy(async (place) => {
      const client = place.start({ server: [process.execPath, '-e', SERVER], env: { SERVICE } })
      client.send(`${callLine(1, 'read', {})}\n`)
      client.end()
      await asking
      await client.says('stopping when 1 requests are answered')
      await work(client, () => answer())
    })()
    service.closeAllConnections()
    service.close()
  }

  it('is answered before the server is stopped', async () => {
    await asked(async (client, answer) => {
      answer()
      expect(read(await client.line())).toMatchObject({ id: 1, result: { content: [{ text: 'what was asked' }] } })
      expect(await client.exited).toBe(0)
    })
  })

  it('is not waited for after a signal', async () => {
    await asked(async (client) => {
      client.child.kill('SIGTERM')
      expect(await client.exited).toBe(0)
    })
  })
})

describe.concurrent('a call that the client takes back', PATIENCE, () => {
  it(
    'goes on into the ledger without an answer; the same call later gets it',
    inShop(async (shop) => {
      const session = await shop.connect()
      shop.downstream.next('messages', 'hold')
      const abort = new AbortController()
      const call = session.call('send_message', mail, { signal: abort.signal })
      await shop.downstream.happened('messages', 1)
      abort.abort()
      await expect(call).rejects.toThrow(/abort/i)
      shop.downstream.release()
      const ledger = await shop.ledger()
      await eventually(async () => ((await listed(ledger, ['committed'])).length > 0 ? true : undefined), 3_000)
      expect(receiptOf(await session.call('send_message', mail))).toMatchObject({ status: 'replayed' })
      expect(shop.downstream.effects('messages')).toHaveLength(1)
    }),
  )
})

describe.concurrent('a probed tool whose caller got an error, and which had done nothing', PATIENCE, () => {
  it(
    'is found undone and stays undone until somebody calls again: nothing is sent for nobody',
    inShop(async (shop) => {
      const session = await shop.connect()
      shop.downstream.next('bookings', 'drop-before')
      const booking = { user: 'u', flight: 'f' }
      expect(receiptOf(await session.call('book_flight', booking))).toMatchObject({ status: 'in-doubt' })
      const ledger = await shop.ledger()
      await eventually(async () => ((await listed(ledger, ['released'])).length > 0 ? true : undefined), 30_000)
      expect(shop.downstream.requests('bookings')).toBe(1)
      expect(receiptOf(await session.call('book_flight', booking))).toMatchObject({ status: 'executed', attempts: 2 })
      expect(shop.downstream.effects('bookings')).toHaveLength(1)
    }),
  )
})

describe.concurrent('a probed tool that the server still works on', PATIENCE, () => {
  it(
    'is not taken for undone, however long it takes: it is sent once',
    inShop(
      async (shop) => {
        const session = await shop.connect()
        shop.downstream.next('bookings', 'late')
        const call = session.call('book_flight', { user: 'u', flight: 'f' })
        const ledger = await shop.ledger()
        const asked = async (): Promise<true | undefined> => {
          const [doubt] = await listed(ledger, ['in-doubt', 'recovering'])
          return (doubt?.recoveries ?? 0) >= 4 ? true : undefined
        }
        await eventually(asked, 30_000)
        expect(shop.downstream.effects('bookings')).toHaveLength(0)
        shop.downstream.release()
        await call
        const again = await session.call('book_flight', { user: 'u', flight: 'f' })
        // The server's late answer and the probe's finding race for the record; either may be the one replayed.
        const answer = JSON.parse(textOf(again))
        expect(answer.found ?? answer).toMatchObject({ user: 'u', flight: 'f' })
        expect(shop.downstream.requests('bookings')).toBe(1)
        expect(shop.downstream.effects('bookings')).toHaveLength(1)
      },
      { tools: TOOLS.replace('identity: [user, flight]', 'identity: [user, flight]\n      timeout: 200ms') },
    ),
  )
})

describe.concurrent('the server behind the proxy', PATIENCE, () => {
  it(
    'ends: every request that waits is answered, and the status is the server’s',
    inRawProxy(async (place) => {
      const client = place.start()
      client.send(`${callLine('w', 'silent', { id: 1 })}\n`)
      client.send(`${callLine('again', 'silent', { id: 1 })}\n`)
      client.send('{"jsonrpc":"2.0","id":"same","method":"tools/call","params":{"name":"read","arguments":{}}}\n')
      await client.line()
      client.send(`${callLine('d', 'die', { id: 1 })}\n`)
      const answers = [await client.line(), await client.line(), await client.line()].map(read)
      expect(new Set(answers.map(({ id }) => id))).toEqual(new Set(['again', 'd', 'w']))
      for (const { result } of answers)
        expect(result).toMatchObject({
          isError: true,
          _meta: { 'io.onefold/error': { type: 'IN_DOUBT', effect: 'unknown' } },
        })
      expect(await client.exited).toBe(5)
    }),
  )

  it(
    'writes a line that is no JSON: it is passed on, told once, and everything goes on',
    inRawProxy(async (place) => {
      const client = place.start({ env: { RAW_MODE: 'garbage' } })
      expect(await client.line()).toBe('this is no JSON')
      expect(read(await client.ask(callLine(1, 'write', { id: 1 }))).result?._meta['io.onefold/receipt']).toMatchObject(
        { status: 'executed' },
      )
      expect(client.stderr()).toContain('no JSON-RPC message')
    }),
  )

  it(
    'an id that is under way cannot be used for another call, and nobody is told that nothing happened',
    inRawProxy(async (place) => {
      const client = place.start()
      client.send(`${callLine(15, 'silent', { id: 1 })}\n`)
      const { id, result } = read(await client.ask(callLine(15, 'silent', { id: 2 })))
      expect(id).toBe(15)
      expect(result?._meta['io.onefold/error']).toMatchObject({ type: 'IN_PROGRESS', effect: 'unknown' })
    }),
  )

  it(
    'an answer that says nothing is no success and no error: its outcome is unknown, and nothing is sent again',
    inRawProxy(async (place) => {
      const client = place.start()
      const odd = ['', ',"result":null', ',"result":"done"', ',"error":null']
      for (const given of odd)
        for (const id of [1, 2]) {
          const { result } = read(await client.ask(callLine(id, 'odd', { with: given })))
          expect(result?._meta['io.onefold/error']).toMatchObject({ type: 'IN_DOUBT', effect: 'unknown' })
        }
      expect(place.received()).toHaveLength(odd.length)
      const both = callLine(3, 'odd', { with: ',"result":{"content":[]},"error":null' })
      expect(read(await client.ask(both)).result?._meta['io.onefold/receipt']).toMatchObject({ status: 'executed' })
    }),
  )

  it(
    'the same message once more is the same call: one effect, and each gets its answer',
    inRawProxy(async (place) => {
      const client = place.start()
      client.send(`${callLine(15, 'ask', { id: 1 })}\n${callLine(15, 'ask', { id: 1 })}\n`)
      await client.line()
      expect(read(await client.line()).id).toBe('server-1')
      client.send('{"jsonrpc":"2.0","id":"server-1","result":{"roots":[]}}\n')
      const [first, second] = [await client.line(), await client.line()]
      expect(second).toBe(first)
      expect(read(first)).toMatchObject({ id: 15, result: { _meta: { 'io.onefold/receipt': { status: 'executed' } } } })
      expect(place.received()).toHaveLength(1)
    }),
  )
})

describe.concurrent('unknownTools', PATIENCE, () => {
  const withMode = async (
    unknownTools: string,
    work: (client: RawClient, place: RawProxy) => Promise<void>,
  ): Promise<void> => {
    await inRawProxy(
      async (place) => await work(place.start(), place),
      `\n  name: raw\n  unknownTools: ${unknownTools}\n  tools: { declared: { effect: write, identity: all, recovery: manual } }`,
    )()
  }
  const statuses = async (client: RawClient, tool: string): Promise<unknown[]> => {
    const told: unknown[] = []
    for (const id of [1, 2]) {
      const { result, error } = read(await client.ask(callLine(id, tool, { a: 1 })))
      told.push(
        result?._meta?.['io.onefold/error']?.['type'] ??
          result?._meta?.['io.onefold/receipt']?.['status'] ??
          error?.code ??
          'open',
      )
    }
    return told
  }

  it.each([
    ['{ mode: blocked }', 'undeclared', ['HELD', 'HELD'], 0],
    ['{ mode: blocked }', 'declared', ['executed', 'replayed'], 1],
    ['{ mode: open }', 'undeclared', ['open', 'open'], 2],
    ['{ mode: guarded }', 'undeclared', ['executed', 'executed'], 2],
    ['{ afterDelivery: replay }', 'undeclared', ['executed', 'replayed'], 1],
    ['{ afterDelivery: hold }', 'undeclared', ['executed', 'HELD'], 1],
    ['{ afterError: hold }', 'fail', [-32050, 'IN_DOUBT'], 1],
    ['{ afterError: run }', 'fail', [-32050, -32050], 2],
  ])('%s, tool %s: %j', async (mode, tool, told, sent) => {
    await withMode(mode, async (client, place) => {
      expect(await statuses(client, tool)).toEqual(told)
      expect(place.received()).toHaveLength(sent)
    })
  })
})
