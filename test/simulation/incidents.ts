import type { Incident } from './plan.ts'
import type { World } from './world.ts'

/** Puts the plan's incidents on the calendar. */
export function startIncidents(world: World): void {
  for (const incident of world.plan.incidents) {
    world.scheduler.after(incident.at, incident.type, undefined, () => {
      if (world.quiet) return
      world.coverage.hit(`incident:${incident.type}`)
      happen(world, incident)
    })
  }
}

function happen(world: World, incident: Incident): void {
  const { scheduler, truth } = world
  const at = scheduler.now
  switch (incident.type) {
    case 'pause':
    case 'sleep': {
      const engine = world.engines[incident.process]
      if (engine === undefined || !engine.process.alive) return
      // A machine sleeps with all its processes; a pause (garbage collection, a debugger) takes one.
      for (const { process } of incident.type === 'pause' ? [engine] : world.engines) {
        if (process.host !== engine.process.host) continue
        process.pausedUntil = Math.max(process.pausedUntil, at + incident.forMs)
        process.away += incident.forMs
        if (incident.type === 'sleep') process.slept += incident.forMs
      }
      return
    }
    case 'store-clock':
      world.storeOffset += incident.byMs
      return
    case 'wall-clock':
      for (const host of world.hosts) host.wallOffset += incident.byMs
      return
    case 'store-down':
      world.storeDown = true
      scheduler.after(incident.forMs, 'store-up', undefined, () => (world.storeDown = false))
      return
    case 'disk-full':
      world.diskFull = true
      scheduler.after(incident.forMs, 'disk-free', undefined, () => (world.diskFull = false))
      return
    case 'store-frozen':
      world.frozenUntil = at + incident.forMs
      return
    case 'fail-over':
      truth.lose(incident.writes)
      return
    case 'restore':
      truth.lose(world.random.between(1, Math.max(1, truth.writes)))
      return
    case 'close':
      shutDown(world, incident.process)
  }
}

function shutDown(world: World, number: number): void {
  const engine = world.engines[number]
  if (engine === undefined || !engine.process.alive) return
  const { process, guard } = engine
  process.closing = true
  const end = (): void => {
    if (process.alive) process.die('close')
  }
  process.later(0, 'close', () => void guard.close().then(end, end))
  world.scheduler.after(3_000, 'kill', undefined, end)
}
