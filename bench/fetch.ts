/**
 * What `ctx.fetch` and `onefold/register` add to a request, against the same requests without them: service and senders
 * are processes of their own, the senders take turns, and the quietest turn of each counts.
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Measured, Row } from './lib.ts'
import type { BenchOptions } from './main.ts'

const MOST_US = 60

const MANNERS = [
  ['plain', 'fetch'],
  ['ctx', 'fetch'],
  ['registered', 'fetch'],
  ['plain', 'http'],
  ['registered', 'http'],
] as const

const path = (name: string): string => fileURLToPath(new URL(`./fetch/${name}`, import.meta.url))

export async function run({ quick }: BenchOptions): Promise<Measured> {
  const service = spawn(process.execPath, [path('service.process.ts')], { stdio: ['pipe', 'pipe', 'inherit'] })
  const [line] = (await once(service.stdout, 'data')) as [Buffer]
  const url = `http://127.0.0.1:${line.toString().trim()}`
  const count = quick ? 1_500 : 3_000
  const rounds = quick ? 3 : 5
  try {
    const best = new Map<string, number>()
    for (let round = 0; round < rounds; round += 1) {
      for (const [manner, transport] of MANNERS) {
        const args = ['-C', 'onefold-source', path('send.process.ts'), url, manner, transport, String(count)]
        const { stdout } = await promisify(execFile)(process.execPath, args)
        const name = `${manner} ${transport}`
        best.set(name, Math.min(best.get(name) ?? Infinity, Number(stdout)))
      }
    }
    const of = (name: string): number => best.get(name) ?? Number.NaN
    const added = (name: string, to: string): Row['value'] => of(name) - of(to)
    const target = { atMost: MOST_US }
    return {
      bench: 'fetch',
      setup: { requests: `${count} a turn`, turns: String(rounds), service: 'node:http on loopback, kept alive' },
      rows: [
        { name: 'fetch alone', value: of('plain fetch'), unit: 'µs', note: 'p50 of a POST, the floor' },
        { name: 'ctx.fetch adds', value: added('ctx fetch', 'plain fetch'), unit: 'µs', target },
        { name: 'register adds to fetch', value: added('registered fetch', 'plain fetch'), unit: 'µs', target },
        { name: 'node:http alone', value: of('plain http'), unit: 'µs', note: 'p50 of a POST, the floor' },
        { name: 'register adds to node:http', value: added('registered http', 'plain http'), unit: 'µs', target },
      ],
    }
  } finally {
    service.stdin.end()
  }
}
