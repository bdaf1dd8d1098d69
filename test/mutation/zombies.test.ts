import { expect, it } from 'vitest'
import { bench, refusalOf, settle } from './bench.ts'
import { alarms } from './corners.ts'

const input = { ref: 'a' }

it.each(['in its own process', 'from a spool'])(
  'a success that comes %s after a later attempt was refused lets nobody act again',
  async (way) => {
    const b = bench()
    const tool = b.tool({ timeout: '1s' })
    b.downstream.plan('a', 'hold')
    const first = refusalOf(tool(input))
    await b.time.advance(1_000)
    const { key } = await b.until(first)
    const { fence, nonce } = b.recordOf(key ?? '')!
    b.time.pause(60_000)
    // Wrongly: it has happened. The next attempt is refused, as one that is there already may be.
    await b.until(b.guard.ledger.resolve(key ?? '', { verdict: 'released', who: 'me', note: 'not seen' }))
    b.downstream.plan('a', 'refuse')
    expect(await b.until(refusalOf(tool(input)))).toMatchObject({ code: 'REJECTED' })
    if (way === 'from a spool') {
      const outcome = { kind: 'value', text: '{"id":1,"ref":"a"}', sha256: 'x', size: 18 } as const
      b.spool.entries.push({ key: key ?? '', tenant: 'default', fence, nonce, outcome, at: 0, who: 'host/boot/0/0' })
      await b.until(b.guard.internals.tick())
    } else b.downstream.release('a')
    await settle()
    expect(b.recordOf(key ?? '')).toMatchObject({ state: 'committed', error: undefined })
    expect(alarms(b)).toEqual(['success evidence for an operation that was rejected'])
    expect(await b.until(tool(input))).toEqual({ id: 1, ref: 'a' })
    expect(b.downstream.effects('a')).toBe(1)
  },
)
