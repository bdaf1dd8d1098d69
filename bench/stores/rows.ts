import type { Row } from '../lib.ts'
import type { Contender } from './contender.ts'
import { FAULTS, type Cell, type Fault } from './faults.ts'
import type { Growth } from './growth.ts'
import type { SameKey } from './same-key.ts'
import type { Speed } from './speed.ts'

/** A contender's answers to each fault. */
export interface Matrix {
  readonly contender: Contender
  readonly cells: Readonly<Partial<Record<Fault, Cell>>>
}

type Target = Pick<Row, 'target'>

const atMost = (is: boolean, value: number): Target => (is ? { target: { atMost: value } } : {})
const atLeast = (is: boolean, value: number): Target => (is ? { target: { atLeast: value } } : {})

/** Ratios and times of single contenders. Targets are those of the Redis and Postgres ledgers. */
export function speedRows(all: readonly Speed[]): readonly Row[] {
  return all.flatMap(({ contender: { name, store, ours = false }, ratios, ...times }): Row[] => {
    const redis = ours && store === 'redis'
    const postgres = ours && store === 'postgres'
    const dbos = all.find((one) => one.contender.name.startsWith('DBOS'))
    return [
      {
        name: `${name}: first call`,
        value: ratios.firstP50,
        unit: '× floor p50',
        note: `${Math.round(times.firstP50)} µs, p99 ${Math.round(times.firstP99)} µs`,
        ...atMost(redis || postgres, redis ? 1.35 : 1.2),
      },
      {
        name: `${name}: replay`,
        value: ratios.replayP50,
        unit: '× floor p50',
        note: `${Math.round(times.replayP50)} µs, p99 ${Math.round(times.replayP99)} µs`,
        ...atMost(redis, 0.75),
      },
      {
        name: `${name}: the same replay again in one process`,
        value: ratios.againP50,
        unit: '× floor replay p50',
        ...atMost(redis, 0.15),
      },
      {
        name: `${name}: 64 at once`,
        value: ratios.perSecond,
        unit: '× floor calls/s',
        note: `${Math.round(times.perSecond)} calls/s`,
        ...atLeast(redis || postgres, redis ? 0.62 : 2),
      },
      { name: `${name}: CPU of the client`, value: times.cpuUs, unit: 'µs/call', ...atMost(redis, 28) },
      ...(postgres && dbos !== undefined
        ? [
            {
              name: `${name}: 64 at once`,
              value: times.perSecond / dbos.perSecond,
              unit: '× DBOS steps',
              ...atLeast(true, 5),
            },
          ]
        : []),
    ]
  })
}

export function sameKeyRows(all: readonly SameKey[]): readonly Row[] {
  return all.flatMap(({ contender: { name, store, ours = false }, ...found }): Row[] => {
    // DynamoDB tells nobody of changes: there waiters look.
    const told = ours && store !== 'dynamodb'
    return [
      { name: `${name}: 64 callers of one key, executions`, value: found.executions, unit: '', ...atMost(ours, 1) },
      {
        name: `${name}: 64 callers of one key, answered`,
        value: found.answered * 100,
        unit: '%',
        ...atLeast(ours, 100),
      },
      {
        name: `${name}: 64 callers of one key, answer after the effect`,
        value: found.delayP99,
        unit: 'ms p99',
        note: `p50 ${found.delayP50.toFixed(1)} ms`,
        ...atMost(told, 5),
      },
      ...(Number.isNaN(found.commands)
        ? []
        : [
            {
              name: `${name}: 64 callers of one key, store commands`,
              value: found.commands,
              unit: 'a trial',
              ...atMost(ours, 150),
            },
          ]),
    ]
  })
}

export const growthRows = (all: readonly Growth[]): readonly Row[] =>
  all.map(({ name, points }) => {
    const [first, last] = [points[0], points.at(-1)]
    return {
      name: `${name}: claim at ${last?.records.toLocaleString('en') ?? ''} records`,
      value: (last?.p50 ?? Number.NaN) / (first?.p50 ?? Number.NaN),
      unit: `× that at ${first?.records.toLocaleString('en') ?? ''} (p50)`,
      note: points.map((point) => `${point.records.toLocaleString('en')}: ${Math.round(point.p50)} µs`).join(', '),
      target: { atMost: 1.5 },
    }
  })

/** 1 for a cell that is right: one effect and an end, or for tools that only a person can settle a listed doubt. */
export function faultRows(all: readonly Matrix[]): readonly Row[] {
  return all.flatMap(({ contender: { name, ours = false }, cells }) =>
    FAULTS.flatMap((fault): Row[] => {
      const cell = cells[fault]
      if (cell === undefined) return []
      const right = isRight(name, cell)
      return [
        {
          name: `${name}: ${fault}`,
          value: cell.effects,
          unit: cell.effects === 1 ? 'effect' : 'effects',
          note: `${cell.end}${right ? '' : ' (wrong)'}; later callers were told: ${cell.told.join(', ')}`,
          ...(ours ? { target: right ? { atLeast: cell.effects } : { atLeast: Number.POSITIVE_INFINITY } } : {}),
        },
      ]
    }),
  )
}

/** Keyed and probe tools end with one effect and an answer; for manual ones a doubt that a person settled is right too. */
export function isRight(name: string, { effects, end }: Cell): boolean {
  if (effects === 1 && end === 'answered') return true
  return name.endsWith('manual') && effects <= 1 && end === 'doubt'
}
