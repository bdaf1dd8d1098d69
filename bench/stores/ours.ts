import * as z from 'zod'
import { keyed, manual, probe, type Recovery } from '../../src/contract/index.ts'
import type { Guard, Settings } from '../../src/engine/index.ts'
import { QUICK, testGuard } from '../../test/support/guard.ts'
import type { Contender, Instance, OpenStore, Place, Sending, StoreName } from './contender.ts'

type Effect = (sending: Sending) => Promise<unknown>

/** How the bench's tool is recovered: an effect that the downstream deduplicates, one it can be asked about, or neither. */
export type Class = 'keyed' | 'probe' | 'manual'

const input = z.object({ ref: z.string(), amount: z.number() })

/** Where the fault matrix's downstream is; the probe asks it. */
export const downstreamUrl = (): string => process.env['BENCH_DOWNSTREAM'] ?? ''

/** One effect at the downstream; rejects unless it answers that it is done. */
export async function sendEffect(ref: string, { send }: Sending): Promise<unknown> {
  const response = await send(`${downstreamUrl()}/effects/${encodeURIComponent(ref)}`, { method: 'POST', body: '{}' })
  if (!response.ok) throw new Error(`the downstream answered ${response.status}`)
  return await response.json()
}

const policies: Readonly<Record<Class, () => Recovery<{ ref: string; amount: number }, unknown>>> = {
  keyed: () => keyed('24h'),
  manual: () => manual(),
  probe: () =>
    probe(
      async ({ ref }) => {
        const response = await fetch(`${downstreamUrl()}/effects/${encodeURIComponent(ref)}`)
        return response.ok ? { found: true, value: await response.json() } : { found: false }
      },
      { settle: '20ms' },
    ),
}

/** onefold over a store: a guard with one tool, whose effect is whatever the call brings. */
export async function instanceOf(open: OpenStore, place: Place, recovery: Class, quick: boolean): Promise<Instance> {
  const settings: Partial<Settings> = quick
    ? { ...QUICK, leaseMs: place.leaseMs, heartbeatMs: Math.floor(place.leaseMs / 3) }
    : {
        leaseMs: 30_000,
        heartbeatMs: 10_000,
        quarantineMs: 60_000,
        windowMarginMs: 120_000,
        sendGraceMs: 2_000,
        sweepMs: 1_000,
        recoveryBackoffMs: 1_000,
        waitMs: 30_000,
      }
  const guard = testGuard({ store: open.store, settings })
  try {
    await guard.open()
    return { ...instanceWith(guard, open, recovery), close }
  } catch (error) {
    // A client that nobody ends keeps the bench alive.
    await close()
    throw error
  }

  async function close(): Promise<void> {
    await guard.close()
    await open.end()
  }
}

function instanceWith(guard: Guard, open: OpenStore, recovery: Class): Omit<Instance, 'close'> {
  const effects = new Map<string, Effect>()
  const tool = guard.tool({
    name: 'charge',
    input,
    effect: 'write',
    identity: ['ref'],
    recovery: policies[recovery](),
    execute: (charge, context) => {
      // A recoverer may be asked to do what another process's caller wanted.
      const effect = effects.get(charge.ref) ?? ((sending) => sendEffect(charge.ref, sending))
      return effect({ send: context.fetch })
    },
  })
  return {
    async call(key, effect) {
      effects.set(key, effect)
      try {
        return await tool({ ref: key, amount: 4200 })
      } finally {
        effects.delete(key)
      }
    },
    async doubts() {
      const { records } = await open.store.list({ tenant: undefined, states: ['in-doubt'] })
      return records.length
    },
    async resolve(_key, happened) {
      const { records } = await open.store.list({ tenant: undefined, states: ['in-doubt'] })
      for (const record of records)
        await guard.ledger.resolve(record.key, {
          verdict: happened ? 'committed' : 'released',
          who: 'bench',
          note: 'looked at the downstream',
          ...(happened ? { value: { found: true } } : {}),
        })
    },
  }
}

/**
 * onefold's contenders on a store: one for speed, and one for each recovery class in the fault matrix.
 * @param measured the class whose speed is measured
 */
export function oursOn(
  store: StoreName,
  name: string,
  open: (place: Place) => Promise<OpenStore>,
  measured: Class = 'manual',
): readonly Contender[] {
  const base = { store, ours: true, waits: true } as const
  return [
    {
      ...base,
      name: `onefold ${name}`,
      speedOnly: true,
      open,
      make: async (place) => await instanceOf(await open(place), place, measured, false),
    },
    ...(['keyed', 'probe', 'manual'] as const).map((recovery): Contender => ({
      ...base,
      name: `onefold ${name}, ${recovery}`,
      faultsOnly: true,
      make: async (place) => await instanceOf(await open(place), place, recovery, true),
    })),
  ]
}
